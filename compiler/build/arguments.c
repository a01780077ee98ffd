/* Arguments of a call become attributes of the op: positional ones fill the schema in its order, named ones go where
 * their name says. Ranges are the business of the op's shape rule, kinds are checked here. */
#include "builder.h"

#include <float.h>
#include <math.h>
#include <string.h>

const char *describe_expr(struct arena *arena, const struct ast_expr *expr)
{
    switch (expr->kind) {
    case AST_NAME:
        return arena_printf(arena, "the name %s", expr->name);
    case AST_NUMBER:
        return diag_escape(arena, expr->number.text, strlen(expr->number.text));
    case AST_STRING:
        return arena_printf(arena, "\"%s\"", diag_escape(arena, expr->string, strlen(expr->string)));
    case AST_BOOL:
        return expr->boolean ? "true" : "false";
    case AST_LIST:
        return "a list";
    case AST_CALL:
        return arena_printf(arena, "the call of %s", expr->call->name);
    }
    return "this";
}

static const char *list_words(struct arena *arena, const char *words)
{
    struct text text;
    text_init(&text, arena);
    for (const char *p = words; *p; p++)
        if (*p == '|')
            text_add(&text, ", ");
        else
            text_add_n(&text, p, 1);
    return text_string(&text);
}

static bool wrong_kind(struct builder *b, const struct attr_info *info, const struct ast_expr *expr, const char *wanted)
{
    diag_error(b->diags, expr->span, "%s must be %s, not %s", info->name, wanted, describe_expr(b->arena, expr));
    return false;
}

static bool take_int(struct builder *b, const struct attr_info *info, const struct ast_expr *expr, int64_t *out)
{
    if (expr->kind != AST_NUMBER || !expr->number.is_int)
        return wrong_kind(b, info, expr,
                          info->kind == ATTR_INTS ? "a whole number or a pair such as [3, 5]" : "a whole number");
    *out = expr->number.integer;
    return true;
}

static bool take_float(struct builder *b, const struct attr_info *info, const struct ast_expr *expr, double *out)
{
    if (expr->kind != AST_NUMBER)
        return wrong_kind(b, info, expr, info->kind == ATTR_FLOATS ? "a number or a list of numbers" : "a number");
    if (fabs(expr->number.value) > (double)FLT_MAX) {
        diag_error(b->diags, expr->span, "%s = %s is beyond the range of float32", info->name,
                   describe_expr(b->arena, expr));
        return false;
    }
    if (expr->number.value != 0 && fabs(expr->number.value) < (double)FLT_MIN) {
        diag_error(b->diags, expr->span, "%s = %s is too small for float32", info->name, describe_expr(b->arena, expr));
        return false;
    }
    *out = expr->number.value;
    return true;
}

static bool take_list(struct builder *b, const struct attr_info *info, const struct ast_expr *expr, struct attr *out)
{
    bool list = expr->kind == AST_LIST, pair = info->kind == ATTR_INTS;
    size_t count = list ? expr->list.count : 1;
    if (list && (pair ? count != 2 : count == 0)) {
        diag_error(b->diags, expr->span, "%s takes %s, not a list of %zu", info->name,
                   pair ? "one number or a pair such as [3, 5]" : "one number or a list of numbers", count);
        return false;
    }
    int64_t *ints = ARENA_ARRAY(b->arena, int64_t, count + 1);
    double *floats = ARENA_ARRAY(b->arena, double, count);
    for (size_t i = 0; i < count; i++) {
        const struct ast_expr *item = list ? expr->list.at[i] : expr;
        if (pair ? !take_int(b, info, item, &ints[i]) : !take_float(b, info, item, &floats[i]))
            return false;
    }
    if (pair && !list)
        ints[1] = ints[0];
    out->count = pair ? 2 : (uint32_t)count;
    out->ints = pair ? ints : NULL;
    out->floats = pair ? NULL : floats;
    return true;
}

static bool take_word(struct builder *b, const struct attr_info *info, const struct ast_expr *expr, struct attr *out)
{
    const char *words = list_words(b->arena, info->words);
    if (expr->kind != AST_NAME)
        return wrong_kind(b, info, expr, arena_printf(b->arena, "one of %s", words));
    out->i = attr_word_index(info, expr->name, strlen(expr->name));
    if (out->i >= 0)
        return true;
    diag_error(b->diags, expr->span, "%s must be one of %s, not %s", info->name, words, expr->name);
    VEC(const char *) known = {0};
    size_t length;
    for (const char *word; (word = attr_word(info, (int64_t)known.count, &length));)
        vec_push(b->arena, &known, arena_strndup(b->arena, word, length));
    diag_did_you_mean(b->diags, expr->name, known.at, known.count);
    return false;
}

static bool take_value(struct builder *b, const struct attr_info *info, const struct ast_expr *expr, struct attr *out)
{
    switch (info->kind) {
    case ATTR_INT:
        return take_int(b, info, expr, &out->i);
    case ATTR_FLOAT:
        return take_float(b, info, expr, &out->f);
    case ATTR_BOOL:
        out->i = expr->kind == AST_BOOL && expr->boolean;
        return expr->kind == AST_BOOL || wrong_kind(b, info, expr, "true or false");
    case ATTR_ENUM:
        return take_word(b, info, expr, out);
    case ATTR_STRING:
        out->string = expr->kind == AST_STRING ? expr->string : NULL;
        return expr->kind == AST_STRING || wrong_kind(b, info, expr, "a string");
    case ATTR_INTS:
    case ATTR_FLOATS:
        return take_list(b, info, expr, out);
    }
    return false;
}

static const char *argument_names(struct arena *arena, const struct op_info *op)
{
    struct text text;
    text_init(&text, arena);
    for (uint32_t i = 0; i < op->attrs; i++)
        text_printf(&text, "%s%s", i ? ", " : "", op->attr[i].name);
    return text_string(&text);
}

static uint32_t find_argument(const struct op_info *op, const char *name)
{
    uint32_t i = 0;
    while (i < op->attrs && strcmp(op->attr[i].name, name) != 0)
        i++;
    return i;
}

static bool unknown_argument(struct builder *b, const struct op_info *op, const struct ast_arg *arg)
{
    const char *known[GRAPH_MAX_ATTRS];
    for (uint32_t i = 0; i < op->attrs; i++)
        known[i] = op->attr[i].name;
    diag_error(b->diags, arg->name_span, "%s has no argument %s", op->name, arg->name);
    size_t before = b->diags->items.count;
    diag_did_you_mean(b->diags, arg->name, known, op->attrs);
    if (b->diags->items.count == before && op->attrs)
        diag_help(b->diags, "%s takes %s", op->name, argument_names(b->arena, op));
    return false;
}

bool build_arguments(struct builder *b, const struct op_info *op, const struct ast_call *call, size_t first,
                     struct attr attr[GRAPH_MAX_ATTRS])
{
    bool ok = true, given[GRAPH_MAX_ATTRS] = {false};
    for (size_t i = first; i < call->arg_count; i++) {
        const struct ast_arg *arg = &call->args[i];
        uint32_t position = i - first < op->attrs ? (uint32_t)(i - first) : op->attrs;
        uint32_t at = arg->name ? find_argument(op, arg->name) : position;
        if (at == op->attrs && arg->name) {
            ok = unknown_argument(b, op, arg);
        } else if (at == op->attrs) {
            diag_error(b->diags, arg->span, "%s has too many arguments: %s is left over", op->name,
                       describe_expr(b->arena, arg->value));
            diag_help(b->diags, op->attrs ? "behind its input, %s takes %s" : "%s takes its input alone", op->name,
                      argument_names(b->arena, op));
            return false;
        } else if (given[at]) {
            diag_error(b->diags, arg->span, "%s of %s is given twice, first by its position", op->attr[at].name,
                       op->name);
            ok = false;
        } else {
            given[at] = true;
            attr[at].set = take_value(b, &op->attr[at], arg->value, &attr[at]);
            ok = ok && attr[at].set;
        }
    }
    for (uint32_t i = 0; i < op->attrs; i++)
        if (op->attr[i].required && !given[i]) {
            diag_error(b->diags, call->name_span, "%s needs the argument %s: %s", op->name, op->attr[i].name,
                       op->attr[i].doc);
            ok = false;
        }
    return ok;
}
