/* Messages: formatted, made printable, never too long. */
#include "internal.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
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

/* Valid UTF-8 is kept, but for control characters (C1 too); they and odd bytes become \xNN. */
static void copy_printable(char *out, size_t out_size, const char *text) {
    const unsigned char *in = (const unsigned char *)text;
    size_t left = strlen(text), used = 0;
    while (left) {
        size_t length = rt_utf8(in, left);
        bool control = (length == 1 && (in[0] < 0x20 || in[0] == 0x7f)) || (length == 2 && in[0] == 0xc2 && in[1] < 0xa0);
        bool keep = length && !control;
        size_t step = length ? length : 1, need = keep ? step : 4 * step;
        if (used + need >= out_size)
            break;
        if (keep)
            memcpy(out + used, in, step);
        else
            for (size_t i = 0; i < step; i++)
                snprintf(out + used + 4 * i, 5, "\\x%02x", in[i]);
        used += need, in += step, left -= step;
    }
    out[used] = 0;
}

enum xent_status rt_fail(struct xent_error *error, enum xent_status status, const char *format, ...) {
    if (!error)
        return status;
    char raw[sizeof error->message];
    va_list args;
    va_start(args, format);
    vsnprintf(raw, sizeof raw, format, args);
    va_end(args);
    error->status = status;
    copy_printable(error->message, sizeof error->message, raw);
    return status;
}

enum xent_status rt_fail_io(struct xent_error *error, const char *path, const char *doing, int cause) {
    char buffer[128], text[128];
    snprintf(text, sizeof text, "%s", strerror_r(cause, buffer, sizeof buffer));
    if (islower((unsigned char)text[1]))
        text[0] = (char)tolower((unsigned char)text[0]);
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
