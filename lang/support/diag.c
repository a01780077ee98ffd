/* Diagnostics: collecting them and drawing them. An excerpt is drawn from the characters around the caret, never from
 * the whole line, so that its cost does not depend on the line's length. */
#include "diag.h"
#include "utf8.h"

#include <stdio.h>
#include <string.h>

enum {
    WINDOW = 100, /* columns of an excerpt */
    BEFORE = 60,  /* of them before the caret, where the line is longer */
    QUOTED = 60,  /* characters that diag_escape keeps */
    LONGEST = 600 /* of a message: a name may be as long as the text */
};

void diag_init(struct diag_list *list, struct arena *arena, const struct source_map *map)
{
    *list = (struct diag_list){.arena = arena, .map = map};
}

bool diag_enough(struct diag_list *list)
{
    if (list->errors <= DIAG_MAX_ERRORS)
        return false;
    list->stopped = true;
    return true;
}

static void add(struct diag_list *list, enum diag_kind kind, struct span span, const char *format, va_list args)
{
    if (list->errors > DIAG_MAX_ERRORS)
        return;
    const char *message = arena_vprintf(list->arena, format, args);
    struct diag d = {kind, span, utf8_escape(list->arena, message, strlen(message), LONGEST)};
    vec_push(list->arena, &list->items, d);
}

void diag_error(struct diag_list *list, struct span span, const char *format, ...)
{
    va_list args;
    list->errors++;
    va_start(args, format);
    add(list, DIAG_ERROR, span, format, args);
    va_end(args);
}

void diag_warning(struct diag_list *list, struct span span, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(list, DIAG_WARNING, span, format, args);
    va_end(args);
}

void diag_note(struct diag_list *list, struct span span, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(list, DIAG_NOTE, span, format, args);
    va_end(args);
}

void diag_help(struct diag_list *list, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(list, DIAG_HELP, (struct span){0}, format, args);
    va_end(args);
}

bool diag_check_file(struct diag_list *list, uint32_t file)
{
    struct span where;
    const char *wrong = source_check(list->map, file, &where);
    if (wrong)
        diag_error(list, where, "%s", wrong);
    return !wrong;
}

void diag_did_you_mean(struct diag_list *list, const char *wanted, const char *const *names, size_t count)
{
    const char *near = list->errors > DIAG_MAX_ERRORS ? NULL : nearest_name(wanted, names, count);
    if (near)
        diag_help(list, "did you mean \"%s\"?", near);
}

const char *diag_escape(struct arena *arena, const char *text, size_t length)
{
    return utf8_escape(arena, text, length, QUOTED);
}

/* The start of the character before `at`, not before `begin`. */
static uint32_t step_back(const char *text, uint32_t begin, uint32_t at)
{
    for (uint32_t n = 1; n <= 4 && n <= at - begin; n++)
        if (utf8_length(text + at - n, n) == n)
            return at - n;
    return at - 1;
}

/* As many characters before `at` as fit into `columns`. */
static uint32_t window_begin(const char *text, uint32_t line_begin, uint32_t at, size_t columns)
{
    size_t used = 0;
    while (at > line_begin) {
        uint32_t before = step_back(text, line_begin, at);
        used += utf8_glyph(text + before, at - before).columns;
        if (used > columns)
            break;
        at = before;
    }
    return at;
}

static uint32_t window_end(const char *text, uint32_t from, uint32_t line_end, size_t columns)
{
    size_t used = 0;
    while (from < line_end) {
        struct utf8_glyph g = utf8_glyph(text + from, line_end - from);
        used += g.columns;
        if (used > columns)
            break;
        from += (uint32_t)g.bytes;
    }
    return from;
}

static size_t draw(struct text *out, const char *text, uint32_t begin, uint32_t end)
{
    size_t columns = 0;
    while (begin < end) {
        struct utf8_glyph g = utf8_glyph(text + begin, end - begin);
        text_add_n(out, g.text, g.length);
        columns += g.columns;
        begin += (uint32_t)g.bytes;
    }
    return columns;
}

static size_t width(const char *text, uint32_t begin, uint32_t end)
{
    size_t columns = 0;
    while (begin < end) {
        struct utf8_glyph g = utf8_glyph(text + begin, end - begin);
        columns += g.columns;
        begin += (uint32_t)g.bytes;
    }
    return columns;
}

static void repeat(struct text *out, char c, size_t count)
{
    while (count--)
        text_add_n(out, &c, 1);
}

static void render_excerpt(const struct diag_list *list, struct span span, uint32_t line, struct text *out)
{
    const char *text = source_file(list->map, span.file)->text;
    uint32_t begin, end;
    source_line(list->map, span.file, line, &begin, &end);
    uint32_t at = span.begin < end ? span.begin : end;
    uint32_t stop = span.end < end ? span.end : end;
    uint32_t left = begin, right = window_end(text, begin, end, WINDOW);
    if (right < end) {
        left = window_begin(text, begin, at, BEFORE);
        right = window_end(text, left, end, WINDOW);
    }
    text_printf(out, "%5u | %s", line, left > begin ? "…" : "");
    draw(out, text, left, right);
    text_printf(out, "%s\n", right < end ? "…" : "");
    char number[16];
    repeat(out, ' ', (size_t)snprintf(number, sizeof number, "%5u", line));
    text_add(out, " | ");
    repeat(out, ' ', (left > begin) + width(text, left, at));
    text_add(out, "^");
    size_t marked = stop > at ? width(text, at, stop < right ? stop : right) : 1;
    repeat(out, '~', marked ? marked - 1 : 0);
    text_add(out, "\n");
}

static void render_one(const struct diag_list *list, const struct diag *d, struct text *out)
{
    static const char *const words[] = {"error", "warning", "note", "help"};
    const struct source_file *f = source_file(list->map, d->span.file);
    if (d->kind == DIAG_HELP) {
        text_printf(out, "   help: %s\n", d->message);
        return;
    }
    if (!f) {
        text_printf(out, "%s: %s\n", words[d->kind], d->message);
        return;
    }
    const char *name = utf8_escape(list->arena, f->name, strlen(f->name), SIZE_MAX);
    if (span_is_file(d->span)) {
        text_printf(out, "%s: %s: %s\n", name, words[d->kind], d->message);
        return;
    }
    struct source_position p = source_position(list->map, d->span.file, d->span.begin);
    text_printf(out, "%s:%u:%u: %s: %s\n", name, p.line, p.column, words[d->kind], d->message);
    if (d->kind != DIAG_NOTE)
        render_excerpt(list, d->span, p.line, out);
}

void diag_render(const struct diag_list *list, struct text *out)
{
    for (size_t i = 0; i < list->items.count; i++)
        render_one(list, &list->items.at[i], out);
    if (list->errors > DIAG_MAX_ERRORS) {
        size_t more = list->errors - DIAG_MAX_ERRORS;
        if (list->stopped)
            text_add(out, "more errors\n");
        else
            text_printf(out, "%zu more error%s\n", more, more == 1 ? "" : "s");
    }
}
