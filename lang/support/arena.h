/* Arena: memory of one compilation, freed at once. Running out of memory is not an error code that every caller
 * checks: arena_alloc jumps to the arena's `on_failure`, set by the entry that owns the arena. Code between that entry
 * and an allocation must therefore own nothing outside the arena (no open files, no malloc). One thread at a time. */
#ifndef XENT_SUPPORT_ARENA_H
#define XENT_SUPPORT_ARENA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct arena {
    struct arena_block *blocks;
    jmp_buf *on_failure; /* where an exhausted arena jumps to, with value 1; NULL: abort */
    size_t bytes;        /* obtained from malloc so far */
    long fail_after;     /* tests: the allocation with this number fails; 0 never */
};

void arena_init(struct arena *arena, jmp_buf *on_failure);
void arena_deinit(struct arena *arena);

/* Zeroed, aligned to 16 bytes, never NULL. */
void *arena_alloc(struct arena *arena, size_t bytes);
/* count * size, checked for overflow. */
void *arena_array(struct arena *arena, size_t count, size_t size);
/* A larger copy of an array of the arena; the old one stays until the arena goes. */
void *arena_grow(struct arena *arena, const void *old, size_t old_bytes, size_t new_bytes);
char *arena_strndup(struct arena *arena, const char *text, size_t length);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *format, va_list args);

#define ARENA_NEW(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_array((arena), (count), sizeof(type)))

#endif
