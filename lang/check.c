/* What no rule of the grammar can say: nothing is given twice. Names are sorted by address, so that a long text with
 * many of them costs no more than sorting. */
#include "parse.h"

#include <stdlib.h>
#include <string.h>

struct given {
    const char *name;
    struct span span;
    size_t order;
};

struct given_list {
    VEC(struct given) v;
};

static int by_name(const void *left, const void *right)
{
    const struct given *a = left, *b = right;
    uintptr_t p = (uintptr_t)a->name, q = (uintptr_t)b->name;
    return p != q ? (p < q ? -1 : 1) : a->order < b->order ? -1 : a->order > b->order;
}

static void give(struct parse_context *ctx, struct given_list *list, const char *name, struct span span)
{
    struct given g = {name, span, list->v.count};
    vec_push(ctx->arena, &list->v, g);
}

/* Reports each repetition, in the order of the text, with the place of the first. */
static void report_repeated(struct parse_context *ctx, const struct given_list *list, const char *format)
{
    size_t count = list->v.count;
    if (count < 2)
        return;
    struct given *sorted = ARENA_ARRAY(ctx->arena, struct given, count);
    size_t *first = ARENA_ARRAY(ctx->arena, size_t, count);
    memcpy(sorted, list->v.at, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_name);
    for (size_t i = 0; i < count; i++)
        first[sorted[i].order] =
            i && sorted[i].name == sorted[i - 1].name ? first[sorted[i - 1].order] : sorted[i].order;
    for (size_t i = 0; i < count && !diag_enough(ctx->diags); i++) {
        if (first[i] == i)
            continue;
        const struct given *g = &list->v.at[i];
        diag_error(ctx->diags, g->span, "\"%s\" %s", diag_escape(ctx->arena, g->name, strlen(g->name)), format);
        diag_note(ctx->diags, list->v.at[first[i]].span, "the first is here");
    }
}

static void check_expr(struct parse_context *ctx, const struct ast_expr *e)
{
    if (e->kind == AST_LIST) {
        for (size_t i = 0; i < e->list.count; i++)
            check_expr(ctx, e->list.at[i]);
    } else if (e->kind == AST_CALL) {
        struct given_list names = {0};
        for (size_t i = 0; i < e->call->arg_count; i++) {
            const struct ast_arg *arg = &e->call->args[i];
            check_expr(ctx, arg->value);
            if (arg->name)
                give(ctx, &names, arg->name, arg->name_span);
        }
        report_repeated(ctx, &names, "is given twice in one call");
    }
}

static void check_section(struct parse_context *ctx, const struct ast_section *section, const char *repeated)
{
    struct given_list names = {0};
    for (size_t i = 0; section && i < section->setting_count; i++) {
        give(ctx, &names, section->settings[i].name, section->settings[i].name_span);
        check_expr(ctx, section->settings[i].value);
    }
    report_repeated(ctx, &names, repeated);
}

void check_unique(struct parse_context *ctx)
{
    if (ctx->value) {
        check_expr(ctx, ctx->value);
        return;
    }
    const struct ast_model *model = ctx->ast->model;
    struct given_list names = {0};
    for (size_t i = 0; model && i < model->item_count; i++) {
        if (model->items[i].name)
            give(ctx, &names, model->items[i].name, model->items[i].name_span);
        if (model->items[i].expr)
            check_expr(ctx, model->items[i].expr);
    }
    report_repeated(ctx, &names, "is bound twice: a name is bound once");
    check_section(ctx, ctx->ast->data, "is set twice in data");
    check_section(ctx, ctx->ast->train, "is set twice in train");
}
