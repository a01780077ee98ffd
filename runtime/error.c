/* Messages: formatted, made printable, never too long. */
#include "internal.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *xent_status_name(enum xent_status status) {
    static const char *const names[] = {"ok", "argument", "data", "io", "memory", "thread", "numeric"};
    return (size_t)status < sizeof names / sizeof *names ? names[status] : "unknown";
}

size_t rt_utf8(const unsigned char *text, size_t size) {
    if (!size)
        return 0;
    if (text[0] < 0x80)
        return 1;
    size_t length = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
    if (text[0] < 0xc2 || text[0] > 0xf4 || length > size)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xf0 && text[1] < 0x90);
    bool beyond = (text[0] == 0xed && text[1] >= 0xa0) || (text[0] == 0xf4 && text[1] >= 0x90);
    return overlong || beyond ? 0 : length;
}

/* How the character at `text` is shown: itself, or \xNN for each byte of a control character (C1 too) and for bytes
 * that are none. Returns the bytes read; *shown: the bytes written to `out`. */
enum { SHOWN = 8 };
static size_t show(char out[SHOWN], size_t *shown, const unsigned char *text, size_t size) {
    size_t length = rt_utf8(text, size);
    bool control = (length == 1 && (text[0] < 0x20 || text[0] == 0x7f)) ||
                   (length == 2 && text[0] == 0xc2 && text[1] < 0xa0);
    if (length && !control) {
        memcpy(out, text, length);
        *shown = length;
        return length;
    }
    snprintf(out, SHOWN, "\\x%02x", text[0]);
    *shown = 4;
    return 1;
}

static size_t copy_printable(char *out, size_t out_size, const char *text) {
    const unsigned char *in = (const unsigned char *)text;
    size_t left = strlen(text), used = 0;
    while (left) {
        char glyph[SHOWN];
        size_t shown, step = show(glyph, &shown, in, left);
        if (used + shown >= out_size)
            break;
        memcpy(out + used, glyph, shown);
        used += shown, in += step, left -= step;
    }
    out[used] = 0;
    return used;
}

static enum xent_status fail(struct xent_error *error, enum xent_status status, const char *format, va_list args) {
    char raw[sizeof error->message];
    vsnprintf(raw, sizeof raw, format, args);
    error->status = status;
    copy_printable(error->message, sizeof error->message, raw);
    return status;
}

enum xent_status rt_fail(struct xent_error *error, enum xent_status status, const char *format, ...) {
    if (!error)
        return status;
    va_list args;
    va_start(args, format);
    fail(error, status, format, args);
    va_end(args);
    return status;
}

/* --- Quoting a line, as the language's messages do --- */

enum { WINDOW = 100, BEFORE = 60 }; /* columns of an excerpt, and of them before the caret where the line is longer */

/* How a character of a line is drawn, in columns; a tab is a blank. */
static size_t glyph_at(char out[SHOWN], size_t *shown, size_t *columns, const char *text, size_t size) {
    size_t step = show(out, shown, (const unsigned char *)text, size);
    if (text[0] == '\t')
        out[0] = ' ', *shown = 1;
    *columns = *shown > step ? *shown : 1;
    return step;
}

/* Draws from quote->line[*from] what fits into `columns`, not beyond `to`; returns the columns. */
static size_t draw(char *out, size_t *used, const struct rt_quote *quote, size_t *from, size_t to, size_t columns) {
    size_t drawn = 0;
    while (*from < to) {
        char glyph[SHOWN];
        size_t shown, width, step = glyph_at(glyph, &shown, &width, quote->line + *from, quote->size - *from);
        if (drawn + width > columns)
            break;
        memcpy(out + *used, glyph, shown);
        *used += shown;
        drawn += width;
        *from += step;
    }
    return drawn;
}

/* A character's start before the place: the line's, or as far back as BEFORE columns reach. */
static size_t window_begin(const struct rt_quote *quote) {
    size_t begin = quote->at, columns = 0;
    while (begin > 0) {
        char glyph[SHOWN];
        size_t step = 1, shown, width;
        for (size_t n = 2; n <= 4 && n <= begin; n++)
            if (rt_utf8((const unsigned char *)quote->line + begin - n, n) == n)
                step = n;
        glyph_at(glyph, &shown, &width, quote->line + begin - step, step);
        columns += width;
        if (columns > BEFORE)
            break;
        begin -= step;
    }
    return begin;
}

enum xent_status rt_fail_quoting(struct xent_error *error, uint64_t line, const struct rt_quote *quote,
                                 const char *format, ...) {
    if (!error)
        return XENT_ERROR_DATA;
    va_list args;
    va_start(args, format);
    fail(error, XENT_ERROR_DATA, format, args);
    va_end(args);
    char text[4 * WINDOW], mark[WINDOW + 1];
    size_t used = 0, begin = 0, from = 0;
    draw(text, &used, quote, &from, quote->size, WINDOW);
    if (from < quote->size)
        begin = window_begin(quote);
    used = 0, from = begin;
    size_t before = draw(text, &used, quote, &from, quote->at, WINDOW);
    size_t marked = draw(text, &used, quote, &from, quote->at + quote->length, WINDOW - before);
    draw(text, &used, quote, &from, quote->size, WINDOW - before - marked);
    memset(mark, '~', sizeof mark);
    mark[0] = '^';
    size_t length = strlen(error->message);
    char *lines;
    if (asprintf(&lines, "\n%5" PRIu64 " | %s%.*s%s\n%*s | %*s%.*s", line, begin ? "…" : "", (int)used, text,
                 from < quote->size ? "…" : "", snprintf(NULL, 0, "%5" PRIu64, line), "", (int)before + (begin > 0), "",
                 marked ? (int)marked : 1, mark) < 0)
        return XENT_ERROR_DATA;
    if (length + strlen(lines) < sizeof error->message)
        strcpy(error->message + length, lines);
    free(lines);
    return XENT_ERROR_DATA;
}

/* --- What often goes wrong --- */

enum xent_status rt_fail_io(struct xent_error *error, const char *path, const char *doing, int cause) {
    char buffer[128], text[128];
    snprintf(text, sizeof text, "%s", strerror_r(cause, buffer, sizeof buffer));
    if (islower((unsigned char)text[1]))
        text[0] = (char)tolower((unsigned char)text[0]);
    if (!*path)
        return rt_fail(error, XENT_ERROR_IO, "%s: the name of the file is empty", doing);
    return rt_fail(error, cause == ENOMEM ? XENT_ERROR_MEMORY : XENT_ERROR_IO, "%s: %s: %s", path, doing, text);
}

enum xent_status rt_fail_memory(struct xent_error *error, const char *what, uint64_t bytes) {
    return rt_fail(error, XENT_ERROR_MEMORY, "%s: no memory for %" PRIu64 " bytes", what, bytes);
}

const char *rt_excerpt(char buffer[RT_EXCERPT], const char *text, size_t size) {
    size_t used = 0, shown = 0;
    buffer[used++] = '"';
    while (shown < size && shown < 40) {
        if (text[shown])
            buffer[used++] = text[shown];
        else
            used += (size_t)snprintf(buffer + used, 5, "\\x00");
        shown++;
    }
    snprintf(buffer + used, RT_EXCERPT - used, shown < size ? "...\"" : "\"");
    return buffer;
}

void rt_list_add(struct rt_list *list, const char *separator, const char *format, ...) {
    char item[600];
    va_list args;
    va_start(args, format);
    vsnprintf(item, sizeof item, format, args);
    va_end(args);
    if (list->dropped || list->length + strlen(separator) + strlen(item) + 1 > sizeof list->text) {
        list->dropped++;
        return;
    }
    list->length += (size_t)snprintf(list->text + list->length, sizeof list->text - list->length, "%s%s",
                                     list->length ? separator : "", item);
}

const char *rt_shape(char buffer[RT_SHAPE], const int64_t *shape, uint32_t rank) {
    size_t used = 1;
    buffer[0] = '[';
    for (uint32_t d = 0; d < rank && d < XENT_MAX_RANK; d++)
        used += (size_t)snprintf(buffer + used, RT_SHAPE - used, "%s%" PRId64, d ? ", " : "", shape[d]);
    snprintf(buffer + used, RT_SHAPE - used, "]");
    return buffer;
}
