/* The two entries: a whole file, and one value. Needs the source map that the diagnostics use; leaves a checked tree,
 * or diagnostics. */
#include "lang.h"
#include "parse.h"
#include "parser.h"

#include <string.h>

static struct parse_context context(struct arena *arena, struct diag_list *diags, struct interner *names, uint32_t file)
{
    return (struct parse_context){
        .arena = arena, .diags = diags, .names = names, .file = file, .source = source_file(diags->map, file)};
}

struct ast_file *lang_parse(struct arena *arena, struct diag_list *diags, struct interner *names, uint32_t file)
{
    size_t errors = diags->errors;
    struct parse_context ctx = context(arena, diags, names, file);
    if (!diag_check_file(diags, file))
        return NULL;
    ctx.ast = ARENA_NEW(arena, struct ast_file);
    ctx.ast->file = file;
    ctx.start = BEGIN_FILE;
    lexer_start(&ctx);
    int failed = net_parse(&ctx);
    if (!failed && diags->errors == errors) {
        check_unique(&ctx);
        if (!ctx.ast->model) {
            diag_error(diags, span_of_file(file), "the file has no model");
            diag_help(diags, "a model is written: model NAME { … }");
        }
    }
    return diags->errors == errors ? ctx.ast : NULL;
}

static const char white[] = " \t\r\n\f\v";

/* A text of several words with nothing in it that means anything is a string without quotes. */
static struct ast_expr *as_bare_string(struct parse_context *ctx)
{
    const char *text = ctx->source->text + strspn(ctx->source->text, white);
    size_t length = strlen(text);
    while (length && strchr(white, text[length - 1]))
        length--;
    if (strpbrk(text, "()[]\",=") || strcspn(text, white) >= length)
        return NULL;
    uint32_t at = (uint32_t)(text - ctx->source->text);
    struct span span = {ctx->file, at, at + (uint32_t)length};
    return make_string(ctx, span, arena_strndup(ctx->arena, text, length));
}

struct ast_expr *lang_parse_value(struct arena *arena, struct diag_list *diags, struct interner *names, uint32_t file)
{
    size_t errors = diags->errors;
    struct parse_context ctx = context(arena, diags, names, file);
    if (!diag_check_file(diags, file))
        return NULL;
    struct ast_expr *string = as_bare_string(&ctx);
    if (string)
        return string;
    ctx.is_value = true;
    ctx.start = BEGIN_VALUE;
    lexer_start(&ctx);
    int failed = net_parse(&ctx);
    if (!failed && diags->errors == errors)
        check_unique(&ctx);
    return diags->errors == errors ? ctx.value : NULL;
}
