/* The model's items in the order of the text: leaves, bindings, and what becomes a result. Needs a tree that lang_parse
 * accepted; leaves behind a graph whose every node knows its type, span and origin. */
#include "builder.h"

#include <string.h>

static void prepare_origins(struct builder *b)
{
    const struct source_file *file = source_file(b->diags->map, b->ast->file);
    const char *slash = strrchr(file->name, '/');
    const char *base = slash ? slash + 1 : file->name;
    b->file = diag_escape(b->arena, base, strlen(base));
    vec_push(b->arena, &b->lines, 0);
    for (const char *p = file->text, *end = p + file->length; (p = memchr(p, '\n', (size_t)(end - p))); p++)
        vec_push(b->arena, &b->lines, (uint32_t)(p + 1 - file->text));
}

static void collect_names(struct builder *b)
{
    const struct ast_model *model = b->ast->model;
    for (size_t i = 0; i < model->item_count; i++) {
        const struct ast_item *item = &model->items[i];
        if (!item->name)
            continue;
        struct name_entry *entry = ARENA_NEW(b->arena, struct name_entry);
        *entry = (struct name_entry){.name = item->name, .span = item->name_span, .kind = item->kind};
        map_set(&b->names, item->name, entry);
        vec_push(b->arena, &b->entries, entry);
    }
}

/* ---- input and target ---- */

static bool leaf_type(struct builder *b, const struct ast_type *ast, struct tensor_type *out)
{
    static const enum dtype dtypes[] = {
        [AST_TYPE_U8] = DT_U8, [AST_TYPE_F32] = DT_F32, [AST_TYPE_CLASS] = DT_CLASS, [AST_TYPE_PROB] = DT_PROB};
    if (ast->dim_count + 1 > GRAPH_MAX_RANK) {
        diag_error(b->diags, ast->span, "%zu dimensions are too many: an example has at most %d", ast->dim_count,
                   GRAPH_MAX_RANK - 1);
        return false;
    }
    *out = (struct tensor_type){.dtype = dtypes[ast->kind], .rank = 1, .dim = {DIM_N}};
    int64_t elements = 1;
    for (size_t i = 0; i < ast->dim_count; i++)
        if (__builtin_mul_overflow(elements, ast->dims[i].size, &elements) || elements > INT32_MAX) {
            diag_error(b->diags, ast->span, "an example of this type has more than %d elements", INT32_MAX);
            return false;
        }
    if (out->dtype == DT_CLASS || out->dtype == DT_PROB)
        out->classes = ast->dims[0].size;
    if (out->dtype != DT_CLASS)
        for (size_t i = 0; i < ast->dim_count; i++)
            out->dim[out->rank++] = ast->dims[i].size;
    return true;
}

static void build_leaf(struct builder *b, const struct ast_item *item, struct name_entry *entry)
{
    bool input = item->kind == AST_INPUT;
    struct value **slot = input ? &b->ir->input : &b->ir->target;
    struct tensor_type type;
    if (*slot) {
        diag_error(b->diags, item->span, "a model has one %s so far, and %s is the second", input ? "input" : "target",
                   item->name);
        diag_note(b->diags, (*slot)->span, "%s is the first", (*slot)->name);
        return;
    }
    if (!leaf_type(b, &item->type, &type))
        return;
    struct node *node = graph_add_named(b->graph, input ? "input" : "target", 0, NULL);
    node_set_string(b->graph, node, "name", item->name);
    node->span = item->span;
    node->origin = build_origin(b, item->name_span);
    struct value *value = entry->value = *slot = node->output[0];
    graph_name_value(b->graph, value, item->name);
    value->type = type;
    value->span = item->name_span;
}

/* ---- bindings ---- */

static uint32_t count_layers(const struct ast_expr *expr)
{
    if (expr->kind != AST_CALL)
        return 0;
    const struct op *op = op_named(expr->call->name);
    uint32_t count = op && op->params;
    for (size_t i = 0; i < expr->call->arg_count; i++)
        count += count_layers(expr->call->args[i].value);
    return count;
}

static struct value *build_item(struct builder *b, const struct ast_item *item, const char *name, struct span span)
{
    struct scope scope = {.name = name, .span = span, .parameters = item->kind == AST_BINDING, .top = item->expr};
    scope.layers = count_layers(item->expr);
    return build_expr(b, &scope, item->expr);
}

/* ---- results ---- */

static bool has_result(const struct graph *graph, enum result_role role, const char *name)
{
    for (size_t i = 0; i < graph->results.count; i++)
        if (graph->results.at[i].role == role && strcmp(graph->results.at[i].name, name) == 0)
            return true;
    return false;
}

static const char *free_name(const struct builder *b, enum result_role role, const char *name)
{
    const char *candidate = name;
    for (unsigned i = 2; has_result(b->graph, role, candidate); i++)
        candidate = arena_printf(b->arena, "%s_%u", name, i);
    return candidate;
}

static void build_output(struct builder *b, const struct ast_item *item)
{
    struct value *value = build_item(b, item, "output", item->expr->span);
    if (!value)
        return;
    if (value->type.dtype != DT_F32 || value->type.rank == 0 || value->type.dim[0] != DIM_N) {
        struct text type;
        text_init(&type, b->arena);
        type_print(&value->type, &type);
        diag_error(b->diags, item->expr->span, "an output is f32 per example, but this is %s", text_string(&type));
        if (value->node->op->flags & OP_LOSS)
            diag_help(b->diags, "a loss is not an output: write loss … instead");
        return;
    }
    const char *name = item->expr->kind == AST_NAME ? item->expr->name : "output";
    if (item->expr->kind == AST_NAME && has_result(b->graph, RESULT_OUTPUT, name)) {
        diag_error(b->diags, item->span, "%s is an output already", name);
        return;
    }
    graph_add_result(b->graph, RESULT_OUTPUT, free_name(b, RESULT_OUTPUT, name), value);
}

static const char *source_ops(struct builder *b, uint32_t flag)
{
    struct text text;
    text_init(&text, b->arena);
    for (uint32_t i = 0; i < b->graph->ops->count; i++) {
        const struct op_info *op = b->graph->ops->info[i];
        if ((op->flags & OP_SOURCE) && (op->flags & flag))
            text_printf(&text, "%s%s", text.count ? ", " : "", op->name);
    }
    return text_string(&text);
}

static void build_loss(struct builder *b, const struct ast_item *item)
{
    const struct result *first = graph_result(b->graph, RESULT_LOSS);
    struct value *value = build_item(b, item, "loss", item->expr->span);
    if (!value)
        return;
    if (!(value->node->op->flags & OP_LOSS)) {
        diag_error(b->diags, item->expr->span, "this is no loss");
        diag_help(b->diags, "a loss ends in one of: %s", source_ops(b, OP_LOSS));
        return;
    }
    if (first) {
        diag_error(b->diags, item->span, "a model has one loss so far, and this is the second");
        diag_note(b->diags, first->value->node->span, "the first is here");
        return;
    }
    graph_add_result(b->graph, RESULT_LOSS, "loss", value->node->output[0]);
    graph_add_result(b->graph, RESULT_EXAMPLE_LOSS, "example_loss", value->node->output[1]);
    graph_add_result(b->graph, RESULT_EXAMPLE_WEIGHT, "example_weight", value->node->output[2]);
}

static void build_metric(struct builder *b, const struct ast_item *item)
{
    struct value *value = build_item(b, item, "metric", item->expr->span);
    if (!value)
        return;
    if (!(value->node->op->flags & OP_METRIC)) {
        diag_error(b->diags, item->expr->span, "this is no metric");
        diag_help(b->diags, "a metric ends in one of: %s", source_ops(b, OP_METRIC));
        return;
    }
    graph_add_result(b->graph, RESULT_METRIC, free_name(b, RESULT_METRIC, value->node->op->name), value);
}

/* What the loss takes as logits: softmax of it gives the probabilities. Log-probabilities that no log_softmax made
 * serve as well: softmax leaves them as they are. */
static void add_logits(struct builder *b)
{
    const struct result *loss = graph_result(b->graph, RESULT_LOSS);
    if (!loss)
        return;
    const struct node *node = loss->value->node;
    struct value *logits = node->input[0];
    if (op_is(node, "nll") && op_is(logits->node, "log_softmax"))
        logits = logits->node->input[0];
    if (node->input[1]->type.dtype == DT_CLASS) {
        b->ir->has_ignore_index = true;
        b->ir->ignore_index = node_int(node, "ignore_index");
    }
    for (size_t i = 0; i < b->graph->results.count && !b->ir->logits; i++)
        if (b->graph->results.at[i].role == RESULT_OUTPUT && b->graph->results.at[i].value == logits)
            b->ir->logits = b->graph->results.at[i].name;
    if (!b->ir->logits) {
        b->ir->logits = logits->name;
        graph_add_result(b->graph, RESULT_LOGITS, logits->name, logits);
    }
}

/* ---- the whole ---- */

static void build_items(struct builder *b)
{
    const struct ast_model *model = b->ast->model;
    for (size_t i = 0; i < model->item_count && !diag_enough(b->diags); i++) {
        const struct ast_item *item = &model->items[i];
        struct name_entry *entry = item->name ? map_get(&b->names, item->name) : NULL;
        switch (item->kind) {
        case AST_INPUT:
        case AST_TARGET:
            build_leaf(b, item, entry);
            break;
        case AST_BINDING:
            entry->value = build_item(b, item, item->name, item->name_span);
            break;
        case AST_OUTPUT:
            build_output(b, item);
            break;
        case AST_LOSS:
            build_loss(b, item);
            break;
        case AST_METRIC:
            build_metric(b, item);
            break;
        }
        if (entry)
            entry->made = true;
    }
}

static bool has_item(const struct ast_model *model, enum ast_item_kind kind)
{
    for (size_t i = 0; i < model->item_count; i++)
        if (model->items[i].kind == kind)
            return true;
    return false;
}

static void check_whole(struct builder *b)
{
    const struct ast_model *model = b->ast->model;
    if (!has_item(model, AST_INPUT)) {
        diag_error(b->diags, model->name_span, "the model %s has no input", model->name);
        diag_help(b->diags, "declare what an example is: input image : u8[1, 28, 28]");
    }
    if (!has_item(model, AST_OUTPUT) && !has_item(model, AST_LOSS)) {
        diag_error(b->diags, model->name_span, "the model %s has neither output nor loss", model->name);
        diag_help(b->diags, "say what it is for: output x, or loss cross_entropy(x, y)");
    }
    if (b->diags->errors)
        return;
    for (size_t i = 0; i < b->entries.count; i++)
        if (!b->entries.at[i]->used && b->entries.at[i]->kind != AST_TARGET)
            diag_warning(b->diags, b->entries.at[i]->span, "%s is never used", b->entries.at[i]->name);
}

struct model_ir *build_model(struct arena *arena, struct diag_list *diags, const struct ast_file *ast,
                             const struct op_set *ops)
{
    size_t errors = diags->errors;
    struct model_ir *ir = ARENA_NEW(arena, struct model_ir);
    struct builder b = {.arena = arena, .diags = diags, .ast = ast, .ir = ir};
    b.graph = ir->graph = graph_create(arena, ops, ast->model->name);
    b.graph->span = ast->model->name_span;
    map_init(&b.names, arena);
    prepare_origins(&b);
    collect_names(&b);
    build_items(&b);
    check_whole(&b);
    build_config(&b);
    if (diags->errors != errors)
        return NULL;
    add_logits(&b);
    return ir;
}
