/* Expressions of the model: names, and calls of ops, whose nodes, parameters and value names are made here. */
#include "builder.h"

#include <stdio.h>
#include <string.h>

/* ---- where a node comes from: "mlp.net:14:18" ---- */

const char *build_origin(struct builder *b, struct span span)
{
    const struct source_file *file = source_file(b->diags->map, span.file);
    size_t low = 0, high = b->lines.count;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (b->lines.at[middle] <= span.begin)
            low = middle;
        else
            high = middle;
    }
    /* Stages of one long line come in order: count on from the last. */
    if (b->cursor_line != low || b->cursor_offset > span.begin) {
        b->cursor_line = (uint32_t)low;
        b->cursor_offset = b->lines.at[low];
        b->cursor_column = 1;
    }
    for (; b->cursor_offset < span.begin; b->cursor_offset++)
        b->cursor_column += ((unsigned char)file->text[b->cursor_offset] & 0xc0) != 0x80;
    return arena_printf(b->arena, "%s:%zu:%u", b->file, low + 1, b->cursor_column);
}

/* ---- names ---- */

static struct value *build_name(struct builder *b, const struct ast_expr *expr)
{
    struct name_entry *entry = map_get(&b->names, expr->name);
    if (entry && entry->made) {
        entry->used = true;
        return entry->value;
    }
    if (entry) {
        diag_error(b->diags, expr->span, "%s is used before it is made", expr->name);
        diag_note(b->diags, entry->span, "%s is made here", expr->name);
        return NULL;
    }
    const struct op *op = op_named(expr->name);
    if (op && (op->info.flags & OP_SOURCE)) {
        diag_error(b->diags, expr->span, "%s is an op and needs its input: x |> %s", expr->name, expr->name);
        return NULL;
    }
    VEC(const char *) known = {0};
    for (size_t i = 0; i < b->entries.count; i++)
        if (b->entries.at[i]->made)
            vec_push(b->arena, &known, b->entries.at[i]->name);
    diag_error(b->diags, expr->span, "unknown name %s", expr->name);
    diag_did_you_mean(b->diags, expr->name, known.at, known.count);
    return NULL;
}

/* ---- calls ---- */

static const struct op *find_op(struct builder *b, const struct ast_call *call)
{
    const struct op *op = op_named(call->name);
    if (op && (op->info.flags & OP_SOURCE))
        return op;
    VEC(const char *) known = {0};
    for (uint32_t i = 0; i < b->graph->ops->count; i++)
        if (b->graph->ops->info[i]->flags & OP_SOURCE)
            vec_push(b->arena, &known, b->graph->ops->info[i]->name);
    diag_error(b->diags, call->name_span, "unknown op %s", call->name);
    size_t before = b->diags->items.count;
    diag_did_you_mean(b->diags, call->name, known.at, known.count);
    if (b->diags->items.count == before)
        diag_help(b->diags, "`xentc ops` lists the ops");
    return NULL;
}

/* Inputs that the source gives: an op with parameters takes one, its parameters follow. */
static void data_inputs(const struct op *op, uint32_t *least, uint32_t *most)
{
    *least = op->params ? 1 : op->info.min_inputs;
    *most = op->params ? 1 : op->info.max_inputs;
}

static bool is_value(const struct ast_expr *expr)
{
    return expr->kind == AST_NAME || expr->kind == AST_CALL;
}

/* The leading positional arguments. False after an error; all of them are built, for the errors in them. */
static bool build_inputs(struct builder *b, struct scope *scope, const struct op *op, const struct ast_expr *expr,
                         struct value *input[GRAPH_MAX_INPUTS], uint32_t *out_count)
{
    const struct ast_call *call = expr->call;
    const char *name = op->info.name;
    uint32_t least, most, count = 0;
    bool ok = true;
    data_inputs(op, &least, &most);
    while (count < most && count < call->arg_count && !call->args[count].name && is_value(call->args[count].value)) {
        input[count] = build_expr(b, scope, call->args[count].value);
        ok = input[count++] && ok;
    }
    *out_count = count;
    if (count >= least)
        return ok;
    const struct ast_arg *next = count < call->arg_count ? &call->args[count] : NULL;
    if (next && !next->name) {
        diag_error(b->diags, next->span, "%s takes %s here, not %s", name, count ? "a second input" : "its input",
                   describe_expr(b->arena, next->value));
    } else {
        diag_error(b->diags, expr->span, "%s needs %s", name,
                   least == 1   ? "an input"
                   : count == 0 ? "two inputs"
                                : "a second input, the target");
    }
    if (count == 0)
        diag_help(b->diags, least == 1 ? "write x |> %s(…), with x the value that goes in" : "write x |> %s(y)", name);
    return false;
}

static const char *layer_name(struct builder *b, const struct scope *scope, const struct ast_call *call, uint32_t stage)
{
    if (call->label)
        return arena_printf(b->arena, "%s.%s", scope->name, call->label);
    return scope->layers == 1 ? scope->name : arena_printf(b->arena, "%s.%u", scope->name, stage);
}

static bool add_parameters(struct builder *b, const struct scope *scope, const struct op *op, struct node *node,
                           const struct ast_expr *expr, uint32_t stage)
{
    struct op_param param[2];
    int count = op->params(node, b->diags, param);
    if (count > 0 && !scope->parameters) {
        diag_error(b->diags, expr->span, "the parameters of this %s have no name in %s", op->info.name, scope->name);
        diag_help(b->diags, "bind it first: head = … |> %s(…), then %s head", op->info.name, scope->name);
        return false;
    }
    const char *prefix = layer_name(b, scope, expr->call, stage);
    for (int i = 0; i < count; i++) {
        const char *name = arena_printf(b->arena, "%s.%s", prefix, param[i].name);
        struct node *leaf = graph_add_named(b->graph, "param", 0, NULL);
        node_set_string(b->graph, leaf, "name", name);
        node_set_float(leaf, "bound", param[i].bound);
        leaf->span = expr->span;
        leaf->origin = build_origin(b, expr->call->name_span);
        leaf->output[0]->type = param[i].type;
        leaf->output[0]->span = expr->span;
        graph_name_value(b->graph, leaf->output[0], name);
        node->input[node->inputs++] = leaf->output[0];
    }
    return count >= 0;
}

static bool take_label(struct builder *b, struct scope *scope, const struct ast_call *call)
{
    for (size_t i = 0; i < scope->labels.count; i++)
        if (scope->labels.at[i] == call->label) {
            diag_error(b->diags, call->label_span, "the label %s is given twice in %s", call->label, scope->name);
            return false;
        }
    vec_push(b->arena, &scope->labels, call->label);
    return true;
}

static void name_outputs(struct builder *b, const struct scope *scope, struct node *node, const struct ast_expr *expr,
                         uint32_t stage)
{
    const char *name = scope->name;
    if (expr != scope->top)
        name = expr->call->label ? arena_printf(b->arena, "%s.%s", name, expr->call->label)
                                 : arena_printf(b->arena, "%s.%u", name, stage);
    static const char *const loss_parts[GRAPH_MAX_OUTPUTS] = {"", ".rows", ".weights", ".d"};
    static const char *const parts[GRAPH_MAX_OUTPUTS] = {"", ".at", ".c", ".d"};
    for (uint32_t i = 0; i < node->outputs; i++) {
        const char *part = (node->op->flags & OP_LOSS) ? loss_parts[i] : parts[i];
        graph_name_value(b->graph, node->output[i], arena_printf(b->arena, "%s%s", name, part));
        node->output[i]->span = expr == scope->top ? scope->span : expr->span;
    }
}

static struct value *build_call(struct builder *b, struct scope *scope, const struct ast_expr *expr)
{
    const struct ast_call *call = expr->call;
    struct value *input[GRAPH_MAX_INPUTS];
    struct attr attr[GRAPH_MAX_ATTRS] = {{0}};
    uint32_t inputs;
    const struct op *op = find_op(b, call);
    if (!op) {
        for (size_t i = 0; i < call->arg_count; i++) /* only what came through the pipe is surely a value */
            if (call->piped && i == 0)
                build_expr(b, scope, call->args[i].value);
        return NULL;
    }
    bool ok = build_inputs(b, scope, op, expr, input, &inputs);
    uint32_t least, most, stage = scope->stage++;
    data_inputs(op, &least, &most);
    if (inputs >= least)
        ok = build_arguments(b, &op->info, call, inputs, attr) && ok;
    if (call->label)
        ok = take_label(b, scope, call) && ok;
    if (!ok)
        return NULL;

    /* The node waits outside the graph until its parameters stand before it. */
    struct node draft = {.op = &op->info, .inputs = inputs, .span = expr->span};
    memcpy(draft.input, input, inputs * sizeof *input);
    memcpy(draft.attr, attr, sizeof attr);
    if (op->params && !add_parameters(b, scope, op, &draft, expr, stage))
        return NULL;
    struct node *node = graph_add(b->graph, &op->info, draft.inputs, draft.input);
    memcpy(node->attr, attr, sizeof attr);
    node->span = expr->span;
    node->origin = build_origin(b, call->name_span);
    name_outputs(b, scope, node, expr, stage);
    return op->shape(b->graph, node, b->diags) ? node->output[0] : NULL;
}

struct value *build_expr(struct builder *b, struct scope *scope, const struct ast_expr *expr)
{
    if (diag_enough(b->diags))
        return NULL;
    if (expr->kind == AST_NAME)
        return build_name(b, expr);
    if (expr->kind == AST_CALL)
        return build_call(b, scope, expr);
    diag_error(b->diags, expr->span, "a model computes with named values, not with %s", describe_expr(b->arena, expr));
    return NULL;
}
