/* Strings under construction, interning, and edit distance for suggestions. */
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void text_init(struct text *text, struct arena *arena)
{
    *text = (struct text){.arena = arena};
}

void text_add_n(struct text *text, const char *bytes, size_t count)
{
    if (text->count + count + 1 > text->capacity) {
        size_t capacity = text->capacity ? text->capacity : 64;
        while (capacity < text->count + count + 1)
            capacity *= 2;
        text->at = arena_grow(text->arena, text->at, text->count, capacity);
        text->capacity = capacity;
    }
    if (count)
        memcpy(text->at + text->count, bytes, count);
    text->count += count;
    text->at[text->count] = 0;
}

void text_add(struct text *text, const char *string)
{
    text_add_n(text, string, strlen(string));
}

void text_printf(struct text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    char small[256];
    int n = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof small)
        text_add_n(text, small, (size_t)n);
    else
        text_add(text, arena_vprintf(text->arena, format, again));
    va_end(again);
}

static void add_number(struct text *text, const char *digits)
{
    text_add(text, digits);
    if (!strpbrk(digits, ".ein"))
        text_add(text, ".0");
}

void text_add_float(struct text *text, float value)
{
    char digits[32];
    for (int precision = 1; precision <= 9; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, (double)value);
        if (strtof(digits, NULL) == value || isnan(value))
            break;
    }
    add_number(text, digits);
}

void text_add_double(struct text *text, double value)
{
    char digits[32];
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value || isnan(value))
            break;
    }
    add_number(text, digits);
}

const char *text_string(const struct text *text)
{
    return text->at ? text->at : "";
}

void interner_init(struct interner *interner, struct arena *arena)
{
    *interner = (struct interner){.arena = arena};
}

static size_t hash_bytes(const char *text, size_t length)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < length; i++)
        h = (h ^ (unsigned char)text[i]) * 1099511628211u;
    return (size_t)(h ^ h >> 32);
}

static const char **find_slot(const char **slots, size_t capacity, const char *text, size_t length)
{
    size_t i = hash_bytes(text, length) & (capacity - 1);
    while (slots[i] && !(strncmp(slots[i], text, length) == 0 && slots[i][length] == 0))
        i = (i + 1) & (capacity - 1);
    return slots + i;
}

const char *intern(struct interner *interner, const char *text, size_t length)
{
    if (interner->count * 2 >= interner->capacity) {
        size_t capacity = interner->capacity ? interner->capacity * 2 : 64;
        const char **slots = ARENA_ARRAY(interner->arena, const char *, capacity);
        for (size_t i = 0; i < interner->capacity; i++)
            if (interner->slots[i])
                *find_slot(slots, capacity, interner->slots[i], strlen(interner->slots[i])) = interner->slots[i];
        interner->slots = slots;
        interner->capacity = capacity;
    }
    const char **slot = find_slot(interner->slots, interner->capacity, text, length);
    if (!*slot) {
        *slot = arena_strndup(interner->arena, text, length);
        interner->count++;
    }
    return *slot;
}

const char *intern_string(struct interner *interner, const char *text)
{
    return intern(interner, text, strlen(text));
}

bool text_to_int(const char *text, int64_t *out)
{
    int64_t value = 0;
    if (*text < '0' || *text > '9')
        return false;
    for (const char *p = text; *p; p++) {
        if (*p == '_' && p[1] >= '0' && p[1] <= '9')
            continue;
        if (*p < '0' || *p > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *p - '0', &value))
            return false;
    }
    *out = value;
    return true;
}

enum { LONGEST_NAME = 48 };

/* Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours count one each. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    if (n > LONGEST_NAME || m > LONGEST_NAME)
        return SIZE_MAX;
    size_t row[3][LONGEST_NAME + 1];
    size_t *before = row[0], *above = row[1], *here = row[2];
    for (size_t j = 0; j <= m; j++)
        above[j] = before[j] = j;
    for (size_t i = 1; i <= n; i++) {
        here[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (here[j - 1] + 1 < best)
                best = here[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            here[j] = best;
        }
        size_t *oldest = before;
        before = above;
        above = here;
        here = oldest;
    }
    return above[m];
}

const char *nearest_name(const char *wanted, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t length = strlen(wanted), limit = length <= 3 ? 1 : length <= 6 ? 2 : 3, least = limit + 1;
    for (size_t i = 0; i < count; i++) {
        size_t distance = edit_distance(wanted, names[i]);
        if (distance < least && distance < length) { /* all of its letters changed: not the name that was meant */
            least = distance;
            best = names[i];
        }
    }
    return best;
}
