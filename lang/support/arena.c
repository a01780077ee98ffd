/* Blocks of growing size in a list; an allocation takes the next free bytes of the newest block. */
#include "arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct arena_block {
    struct arena_block *next;
    size_t used, size;
    _Alignas(16) unsigned char data[];
};

void arena_init(struct arena *arena, jmp_buf *on_failure)
{
    *arena = (struct arena){.on_failure = on_failure};
}

void arena_deinit(struct arena *arena)
{
    for (struct arena_block *b = arena->blocks, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    arena->blocks = NULL;
    arena->bytes = 0;
}

static _Noreturn void arena_exhausted(struct arena *arena)
{
    if (arena->on_failure)
        longjmp(*arena->on_failure, 1);
    fputs("xent: out of memory\n", stderr);
    abort();
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    if (arena->fail_after && --arena->fail_after == 0)
        arena_exhausted(arena);
    if (bytes > SIZE_MAX / 4)
        arena_exhausted(arena);
    bytes = (bytes + 15) & ~(size_t)15;
    struct arena_block *b = arena->blocks;
    if (!b || b->size - b->used < bytes) {
        size_t size = b ? b->size * 2 : 4096;
        if (size > 1 << 20)
            size = 1 << 20;
        if (size < bytes)
            size = bytes;
        b = malloc(sizeof *b + size);
        if (!b)
            arena_exhausted(arena);
        *b = (struct arena_block){.next = arena->blocks, .size = size};
        arena->blocks = b;
        arena->bytes += size;
    }
    void *p = b->data + b->used;
    b->used += bytes;
    return memset(p, 0, bytes);
}

void *arena_array(struct arena *arena, size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size)
        arena_exhausted(arena);
    return arena_alloc(arena, count * size);
}

void *arena_grow(struct arena *arena, const void *old, size_t old_bytes, size_t new_bytes)
{
    void *p = arena_alloc(arena, new_bytes);
    return old_bytes ? memcpy(p, old, old_bytes) : p;
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
    char *p = arena_alloc(arena, length + 1);
    if (length)
        memcpy(p, text, length);
    return p;
}

char *arena_strdup(struct arena *arena, const char *text)
{
    return arena_strndup(arena, text, strlen(text));
}

char *arena_vprintf(struct arena *arena, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    char *p = arena_alloc(arena, n < 0 ? 1 : (size_t)n + 1);
    if (n > 0)
        vsnprintf(p, (size_t)n + 1, format, again);
    va_end(again);
    return p;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *p = arena_vprintf(arena, format, args);
    va_end(args);
    return p;
}
