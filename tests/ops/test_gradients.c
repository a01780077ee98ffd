/* Gradients against central differences, both in double through the reference: of every parameter (entry step) and of
 * every f32 input (entry gradient) of every model, on the graph before any rewrite and on the rewritten one.
 *
 * Tolerance: with h = 1e-5 a central difference of a loss near 1 is exact to about h^2 + 1e-16 / h, below 1e-9; kinks
 * of relu and max_pool2d within h of an example's value would be off by far more, and the seeds have none. */
#include "model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double step = 1e-5, tolerance = 1e-7;
enum { EXAMPLES = 7, TRIED = 40 };

/* What the entry's gradients are of: the batch's loss, or the sum of the examples' losses. */
static double loss_of(struct scratch *s, const struct graph *graph, const struct values *values, enum entry_kind entry)
{
    struct reference *reference = model_reference(s, graph, values, NULL, EXAMPLES, NULL);
    enum result_role role = entry == ENTRY_STEP ? RESULT_LOSS : RESULT_EXAMPLE_LOSS;
    const struct reference_tensor *loss = reference_value(reference, graph_result(graph, role)->value);
    double sum = 0;
    for (int64_t i = 0; i < loss->elements; i++)
        sum += loss->data[i];
    reference_destroy(reference);
    return sum;
}

static void check_gradient(struct scratch *s, const struct graph *graph, const struct values *values,
                           enum entry_kind entry, const struct result *result, const char *path)
{
    struct reference *reference = model_reference(s, graph, values, NULL, EXAMPLES, NULL);
    const struct reference_tensor *gradient = reference_value(reference, result->value);
    struct leaf *leaf = values_find(values, result->name);
    CU_ASSERT_EQUAL_FATAL(leaf->elements, gradient->elements);
    struct chance chance = {42};
    for (int i = 0; i < TRIED; i++) {
        int64_t at = (int64_t)chance_below(&chance, (uint64_t)leaf->elements);
        double kept = leaf->data[at];
        leaf->data[at] = kept + step;
        double above = loss_of(s, graph, values, entry);
        leaf->data[at] = kept - step;
        double below = loss_of(s, graph, values, entry);
        leaf->data[at] = kept;
        double difference = (above - below) / (2 * step), error = fabs(difference - gradient->data[at]);
        if (!(error <= tolerance * (1 + fabs(difference))))
            fprintf(stderr, "%s: d loss / d %s[%lld] is %.12g, differences say %.12g\n", path, result->name,
                    (long long)at, gradient->data[at], difference);
        CU_ASSERT_TRUE(error <= tolerance * (1 + fabs(difference)));
    }
    reference_destroy(reference);
}

static size_t check_model(const char *path, enum entry_kind entry, const char *passes)
{
    struct scratch s;
    scratch_init(&s);
    struct graph *model = model_load(&s, path);
    struct pass_context context = model_passes(&s, model, entry, NULL, EXAMPLES, passes);
    struct values values = {0};
    size_t checked = 0;
    values_random(&s, model, EXAMPLES, 7, &values);
    for (size_t i = 0; i < context.graph->results.count; i++) {
        const struct result *result = &context.graph->results.at[i];
        if (result->role == RESULT_GRADIENT || result->role == RESULT_INPUT_GRADIENT) {
            check_gradient(&s, context.graph, &values, entry, result, path);
            checked++;
        }
    }
    arena_deinit(&s.arena);
    return checked;
}

void test_gradients(void)
{
    static const char *const passes[] = {
        "select_entry infer_shapes autodiff",
        "select_entry infer_shapes simplify fuse_loss fuse_pool autodiff fuse_pool_bias cse dce",
    };
    struct arena list;
    arena_init(&list, NULL);
    size_t count, checked = 0;
    char **paths = model_list(&list, &count);
    for (size_t i = 0; i < count; i++)
        for (int k = 0; k < 2; k++) {
            checked += check_model(paths[i], ENTRY_STEP, passes[k]);
            checked += check_model(paths[i], ENTRY_GRADIENT, passes[k]);
        }
    CU_ASSERT_TRUE(checked > 50);
    arena_deinit(&list);
}
