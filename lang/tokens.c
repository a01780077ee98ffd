/* What the parser reads: the lexer's words, with the brackets kept in mind, and during recovery from an error only the
 * word with which the next item, setting or section begins. */
#include "words.h"

#include <string.h>

enum { MAX_COUNTED_ERRORS = 1000 }; /* past them nothing is read any more */

void parse_stop(struct parse_context *ctx)
{
    ctx->stopped = true;
}

static int opener_of(int token)
{
    return token == RPAREN ? LPAREN : token == RBRACKET ? LBRACKET : token == RBRACE ? LBRACE : 0;
}

static void open_bracket(struct parse_context *ctx, int token, struct span span)
{
    if (ctx->open_count == LANG_MAX_BRACKETS) {
        diag_error(ctx->diags, span, "brackets are nested more than %d levels deep", LANG_MAX_BRACKETS);
        parse_stop(ctx);
        return;
    }
    ctx->open[ctx->open_count++] = (struct open_bracket){token, span};
}

/* A brace that closes also ends what was left open inside it. */
static void close_bracket(struct parse_context *ctx, int opener)
{
    if (!ctx->open_count)
        return;
    const struct open_bracket *top = &ctx->open[ctx->open_count - 1];
    if (top->token == opener) {
        ctx->open_count--;
        return;
    }
    ctx->mismatched = top->span;
    size_t i = ctx->open_count;
    while (i && ctx->open[i - 1].token != opener)
        i--;
    if (i && opener == LBRACE)
        ctx->open_count = i - 1;
}

static int next_token(struct parse_context *ctx, NET_STYPE *value, NET_LTYPE *span)
{
    if (ctx->diags->errors > MAX_COUNTED_ERRORS && diag_enough(ctx->diags))
        parse_stop(ctx);
    int token = ctx->stopped ? 0 : lexer_scan(value, span, ctx->scanner);
    ctx->mismatched = (struct span){0};
    ctx->inside = ctx->open_count ? ctx->open[ctx->open_count - 1].token : 0;
    if (token == LPAREN || token == LBRACKET || token == LBRACE)
        open_bracket(ctx, token, *span);
    else if (opener_of(token))
        close_bracket(ctx, opener_of(token));
    if (ctx->stopped)
        token = 0;
    if (token == 0)
        *span = (struct span){ctx->file, ctx->current.end, ctx->current.end};
    ctx->previous = ctx->current;
    ctx->current = *span;
    return token;
}

static bool followed_by(const struct parse_context *ctx, char wanted)
{
    const char *p = ctx->source->text + ctx->current.end;
    for (;;) {
        p += strspn(p, " \t\r\n\f\v");
        if (*p != '#')
            return *p == wanted;
        p += strcspn(p, "\n");
    }
}

static bool begins_line(const struct parse_context *ctx)
{
    uint32_t at = ctx->current.begin;
    while (at && strchr(" \t", ctx->source->text[at - 1]))
        at--;
    return !at || ctx->source->text[at - 1] == '\n';
}

static bool in_braces(const struct parse_context *ctx)
{
    return !ctx->open_count || ctx->open[ctx->open_count - 1].token == LBRACE;
}

static void close_to_brace(struct parse_context *ctx)
{
    while (!in_braces(ctx))
        ctx->open_count--;
}

static bool is_name(int token)
{
    return token == NAME || token == NET || token == MODEL || token == DATA || token == TRAIN;
}

static bool is_item_word(int token)
{
    return token == INPUT || token == TARGET || token == OUTPUT || token == LOSS || token == METRIC;
}

static bool is_literal_word(int token)
{
    return token == AS || token == TRUE_WORD || token == FALSE_WORD;
}

bool recovery_reached(struct parse_context *ctx, int token)
{
    switch (ctx->recovery) {
    case TO_ITEM:
        if (token == RBRACE || (is_name(token) && followed_by(ctx, '=') && in_braces(ctx)))
            return true;
        if (is_item_word(token) && !followed_by(ctx, '=') && begins_line(ctx)) {
            close_to_brace(ctx);
            return true;
        }
        if ((token == DATA || token == TRAIN) && followed_by(ctx, '{')) {
            close_to_brace(ctx);
            return true;
        }
        return false;
    case TO_SETTING:
        return token == RBRACE || ((is_name(token) || is_item_word(token) || is_literal_word(token)) &&
                                   followed_by(ctx, '=') && in_braces(ctx));
    case TO_SECTION:
        return !ctx->open_count && (token == MODEL || token == DATA || token == TRAIN);
    case RECOVERED:
        break;
    }
    return true;
}

int net_lex(NET_STYPE *value, NET_LTYPE *span, struct parse_context *ctx)
{
    if (ctx->start) {
        int token = ctx->start;
        ctx->start = 0;
        *span = ctx->current = ctx->previous = (struct span){ctx->file, 0, 0};
        return token;
    }
    int token = next_token(ctx, value, span);
    while (token && ctx->recovery != RECOVERED && !recovery_reached(ctx, token))
        token = next_token(ctx, value, span);
    ctx->recovery = RECOVERED;
    return token;
}
