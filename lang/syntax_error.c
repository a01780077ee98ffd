/* `expected X, found Y` in the language's words. The parser names every token that could stand here; sets of them that
 * mean one thing to a reader (an expression, the next item) are replaced by its name. */
#include "parse.h"
#include "parser.h"

#include <string.h>

enum { MAX_EXPECTED = 64 };

struct expectation {
    const char *const *names;
    size_t count;
    bool used[MAX_EXPECTED]; /* already said */
};

/* In this order: a later group is only looked for in what the earlier ones left. */
static const struct group {
    const char *phrase;
    const char *tokens[24];
    bool ends_expression; /* what may continue the expression before it is left unsaid */
} groups[] = {
    {"an argument",
     {"a name", "a number", "a string", "[", "(", "-", "true", "false", "as", "net", "model", "data", "train", "input",
      "target", "output", "loss", "metric", NULL},
     false},
    {"an expression",
     {"a name", "a number", "a string", "[", "(", "-", "true", "false", "net", "model", "data", "train", NULL},
     false},
    {"a value",
     {"a name", "a number", "a string", "[", "-", "true", "false", "net", "model", "data", "train", NULL},
     false},
    {"a key",
     {"a name", "net", "model", "data", "train", "input", "target", "output", "loss", "metric", "as", "true",
      "false", NULL},
     true},
    {"the next item of the model",
     {"a name", "input", "target", "output", "loss", "metric", "net", "model", "data", "train", NULL},
     true},
    {"a name", {"a name", "net", "model", "data", "train", NULL}, false},
    {"a number", {"a number", "-", NULL}, false},
};

static bool unsaid(const struct expectation *e, const char *token)
{
    for (size_t i = 0; i < e->count; i++)
        if (!e->used[i] && strcmp(e->names[i], token) == 0)
            return true;
    return false;
}

static void say(struct expectation *e, const char *token)
{
    for (size_t i = 0; i < e->count; i++)
        if (strcmp(e->names[i], token) == 0)
            e->used[i] = true;
}

static bool holds_all(const struct expectation *e, const char *const *tokens)
{
    for (; *tokens; tokens++)
        if (!unsaid(e, *tokens))
            return false;
    return true;
}

static const char *quoted(struct parse_context *ctx, const char *token)
{
    if (ctx->is_value && strcmp(token, "the end of the file") == 0)
        return "the end";
    return strchr(token, ' ') ? token : arena_printf(ctx->arena, "\"%s\"", token);
}

/* The parser merges states, so it also names what could end another bracket than the one that is open. */
static bool possible_inside(int open, const char *token)
{
    if (strcmp(token, ")") == 0)
        return open == LPAREN;
    if (strcmp(token, "]") == 0)
        return open == LBRACKET;
    if (strcmp(token, ",") == 0)
        return open == LPAREN || open == LBRACKET;
    if (strcmp(token, "}") == 0)
        return open == LBRACE;
    return strcmp(token, "the end of the file") != 0 || open == 0;
}

/* Empty where nothing was looked for: behind a token that is an error itself. */
static const char *describe_expected(struct parse_context *ctx, const char *const *names, size_t count)
{
    struct expectation e = {.names = names, .count = count < MAX_EXPECTED ? count : MAX_EXPECTED};
    for (size_t i = 0; i < e.count; i++)
        e.used[i] = !possible_inside(ctx->inside, names[i]);
    VEC(const char *) phrases = {0};
    bool ends_expression = false;
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
        if (!holds_all(&e, groups[g].tokens))
            continue;
        for (size_t i = 0; groups[g].tokens[i]; i++)
            say(&e, groups[g].tokens[i]);
        if (groups[g].ends_expression && ctx->inside != LBRACE)
            continue;
        vec_push(ctx->arena, &phrases, groups[g].phrase);
        ends_expression |= groups[g].ends_expression;
    }
    if (ends_expression) {
        say(&e, "|>");
        say(&e, "as");
        say(&e, "(");
    }
    for (size_t i = 0; i < e.count; i++)
        if (!e.used[i])
            vec_push(ctx->arena, &phrases, quoted(ctx, names[i]));
    struct text out;
    text_init(&out, ctx->arena);
    for (size_t i = 0; i < phrases.count; i++)
        text_printf(&out, "%s%s", !i ? "" : i + 1 == phrases.count ? " or " : ", ", phrases.at[i]);
    return text_string(&out);
}

static const char *describe_found(struct parse_context *ctx, const char *found)
{
    if (ctx->current.begin == ctx->current.end)
        return ctx->is_value ? "the end" : "the end of the file";
    size_t length = ctx->current.end - ctx->current.begin;
    const char *text = diag_escape(ctx->arena, ctx->source->text + ctx->current.begin, length);
    return strcmp(found, "a string") == 0 ? arena_printf(ctx->arena, "the string %s", text)
                                          : arena_printf(ctx->arena, "\"%s\"", text);
}

static bool among(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static uint32_t line_of(const struct parse_context *ctx, struct span span)
{
    return source_position(ctx->diags->map, span.file, span.begin).line;
}

static bool at_end(const struct parse_context *ctx)
{
    return ctx->current.begin == ctx->current.end;
}

/* The bracket that is still open, where that may be the mistake. */
static void note_bracket(struct parse_context *ctx)
{
    struct span open = ctx->mismatched;
    if (!open.file && ctx->open_count) {
        const struct open_bracket *top = &ctx->open[ctx->open_count - 1];
        if (at_end(ctx) || (top->token != LBRACE && line_of(ctx, top->span) != line_of(ctx, ctx->current)))
            open = top->span;
    }
    if (open.file && open.begin != ctx->current.begin)
        diag_note(ctx->diags, open, "\"%c\" is opened here", ctx->source->text[open.begin]);
}

static bool is_item_word(const char *token)
{
    static const char *const words[] = {"input", "target", "output", "loss", "metric"};
    return among(words, sizeof words / sizeof *words, token);
}

static void unknown_section(struct parse_context *ctx)
{
    static const char *const sections[] = {"model", "data", "train"};
    size_t length = ctx->current.end - ctx->current.begin;
    const char *name = arena_strndup(ctx->arena, ctx->source->text + ctx->current.begin, length);
    diag_error(ctx->diags, ctx->current, "unknown section \"%s\"", diag_escape(ctx->arena, name, length));
    if (nearest_name(name, sections, 3))
        diag_did_you_mean(ctx->diags, name, sections, 3);
    else
        diag_help(ctx->diags, "a file has the sections model, data and train");
}

static const char *previous_word(struct parse_context *ctx)
{
    return diag_escape(ctx->arena, ctx->source->text + ctx->previous.begin, ctx->previous.end - ctx->previous.begin);
}

static void help(struct parse_context *ctx, const char *const *names, size_t count, const char *found, bool new_line)
{
    const char *before = previous_word(ctx);
    bool equals_alone = count == 1 && strcmp(names[0], "=") == 0;
    if (ctx->is_value && !at_end(ctx))
        diag_help(ctx->diags, "a string with spaces or any of ( ) [ ] , = \" in it stands in double quotes");
    else if (is_item_word(before) && (equals_alone || strcmp(found, "=") == 0))
        diag_help(ctx->diags, "%s is a word of the language and cannot name a value", before);
    else if (equals_alone && (new_line || strcmp(found, "(") == 0 || strcmp(found, "|>") == 0))
        diag_help(ctx->diags, "if %s is to take what stands before it, write |> %s", before, before);
    else if (is_item_word(found) && !new_line && among(names, count, "a name") && !among(names, count, found))
        diag_help(ctx->diags, "%s is a word of the language and cannot name a value", found);
    else if (among(names, count, ":"))
        diag_help(ctx->diags, "a type follows a colon: image : u8[1, 28, 28]");
    else if (strcmp(found, ":") == 0 && among(names, count, "="))
        diag_help(ctx->diags, "write %s = …", before);
    else if (strcmp(found, ",") == 0 && ctx->inside == LBRACE)
        diag_help(ctx->diags, "nothing separates items: white space is enough");
}

void syntax_error(struct parse_context *ctx, const char *const *expected, size_t count, const char *found)
{
    if (ctx->stopped || (at_end(ctx) && ctx->brace_reported))
        return;
    if (among(expected, count, "net") && !among(expected, count, "a name")) {
        diag_error(ctx->diags, ctx->current, "a .net file begins with \"net 1\", but this one with %s",
                   describe_found(ctx, found));
        return;
    }
    if (among(expected, count, "model") && !among(expected, count, "a name") && strcmp(found, "a name") == 0) {
        unknown_section(ctx);
        return;
    }
    bool new_line = !at_end(ctx) && line_of(ctx, ctx->previous) != line_of(ctx, ctx->current);
    const char *after = new_line ? arena_printf(ctx->arena, " after \"%s\"", previous_word(ctx)) : "";
    const char *wanted = describe_expected(ctx, expected, count), *there = describe_found(ctx, found);
    if (*wanted)
        diag_error(ctx->diags, ctx->current, "expected %s%s, found %s", wanted, after, there);
    else
        diag_error(ctx->diags, ctx->current, "%s cannot stand here", there);
    note_bracket(ctx);
    help(ctx, expected, count, found, new_line);
}
