/* The table that `xentc model.net` prints: what the compiler made of a network, layer by layer. */
#include "compile.h"

#include <inttypes.h>
#include <string.h>

struct row {
    const char *layer, *op, *shape;
    int64_t parameters, flops;
};

static int64_t parameter_elements(const struct node *node)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < node->inputs; i++)
        if (op_is(node->input[i]->node, "param"))
            sum += type_elements(&node->input[i]->type);
    return sum;
}

/* "l1" of "l1.weight"; values that the source has no name for are nameless here, too. */
static const char *layer_name(struct arena *arena, const struct node *node)
{
    for (uint32_t i = 0; i < node->inputs; i++)
        if (op_is(node->input[i]->node, "param")) {
            const char *name = node->input[i]->name, *dot = strrchr(name, '.');
            return dot ? arena_strndup(arena, name, (size_t)(dot - name)) : name;
        }
    const char *name = node->output[0]->name;
    return *name >= '0' && *name <= '9' ? "" : name;
}

static const char *example_shape(struct arena *arena, const struct tensor_type *type)
{
    struct text text;
    text_init(&text, arena);
    if (type->rank == 0 || (type->rank == 1 && type->dim[0] == DIM_N && !type->classes))
        return "scalar";
    type_print_example(type, &text);
    return text_string(&text);
}

/* 1234567 -> "1,234,567" */
static const char *grouped(struct arena *arena, int64_t number)
{
    const char *digits = arena_printf(arena, "%" PRId64, number);
    struct text text;
    text_init(&text, arena);
    for (size_t i = 0, length = strlen(digits); i < length; i++) {
        if (i && (length - i) % 3 == 0)
            text_add(&text, ",");
        text_add_n(&text, digits + i, 1);
    }
    return text_string(&text);
}

static void rule(FILE *out, size_t width)
{
    for (size_t i = 0; i < width; i++)
        fputs("─", out);
    fputc('\n', out);
}

static size_t longest(size_t width, const char *text)
{
    size_t length = strlen(text);
    return length > width ? length : width;
}

static size_t kernel_count(const struct kprogram *program)
{
    size_t count = 0;
    for (size_t i = 0; i < program->calls.count; i++)
        count += program->calls.at[i].kernel != NULL;
    return count;
}

static void print_totals(const struct xent_compilation *c, struct arena *arena, int64_t parameters, int64_t flops,
                         FILE *out)
{
    fprintf(out, "parameters    %s (%s bytes)\n", grouped(arena, parameters), grouped(arena, 4 * parameters));
    fprintf(out, "FLOPs         %s an example, forward\n", grouped(arena, flops));
    fprintf(out, "arena         %s bytes at batch %" PRIu32 "\n", grouped(arena, (int64_t)c->model.arena_bytes),
            c->batch);
    fputs("kernels      ", out);
    for (size_t i = 0; i < c->count; i++)
        fprintf(out, "%s %s %zu", i ? "," : "", entry_names[c->entries[i].kind],
                kernel_count(c->entries[i].context.program));
    fprintf(out, "\ntarget        %s\n", codegen_target_describe(c->target));
    fprintf(out, "compile time  %.1f ms%s (%s)\n", 1e3 * c->seconds, c->cached ? " (cached)" : "", codegen_version());
}

static void print(const struct xent_compilation *c, struct arena *arena, FILE *out)
{
    const struct graph *graph = c->ir->graph;
    VEC(struct row) rows = {0};
    struct row total = {"total", "", "", 0, 0};
    size_t layer = 5, op = 2, shape = 12;
    for (size_t i = 0; i < graph->nodes.count; i++) {
        const struct node *node = graph->nodes.at[i];
        if (op_is(node, "param") || op_is(node, "state"))
            continue;
        struct row row = {
            layer_name(arena, node),  node->op->name, example_shape(arena, &node->output[0]->type),
            parameter_elements(node), op_flops(node, 1),
        };
        total.parameters += row.parameters;
        total.flops += row.flops;
        layer = longest(layer, row.layer);
        op = longest(op, row.op);
        shape = longest(shape, row.shape);
        vec_push(arena, &rows, row);
    }
    fprintf(out, "%s\n", graph->name);
    size_t width = layer + op + shape + 4 + 2 * 15;
    fprintf(out, "%-*s  %-*s  %-*s%15s%15s\n", (int)layer, "layer", (int)op, "op", (int)shape, "output shape",
            "parameters", "FLOPs");
    rule(out, width);
    for (size_t i = 0; i < rows.count; i++) {
        const struct row *row = &rows.at[i];
        fprintf(out, "%-*s  %-*s  %-*s%15s%15s\n", (int)layer, row->layer, (int)op, row->op, (int)shape, row->shape,
                row->parameters ? grouped(arena, row->parameters) : "", row->flops ? grouped(arena, row->flops) : "");
    }
    rule(out, width);
    print_totals(c, arena, total.parameters, total.flops, out);
}

bool table_print(struct xent_compilation *c, FILE *out)
{
    if (setjmp(c->on_failure))
        return false;
    print(c, &c->arena, out);
    return true;
}
