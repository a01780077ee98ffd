/* Evaluates a graph in double, node by node, through the reference rules. Needs types on all values; leaves a tensor
 * per value, all in one block of memory. */
#include "rules.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct reference {
    size_t count;
    const struct value **value;
    struct reference_tensor *tensor;
    double *data;
};

/* The dimensions with N replaced; the number of elements, or -1 beyond what can be held. */
static int64_t fill_tensor(struct reference_tensor *tensor, const struct tensor_type *type, int64_t examples)
{
    int64_t elements = 1;
    tensor->type = *type;
    for (uint32_t d = 0; d < type->rank; d++) {
        tensor->dim[d] = type->dim[d] == DIM_N ? examples : type->dim[d];
        if (__builtin_mul_overflow(elements, tensor->dim[d], &elements))
            return -1;
    }
    return tensor->elements = elements;
}

static struct reference_tensor *tensor_of(const struct reference *reference, const struct value *value)
{
    for (size_t i = reference->count; i-- > 0;)
        if (reference->value[i] == value)
            return &reference->tensor[i];
    return NULL;
}

const struct reference_tensor *reference_value(const struct reference *reference, const struct value *value)
{
    return tensor_of(reference, value);
}

static void bind(struct reference_tensor *tensor, const struct node *leaf, const struct reference_binding *bindings,
                 size_t count)
{
    const char *name = node_attr(leaf, "name")->string;
    for (size_t i = 0; i < count; i++)
        if (strcmp(bindings[i].name, name) == 0)
            memcpy(tensor->data, bindings[i].data, (size_t)tensor->elements * sizeof(double));
}

static bool allocate(struct reference *reference, const struct graph *graph, int64_t examples)
{
    size_t values = 0;
    for (size_t i = 0; i < graph->nodes.count; i++)
        values += graph->nodes.at[i]->outputs;
    reference->value = calloc(values + 1, sizeof(struct value *));
    reference->tensor = calloc(values + 1, sizeof *reference->tensor);
    if (!reference->value || !reference->tensor)
        return false;
    int64_t total = 1;
    for (size_t i = 0; i < graph->nodes.count; i++)
        for (uint32_t o = 0; o < graph->nodes.at[i]->outputs; o++) {
            const struct value *value = graph->nodes.at[i]->output[o];
            int64_t elements = fill_tensor(&reference->tensor[reference->count], &value->type, examples);
            if (elements < 0 || __builtin_add_overflow(total, elements, &total))
                return false;
            reference->value[reference->count++] = value;
        }
    if ((uint64_t)total > SIZE_MAX / sizeof(double) || !(reference->data = calloc((size_t)total, sizeof(double))))
        return false;
    double *next = reference->data;
    for (size_t i = 0; i < reference->count; i++) {
        reference->tensor[i].data = next;
        next += reference->tensor[i].elements;
    }
    return true;
}

struct reference *reference_run(const struct graph *graph, int64_t examples, const struct reference_binding *bindings,
                                size_t count, const struct reference_scalars *scalars)
{
    struct reference *reference = calloc(1, sizeof *reference);
    if (!reference || !allocate(reference, graph, examples)) {
        reference_destroy(reference);
        return NULL;
    }
    static const struct reference_scalars none;
    for (size_t i = 0; i < graph->nodes.count; i++) {
        const struct node *node = graph->nodes.at[i];
        const struct reference_tensor *in[GRAPH_MAX_INPUTS] = {0};
        struct reference_tensor *out[GRAPH_MAX_OUTPUTS] = {0};
        for (uint32_t k = 0; k < node->inputs; k++) {
            in[k] = tensor_of(reference, node->input[k]);
            assert(in[k]);
        }
        for (uint32_t k = 0; k < node->outputs; k++)
            out[k] = tensor_of(reference, node->output[k]);
        if (node->op->flags & OP_LEAF)
            bind(out[0], node, bindings, count);
        op_of(node)->reference(node, in, out, scalars ? scalars : &none);
    }
    return reference;
}

void reference_destroy(struct reference *reference)
{
    if (!reference)
        return;
    free(reference->value);
    free(reference->tensor);
    free(reference->data);
    free(reference);
}
