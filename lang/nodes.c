/* The parser's actions: nodes of the tree, and the messages about what the grammar lets through but the language does
 * not. */
#include "parse.h"

#include <inttypes.h>
#include <string.h>

static const char *const type_names[] = {
#define X(name, text) [AST_TYPE_##name] = text,
    AST_TYPES(X)
#undef X
};

enum { TYPE_COUNT = sizeof type_names / sizeof *type_names };

const char *ast_type_name(enum ast_type_kind kind)
{
    return type_names[kind];
}

static struct ast_expr *make_expr(struct parse_context *ctx, enum ast_expr_kind kind, struct span span, uint32_t below)
{
    struct ast_expr *e = ARENA_NEW(ctx->arena, struct ast_expr);
    e->kind = kind;
    e->span = span;
    e->depth = below + 1;
    if (e->depth > LANG_MAX_DEPTH && !ctx->stopped) {
        diag_error(ctx->diags, span, "the expression is more than %d levels deep", LANG_MAX_DEPTH);
        diag_help(ctx->diags, "every stage of a pipe is a level: give parts of it names");
        parse_stop(ctx);
    }
    return e;
}

struct ast_expr *make_name(struct parse_context *ctx, struct word name)
{
    struct ast_expr *e = make_expr(ctx, AST_NAME, name.span, 0);
    e->name = name.name;
    return e;
}

struct ast_expr *make_bool(struct parse_context *ctx, struct span span, bool value)
{
    struct ast_expr *e = make_expr(ctx, AST_BOOL, span, 0);
    e->boolean = value;
    return e;
}

struct ast_expr *make_string(struct parse_context *ctx, struct span span, const char *string)
{
    struct ast_expr *e = make_expr(ctx, AST_STRING, span, 0);
    e->string = string;
    return e;
}

struct ast_expr *make_number(struct parse_context *ctx, struct span span, struct ast_number *number)
{
    struct ast_expr *e = make_expr(ctx, AST_NUMBER, span, 0);
    e->number = *number;
    return e;
}

struct ast_number *make_negative(struct parse_context *ctx, const struct ast_number *number)
{
    struct ast_number *n = ARENA_NEW(ctx->arena, struct ast_number);
    *n = *number;
    n->text = arena_printf(ctx->arena, "-%s", number->text);
    n->value = -number->value;
    n->integer = -number->integer;
    return n;
}

struct ast_expr *make_list(struct parse_context *ctx, struct span span, const struct expr_list *items)
{
    uint32_t below = 0;
    for (size_t i = 0; i < items->v.count; i++)
        if (items->v.at[i]->depth > below)
            below = items->v.at[i]->depth;
    struct ast_expr *e = make_expr(ctx, AST_LIST, span, below);
    e->list.at = items->v.at;
    e->list.count = items->v.count;
    return e;
}

struct ast_expr *make_call(struct parse_context *ctx, struct span span, struct word name, const struct arg_list *args,
                           struct word label)
{
    struct ast_call *call = ARENA_NEW(ctx->arena, struct ast_call);
    uint32_t below = 0;
    for (size_t i = 0; i < args->v.count; i++)
        if (args->v.at[i].value->depth > below)
            below = args->v.at[i].value->depth;
    call->name = name.name;
    call->name_span = name.span;
    call->args = args->v.at;
    call->arg_count = args->v.count;
    call->label = label.name;
    call->label_span = label.span;
    struct ast_expr *e = make_expr(ctx, AST_CALL, span, below);
    e->call = call;
    return e;
}

struct ast_expr *make_piped(struct parse_context *ctx, struct ast_expr *left, struct ast_expr *stage)
{
    struct ast_call *call = stage->call;
    struct ast_arg *args = ARENA_ARRAY(ctx->arena, struct ast_arg, call->arg_count + 1);
    args[0] = (struct ast_arg){.span = left->span, .value = left};
    if (call->arg_count)
        memcpy(args + 1, call->args, call->arg_count * sizeof *args);
    call->args = args;
    call->arg_count++;
    call->piped = true;
    struct ast_expr *e = make_expr(ctx, AST_CALL, stage->span,
                                   left->depth + 1 > stage->depth ? left->depth : stage->depth - 1);
    e->call = call;
    return e;
}

void add_arg(struct parse_context *ctx, struct arg_list *args, struct ast_arg arg)
{
    if (!arg.name && args->v.count && args->v.at[args->v.count - 1].name) {
        diag_error(ctx->diags, arg.span, "an argument without a name cannot follow one with a name");
        arg.name = args->v.at[args->v.count - 1].name;
    }
    vec_push(ctx->arena, &args->v, arg);
}

struct ast_dim make_dim(struct parse_context *ctx, struct span span, const struct ast_number *number)
{
    bool good = number->is_int && number->integer >= 1;
    if (!good)
        diag_error(ctx->diags, span, "a dimension must be a whole number from 1 on, not %s",
                   diag_escape(ctx->arena, number->text, strlen(number->text)));
    return (struct ast_dim){good ? number->integer : 1, span};
}

static bool has_classes(enum ast_type_kind kind)
{
    return kind == AST_TYPE_CLASS || kind == AST_TYPE_PROB;
}

/* An unknown type has no span, so that nothing more is said about it. */
struct ast_type make_type(struct parse_context *ctx, struct span span, struct word name, const struct dim_list *dims)
{
    struct ast_type type = {AST_TYPE_F32, span, dims->v.at, dims->v.count};
    size_t i = 0;
    while (i < TYPE_COUNT && strcmp(type_names[i], name.name) != 0)
        i++;
    if (i == TYPE_COUNT) {
        diag_error(ctx->diags, name.span, "unknown type \"%s\"", diag_escape(ctx->arena, name.name, strlen(name.name)));
        if (nearest_name(name.name, type_names, TYPE_COUNT))
            diag_did_you_mean(ctx->diags, name.name, type_names, TYPE_COUNT);
        else
            diag_help(ctx->diags, "inputs are u8[…] or f32[…], targets class[C] or prob[C]");
        type.span = (struct span){0};
        return type;
    }
    type.kind = (enum ast_type_kind)i;
    if (has_classes(type.kind) && type.dim_count != 1)
        diag_error(ctx->diags, span, "%s has one number, how many classes there are: %s[10]", type_names[i],
                   type_names[i]);
    return type;
}

struct item_list *add_declaration(struct parse_context *ctx, struct item_list *items, enum ast_item_kind kind,
                                  struct span span, struct word name, struct ast_type type)
{
    if (type.span.file && (kind == AST_TARGET) != has_classes(type.kind)) {
        if (kind == AST_INPUT)
            diag_error(ctx->diags, type.span, "an input cannot be %s: it is u8[…] or f32[…]", type_names[type.kind]);
        else
            diag_error(ctx->diags, type.span, "a target cannot be %s: it is class[C] or prob[C]",
                       type_names[type.kind]);
    }
    struct ast_item item = {.kind = kind, .span = span, .name = name.name, .name_span = name.span, .type = type};
    vec_push(ctx->arena, &items->v, item);
    return items;
}

struct item_list *add_item(struct parse_context *ctx, struct item_list *items, enum ast_item_kind kind,
                           struct span span, struct word name, struct ast_expr *expr)
{
    struct ast_item item = {.kind = kind, .span = span, .name = name.name, .name_span = name.span, .expr = expr};
    vec_push(ctx->arena, &items->v, item);
    return items;
}

void set_version(struct parse_context *ctx, struct span span, const struct ast_number *number)
{
    if (!number) {
        bool empty = span.begin == span.end;
        diag_error(ctx->diags, empty ? span_of_file(ctx->file) : span,
                   empty ? "the file is empty" : "the version of the language is missing");
        diag_help(ctx->diags, "a .net file begins with: net 1");
        if (empty)
            parse_stop(ctx);
    } else if (!number->is_int || number->integer != 1) {
        diag_error(ctx->diags, span, "net %s is not supported: this compiler reads net 1",
                   diag_escape(ctx->arena, number->text, strlen(number->text)));
        parse_stop(ctx);
    }
}

static void second_section(struct parse_context *ctx, struct span here, const char *what, struct span first)
{
    diag_error(ctx->diags, here, "a second %s: a file has one", what);
    diag_note(ctx->diags, first, "the first is here");
}

void set_model(struct parse_context *ctx, struct span keyword, struct span span, struct word name,
               const struct item_list *items)
{
    if (ctx->ast->model) {
        second_section(ctx, span_join(keyword, name.span), "model", ctx->ast->model->name_span);
        return;
    }
    struct ast_model *m = ctx->ast->model = ARENA_NEW(ctx->arena, struct ast_model);
    *m = (struct ast_model){name.name, name.span, span, items->v.at, items->v.count};
}

void set_section(struct parse_context *ctx, struct span keyword, struct span span, struct ast_section **section,
                 const struct setting_list *settings)
{
    if (*section) {
        const char *what = section == &ctx->ast->data ? "data section" : "train section";
        struct span first = {span.file, (*section)->span.begin, (*section)->span.begin + keyword.end - keyword.begin};
        second_section(ctx, keyword, what, first);
        return;
    }
    *section = ARENA_NEW(ctx->arena, struct ast_section);
    **section = (struct ast_section){span, settings->v.at, settings->v.count};
}

void misplaced_section(struct parse_context *ctx, struct span keyword, const char *name)
{
    if (ctx->brace_reported)
        return;
    diag_error(ctx->diags, keyword, "%s stands inside a model, which has no \"}\" before it", name);
    if (ctx->open_count)
        diag_note(ctx->diags, ctx->open[0].span, "its \"{\" is here");
    ctx->brace_reported = true;
}
