/* Text: a growing string in an arena, interned names, and the nearest name for "did you mean". */
#ifndef XENT_SUPPORT_TEXT_H
#define XENT_SUPPORT_TEXT_H

#include "arena.h"

#include <stdbool.h>

/* A string under construction; `at` is always NUL-terminated once something was added. */
struct text {
    struct arena *arena;
    char *at;
    size_t count, capacity;
};

void text_init(struct text *text, struct arena *arena);
void text_add(struct text *text, const char *string);
void text_add_n(struct text *text, const char *bytes, size_t count);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The shortest decimal form that reads back as the same float (or double), always with a '.', 'e', "inf" or "nan". */
void text_add_float(struct text *text, float value);
void text_add_double(struct text *text, double value);
/* The string so far ("" when nothing was added). */
const char *text_string(const struct text *text);

/* One pointer per distinct string, so that names compare with ==. */
struct interner {
    struct arena *arena;
    const char **slots;
    size_t count, capacity;
};

void interner_init(struct interner *interner, struct arena *arena);
const char *intern(struct interner *interner, const char *text, size_t length);
const char *intern_string(struct interner *interner, const char *text);

/* Decimal digits with optional '_' between digits, as int64_t; false on overflow or any other character. */
bool text_to_int(const char *text, int64_t *out);

/* The name nearest to `wanted` by edit distance, or NULL when none is near enough to suggest. */
const char *nearest_name(const char *wanted, const char *const *names, size_t count);

#endif
