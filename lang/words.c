/* Numbers and strings as the lexer finds them, and messages about characters that begin no word. */
#include "words.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* strtod reads the decimal point of the program's locale, which is not ours to choose. */
static double to_double(struct arena *arena, const char *text, size_t length)
{
    struct text plain;
    text_init(&plain, arena);
    for (size_t i = 0; i < length; i++)
        if (text[i] == '.')
            text_add(&plain, localeconv()->decimal_point);
        else if (text[i] != '_')
            text_add_n(&plain, text + i, 1);
    return strtod(text_string(&plain), NULL);
}

struct ast_number *word_number(struct parse_context *ctx, struct span span, const char *text, size_t length)
{
    struct ast_number *n = ARENA_NEW(ctx->arena, struct ast_number);
    n->text = arena_strndup(ctx->arena, text, length);
    n->value = to_double(ctx->arena, text, length);
    bool negative = *text == '-';
    n->is_int = text_to_int(n->text + negative, &n->integer);
    if (negative)
        n->integer = -n->integer;
    if (!n->is_int && !strpbrk(n->text, ".eE")) {
        diag_error(ctx->diags, span, "%s is too large: whole numbers go up to %lld",
                   diag_escape(ctx->arena, text, length), (long long)INT64_MAX);
        diag_help(ctx->diags, "with a point or an exponent it is a number of its size: %.3g", n->value);
    } else if (isinf(n->value)) {
        diag_error(ctx->diags, span, "%s is too large for a number", diag_escape(ctx->arena, text, length));
    }
    if (isinf(n->value))
        n->value = 0;
    return n;
}

struct ast_number *word_malformed_number(struct parse_context *ctx, struct span span, const char *text, size_t length)
{
    const char *shown = diag_escape(ctx->arena, text, length);
    diag_error(ctx->diags, span, "\"%s\" is neither a number nor a name", shown);
    size_t digits = strspn(text, "0123456789_");
    if (*text == '.' && strspn(text + 1, "0123456789") == length - 1)
        diag_help(ctx->diags, "write 0%s", shown);
    else if (digits == length - 1 && text[digits] == '.')
        diag_help(ctx->diags, "write %s0", shown);
    else
        diag_help(ctx->diags, "numbers look like 64, 1_000, 0.5, 1e-3; names begin with a letter");
    struct ast_number *n = ARENA_NEW(ctx->arena, struct ast_number);
    *n = (struct ast_number){.text = "1", .value = 1, .integer = 1, .is_int = true};
    return n;
}

const char *word_string(struct parse_context *ctx, struct span span, const char *text, size_t length)
{
    static const char escapes[] = "\"\"\\\\n\nt\t"; /* pairs: the letter, what it stands for */
    char *out = arena_alloc(ctx->arena, length), *end = out;
    for (size_t i = 1; i + 1 < length; i++) {
        if (text[i] != '\\') {
            *end++ = text[i];
            continue;
        }
        char letter = text[++i];
        const char *pair = escapes;
        while (*pair && *pair != letter)
            pair += 2;
        if (*pair) {
            *end++ = pair[1];
        } else {
            uint32_t at = span.begin + (uint32_t)i - 1;
            diag_error(ctx->diags, (struct span){span.file, at, at + 2},
                       "unknown escape: \\\", \\\\, \\n and \\t are the ones there are");
        }
    }
    return out;
}

int word_unknown(struct parse_context *ctx, struct span span, const char *text, size_t length)
{
    static const struct {
        char character;
        int token;
        const char *help;
    } helps[] = {
        {';', 0, "nothing separates items: white space is enough"},
        {'|', PIPE, "a pipe is written |>"},
        {'>', NET_error, "a pipe is written |>"},
        {'\'', NET_error, "strings stand in double quotes"},
        {'/', NET_error, "there is no arithmetic in net 1; a comment begins with #"},
        {'+', NET_error, "there is no arithmetic in net 1"},
        {'*', NET_error, "there is no arithmetic in net 1"},
        {'.', NET_error, "names have no dots; a number begins with a digit: 0.5"},
    };
    diag_error(ctx->diags, span, "\"%s\" has no meaning here", diag_escape(ctx->arena, text, length));
    if ((unsigned char)*text >= 0x80)
        diag_help(ctx->diags, "names are made of the letters a to z and A to Z, digits and _");
    for (size_t i = 0; i < sizeof helps / sizeof *helps; i++)
        if (helps[i].character == *text) {
            diag_help(ctx->diags, "%s", helps[i].help);
            return helps[i].token;
        }
    return NET_error;
}
