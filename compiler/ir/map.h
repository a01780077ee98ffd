/* A map from pointers to pointers, in an arena: side tables of clone, verify and the passes. */
#ifndef XENT_MAP_H
#define XENT_MAP_H

#include "arena.h"

#include <stddef.h>

struct pointer_map {
    struct arena *arena;
    struct pointer_pair *slot;
    size_t count, capacity;
};

void map_init(struct pointer_map *map, struct arena *arena);
void map_set(struct pointer_map *map, const void *key, void *value); /* key not NULL; replaces */
void *map_get(const struct pointer_map *map, const void *key);       /* NULL: absent */

#endif
