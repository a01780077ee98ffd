/* `xentc eval --reference`: the graph before any rewrite, through the ops' own definitions, in double, a piece of the
 * split at a time. Gradients come from the pass autodiff on the same graph: its nodes have definitions, too. */
#include "reference.h"

#include "commands.h"

#include <xent/checkpoint.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 64 }; /* examples evaluated at once */

struct oracle {
    struct xent_compilation *c;
    const struct xent_dataset *dataset;
    struct reference_binding *bindings; /* input, target, then the parameters */
    size_t bindings_count;
    double *input, *target; /* of one piece */
    struct xent_evaluation *result;
};

static const char *leaf_name(const struct node *leaf)
{
    return node_attr(leaf, "name")->string;
}

/* ---- weights ---- */

static void bind_parameters(struct oracle *o, const struct xent_safetensors *file)
{
    const struct xent_model *model = &o->c->model;
    for (uint32_t i = 0; i < model->states; i++) {
        const struct xent_tensor *state = &model->state[i];
        if (state->role != XENT_ROLE_PARAMETER)
            continue;
        const struct xent_stored_tensor *stored = xent_safetensors_find(file, state->name);
        double *wide = ARENA_ARRAY(&o->c->arena, double, stored->elements);
        float *values = ARENA_ARRAY(&o->c->arena, float, stored->elements);
        xent_stored_read(stored, values);
        for (uint64_t k = 0; k < stored->elements; k++)
            wide[k] = (double)values[k];
        o->bindings[o->bindings_count++] = (struct reference_binding){state->name, wide};
    }
}

static int load_weights(struct oracle *o, const char *path)
{
    const struct xent_model *model = &o->c->model;
    struct xent_named_shape *expected = ARENA_ARRAY(&o->c->arena, struct xent_named_shape, model->states + 1);
    uint32_t count = 0;
    for (uint32_t i = 0; i < model->states; i++)
        if (model->state[i].role == XENT_ROLE_PARAMETER)
            expected[count++] = (struct xent_named_shape){model->state[i].name, model->state[i].rank,
                                                          model->state[i].shape};
    struct xent_safetensors *file = NULL;
    struct xent_error error;
    if (!path)
        return EXIT_OK;
    if (xent_safetensors_open(path, expected, count, &file, &error) != XENT_OK)
        return report_error(&error);
    bind_parameters(o, file);
    xent_safetensors_close(file);
    return EXIT_OK;
}

/* ---- a piece of the data set ---- */

static size_t target_width(const struct xent_dataset *dataset)
{
    return dataset->probs ? dataset->spec.classes : 1;
}

static void fill_piece(struct oracle *o, uint64_t first, size_t count)
{
    const struct xent_dataset *d = o->dataset;
    for (size_t i = 0; i < count * d->elements; i++) {
        uint64_t at = first * d->elements + i;
        if (d->exact_inputs)
            o->input[i] = d->exact_inputs[at];
        else if (d->spec.dtype == XENT_U8)
            o->input[i] = ((const uint8_t *)d->inputs)[at];
        else
            o->input[i] = (double)((const float *)d->inputs)[at];
    }
    for (size_t i = 0; i < count * target_width(d) && o->target; i++) {
        uint64_t at = first * target_width(d) + i;
        if (d->exact_probs)
            o->target[i] = d->exact_probs[at];
        else
            o->target[i] = d->probs ? (double)d->probs[at] : (double)d->classes[at];
    }
}

static const double *result_values(const struct reference *reference, const struct graph *graph, enum result_role role)
{
    const struct result *result = graph_result(graph, role);
    return result ? reference_value(reference, result->value)->data : NULL;
}

/* Reverse mode of a `max` or a position has no use for the metric of an ignored example. */
static bool counts(const struct oracle *o, uint64_t index)
{
    const struct model_ir *ir = o->c->ir;
    return !(o->dataset->classes && ir->has_ignore_index && o->dataset->classes[index] == ir->ignore_index);
}

static void add_piece(struct oracle *o, const struct reference *reference, const struct graph *graph, uint64_t first,
                      size_t count)
{
    const double *loss = result_values(reference, graph, RESULT_EXAMPLE_LOSS);
    const double *weight = result_values(reference, graph, RESULT_EXAMPLE_WEIGHT);
    const double *metric = result_values(reference, graph, RESULT_METRIC);
    struct xent_evaluation *result = o->result;
    result->has_accuracy = metric != NULL;
    for (size_t i = 0; i < count; i++) {
        result->sum += loss[i];
        result->weight += weight[i];
        result->examples++;
        if (metric && counts(o, first + i)) {
            result->counted++;
            result->correct += metric[i] != 0;
        }
    }
}

static bool dump_piece(struct oracle *o, const struct reference *reference, const struct graph *graph, uint64_t first,
                       size_t count, struct dump *dump)
{
    struct dump_tensor *tensors = ARENA_ARRAY(&o->c->arena, struct dump_tensor, graph->results.count + 1);
    const double *loss = result_values(reference, graph, RESULT_EXAMPLE_LOSS);
    double weight = o->result->weight != 0 ? o->result->weight : INFINITY;
    double scale = o->c->model.reduction != XENT_REDUCE_MEAN ? 1 : weight;
    for (size_t i = 0; i < count; i++) {
        size_t shown = 0;
        for (size_t r = 0; r < graph->results.count; r++) {
            const struct result *result = &graph->results.at[r];
            bool gradient = result->role == RESULT_INPUT_GRADIENT;
            if (result->role != RESULT_OUTPUT && !gradient)
                continue;
            const struct reference_tensor *tensor = reference_value(reference, result->value);
            size_t width = (size_t)type_elements(&result->value->type);
            if (!tensors[shown].values)
                tensors[shown].values = ARENA_ARRAY(&o->c->arena, double, width);
            tensors[shown].name = result->name;
            tensors[shown].gradient = gradient;
            tensors[shown].count = width;
            for (size_t k = 0; k < width; k++)
                tensors[shown].values[k] = tensor->data[i * width + k] / (gradient ? scale : 1);
            shown++;
        }
        if (!dump_example(dump, first + i, loss[i], tensors, shown))
            return false;
    }
    return true;
}

/* One pass over the split: sums up (dump NULL) or dumps. */
static int each_piece(struct oracle *o, const struct graph *graph, struct dump *dump)
{
    for (uint64_t first = 0; first < o->dataset->examples; first += PIECE) {
        uint64_t left = o->dataset->examples - first;
        size_t count = left < PIECE ? (size_t)left : PIECE;
        fill_piece(o, first, count);
        struct reference *reference =
            reference_run(graph, (int64_t)count, o->bindings, o->bindings_count, NULL);
        if (!reference)
            return report_no_memory();
        bool good = true;
        if (dump)
            good = dump_piece(o, reference, graph, first, count, dump);
        else
            add_piece(o, reference, graph, first, count);
        reference_destroy(reference);
        if (!good)
            return report_error(&dump->error);
    }
    return EXIT_OK;
}

/* The model's graph as it was written, with the results of one entry; for GRADIENT behind autodiff. */
static const struct graph *graph_for(struct oracle *o, enum entry_kind kind)
{
    const struct pass *passes[2] = {pass_named("select_entry"), pass_named("autodiff")};
    struct pass_context context = {
        .arena = &o->c->arena, .diags = &o->c->diags, .entry = kind, .graph = o->c->ir->graph};
    return pass_run(&context, passes, kind == ENTRY_GRADIENT ? 2 : 1, NULL, NULL) ? context.graph : NULL;
}

static int evaluate(struct oracle *o, const char *weights, struct dump *dump)
{
    const struct model_ir *ir = o->c->ir;
    const struct xent_dataset *d = o->dataset;
    o->bindings = ARENA_ARRAY(&o->c->arena, struct reference_binding, o->c->model.states + 2);
    o->input = ARENA_ARRAY(&o->c->arena, double, PIECE * d->elements);
    o->bindings[o->bindings_count++] = (struct reference_binding){leaf_name(ir->input->node), o->input};
    if (ir->target) {
        o->target = ARENA_ARRAY(&o->c->arena, double, PIECE * target_width(d));
        o->bindings[o->bindings_count++] = (struct reference_binding){leaf_name(ir->target->node), o->target};
    }
    int status = load_weights(o, weights);
    const struct graph *graph = graph_for(o, ENTRY_EVAL);
    if (status == EXIT_OK)
        status = graph ? each_piece(o, graph, NULL) : report("the reference cannot evaluate this model");
    struct xent_evaluation *r = o->result;
    bool mean = o->c->model.reduction == XENT_REDUCE_MEAN;
    r->loss = !mean ? r->sum : r->weight != 0 ? r->sum / r->weight : 0;
    r->accuracy = r->counted ? (double)r->correct / (double)r->counted : 0;
    if (status != EXIT_OK || !dump->output)
        return status;
    if (ir->input->type.dtype == DT_F32)
        graph = graph_for(o, ENTRY_GRADIENT);
    return graph ? each_piece(o, graph, dump) : report("the reference cannot differentiate this model");
}

int reference_evaluate(struct xent_compilation *c, const struct xent_dataset *dataset, const char *weights,
                       struct dump *dump, struct xent_evaluation *out)
{
    struct oracle oracle = {.c = c, .dataset = dataset, .result = out};
    *out = (struct xent_evaluation){0};
    if (setjmp(c->on_failure))
        return report_no_memory();
    return evaluate(&oracle, weights, dump);
}
