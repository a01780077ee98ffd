/* Open addressing with linear probing; never shrinks. */
#include "map.h"

#include <stdint.h>

struct pointer_pair {
    const void *key;
    void *value;
};

void map_init(struct pointer_map *map, struct arena *arena)
{
    *map = (struct pointer_map){.arena = arena};
}

static struct pointer_pair *find(struct pointer_pair *slot, size_t capacity, const void *key)
{
    uint64_t h = (uint64_t)(uintptr_t)key * 0x9e3779b97f4a7c15u;
    size_t i = (size_t)(h >> 32) & (capacity - 1);
    while (slot[i].key && slot[i].key != key)
        i = (i + 1) & (capacity - 1);
    return slot + i;
}

void map_set(struct pointer_map *map, const void *key, void *value)
{
    if (map->count * 2 >= map->capacity) {
        size_t capacity = map->capacity ? map->capacity * 2 : 32;
        struct pointer_pair *slot = ARENA_ARRAY(map->arena, struct pointer_pair, capacity);
        for (size_t i = 0; i < map->capacity; i++)
            if (map->slot[i].key)
                *find(slot, capacity, map->slot[i].key) = map->slot[i];
        map->slot = slot;
        map->capacity = capacity;
    }
    struct pointer_pair *pair = find(map->slot, map->capacity, key);
    map->count += !pair->key;
    *pair = (struct pointer_pair){key, value};
}

void *map_get(const struct pointer_map *map, const void *key)
{
    return map->capacity ? find(map->slot, map->capacity, key)->value : NULL;
}
