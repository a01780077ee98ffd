/* Lowered programs, run by the kernel interpreter, against the reference on the graph before any rewrite: every model,
 * every entry, odd batches, several optimizers.
 *
 * Tolerance: a float32 sum of some hundred terms of size 1 is off by about its number of roundings, 2^-24 each, so 2e-5
 * of the largest element; gradients pass through several such sums. */
#include "model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DATA_SET = 70 };
static const double tolerance = 4e-5;
static const char reference_passes[] = "select_entry infer_shapes autodiff append_updates";
static const char kernel_passes[] =
    "select_entry infer_shapes simplify fuse_loss fuse_pool autodiff append_updates fuse_pool_bias cse dce skip_zeros "
    "fuse lower schedule place_barriers plan_memory";

struct trial {
    const char *path;
    enum entry_kind entry;
    struct optimizer_config optimizer;
    int64_t batch, live;
    bool first;
};

static const struct result *same_result(const struct graph *graph, const struct lowered_result *result)
{
    for (size_t i = 0; i < graph->results.count; i++)
        if (graph->results.at[i].role == result->role && strcmp(graph->results.at[i].name, result->name) == 0)
            return &graph->results.at[i];
    return NULL;
}

static void compare(const struct trial *t, const struct lowered_result *result, const void *arena,
                    const struct reference_tensor *wanted)
{
    double largest = 1, worst = 0;
    for (int64_t i = 0; i < wanted->elements; i++)
        largest = fmax(largest, fabs(wanted->data[i]));
    for (int64_t i = 0; i < wanted->elements; i++) {
        int64_t index[KERNEL_MAX_RANK] = {0}, rest = i;
        for (uint32_t d = wanted->type.rank; d-- > 0; rest /= wanted->dim[d])
            index[d] = rest % wanted->dim[d];
        double error = fabs(result_at(result, arena, index) - wanted->data[i]);
        worst = error <= worst ? worst : error; /* NaN stays */
    }
    bool ok = worst <= tolerance * largest;
    if (!ok)
        fprintf(stderr, "%s, entry %d, batch %lld, live %lld: %s is off by %g of %g\n", t->path, (int)t->entry,
                (long long)t->batch, (long long)t->live, result->name, worst, largest);
    CU_ASSERT_TRUE(ok);
}

static size_t run_trial(const struct trial *t)
{
    struct scratch s;
    scratch_init(&s);
    struct graph *model = model_load(&s, t->path);
    struct pass_context plain = model_passes(&s, model, t->entry, &t->optimizer, t->batch, reference_passes);
    struct pass_context context = model_passes(&s, model, t->entry, &t->optimizer, t->batch, kernel_passes);
    struct reference_scalars scalars = {(double)0.05f, (double)0.9f, (double)0.25f, (double)0.01f, t->first};
    struct values values = {0};
    values_random(&s, model, DATA_SET, (uint64_t)(t->batch * 100 + t->live), &values);
    values_random(&s, plain.graph, DATA_SET, 1, &values);
    int32_t pick[128];
    struct chance chance = {3};
    for (int64_t m = 0; m < t->live; m++)
        pick[m] = (int32_t)chance_below(&chance, DATA_SET);
    struct reference *reference = model_reference(&s, plain.graph, &values, pick, t->live, &scalars);
    void *arena = model_interpret(&s, &context, &values, pick, t->live, &scalars);
    CU_ASSERT_EQUAL(context.lowered->results.count, plain.graph->results.count);
    for (size_t i = 0; i < context.lowered->results.count; i++) {
        const struct lowered_result *result = &context.lowered->results.at[i];
        const struct result *wanted = same_result(plain.graph, result);
        CU_ASSERT_PTR_NOT_NULL_FATAL(wanted);
        compare(t, result, arena, reference_value(reference, wanted->value));
    }
    size_t compared = context.lowered->results.count;
    free(arena);
    reference_destroy(reference);
    arena_deinit(&s.arena);
    return compared;
}

void test_kernels(void)
{
    static const struct optimizer_config optimizers[] = {
        {0}, {.weight_decay = true}, {.momentum = true}, {.momentum = true, .nesterov = true, .weight_decay = true},
        {.momentum = true, .dampening = true}};
    static const int64_t batches[][2] = {{1, 1}, {7, 7}, {16, 5}, {17, 17}, {64, 33}, {36, 35}, {65, 65}, {128, 128}};
    struct arena list;
    arena_init(&list, NULL);
    size_t count, compared = 0;
    char **paths = model_list(&list, &count);
    for (size_t i = 0; i < count; i++)
        for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
            for (int entry = ENTRY_FORWARD; entry < ENTRY_COUNT; entry++) {
                struct trial t = {paths[i], (enum entry_kind)entry, optimizers[b % 5], batches[b][0], batches[b][1],
                                  b % 2};
                compared += run_trial(&t);
            }
        }
    for (size_t o = 0; o < 5; o++)
        for (int first = 0; first < 2; first++) {
            struct trial t = {paths[0], ENTRY_STEP, optimizers[o], 9, 9, first};
            compared += run_trial(&t);
        }
    CU_ASSERT_TRUE(compared > 500);
    arena_deinit(&list);
}

/* ---- leaving out zeros changes nothing but rounding: the reference before and behind the pass ---- */

static void compare_references(const char *name, int64_t examples)
{
    struct scratch s;
    scratch_init(&s);
    char *path = arena_printf(&s.arena, XENT_SOURCE_DIR "/tests/ops/models/%s.net", name);
    struct graph *model = model_load(&s, path);
    static const struct optimizer_config optimizer = {.momentum = true};
    struct pass_context plain = model_passes(&s, model, ENTRY_STEP, &optimizer, 64, reference_passes);
    struct pass_context zeros = model_passes(
        &s, model, ENTRY_STEP, &optimizer, 64,
        "select_entry infer_shapes simplify autodiff append_updates cse dce skip_zeros");
    struct reference_scalars scalars = {.lr = 0.05, .momentum = 0.9};
    struct values values = {0};
    values_random(&s, model, examples, 7, &values);
    values_random(&s, plain.graph, examples, 8, &values);
    struct reference *wanted = model_reference(&s, plain.graph, &values, NULL, examples, &scalars);
    struct reference *got = model_reference(&s, zeros.graph, &values, NULL, examples, &scalars);
    uint32_t rewritten = 0;
    for (size_t i = 0; i < zeros.graph->nodes.count; i++)
        rewritten += op_is(zeros.graph->nodes.at[i], "linear_zeros") ||
                     op_is(zeros.graph->nodes.at[i], "linear_zeros_dw") ||
                     op_is(zeros.graph->nodes.at[i], "conv2d_zeros") ||
                     op_is(zeros.graph->nodes.at[i], "conv2d_shift_dw");
    CU_ASSERT_EQUAL(rewritten, 2);
    for (size_t i = 0; i < plain.graph->results.count; i++) {
        const struct reference_tensor *a = reference_value(wanted, plain.graph->results.at[i].value);
        const struct reference_tensor *b = reference_value(got, zeros.graph->results.at[i].value);
        for (int64_t k = 0; k < a->elements; k++)
            CU_ASSERT_DOUBLE_EQUAL(b->data[k], a->data[k], 1e-9);
    }
    reference_destroy(wanted);
    reference_destroy(got);
    arena_deinit(&s.arena);
}

void test_zeros(void)
{
    compare_references("zeros", 37);
    compare_references("zeros_bare", 64);
    compare_references("zeros_conv", 37);
    compare_references("zeros_conv_bare", 64);
}

/* ---- the weight gradient's order does not depend on the batch's size ---- */

static const char line_model[] = "net 1 model line { input x : f32[3] target y : class[2] z = x |> linear(2) "
                                 "output z loss cross_entropy(z, y, reduction = sum) }";

static float first_weight(int64_t batch, int64_t live)
{
    struct scratch s;
    scratch_init(&s);
    struct graph *model = model_text(&s, "line.net", line_model);
    struct pass_context context = model_passes(&s, model, ENTRY_STEP, NULL, batch, kernel_passes);
    struct reference_scalars scalars = {.lr = 1};
    struct values values = {0};
    int32_t pick[128];
    for (int32_t m = 0; m < live; m++)
        pick[m] = m;
    values_random(&s, model, DATA_SET, 5, &values);
    void *arena = model_interpret(&s, &context, &values, pick, live, &scalars);
    const struct kvar *var = context.lowered->states.at[0].var;
    int64_t at = klayout_address(&var->layout, (int64_t[]){0, 1});
    float weight = ((const float *)(const void *)((const char *)arena + var->offset))[at];
    free(arena);
    arena_deinit(&s.arena);
    return weight;
}

void test_blocks(void)
{
    for (int64_t live = 1; live <= 64; live += 21) {
        float one = first_weight(64, live), two = first_weight(100, live), three = first_weight(live, live);
        CU_ASSERT_EQUAL(memcmp(&one, &two, sizeof one), 0);
        CU_ASSERT_EQUAL(memcmp(&one, &three, sizeof one), 0);
    }
}

/* ---- a batch whose targets are all ignored teaches nothing ---- */

void test_ignored(void)
{
    static const char text[] = "net 1 model quiet { input x : f32[3] target y : class[4] z = x |> linear(4) output z "
                               "loss cross_entropy(z, y, ignore_index = 1, label_smoothing = 0.5) }";
    struct scratch s;
    scratch_init(&s);
    struct graph *model = model_text(&s, "quiet.net", text);
    struct pass_context context = model_passes(&s, model, ENTRY_STEP, NULL, 5, kernel_passes);
    struct reference_scalars scalars = {.lr = 1};
    struct values values = {0};
    values_random(&s, model, DATA_SET, 5, &values);
    struct leaf *target = values_find(&values, "y"), *bias = values_find(&values, "z.bias");
    for (int64_t i = 0; i < target->elements; i++)
        target->data[i] = 1;
    void *arena = model_interpret(&s, &context, &values, (int32_t[]){0, 1, 2, 3, 4}, 5, &scalars);
    const struct lowered *lowered = context.lowered;
    for (size_t i = 0; i < lowered->results.count; i++) {
        if (lowered->results.at[i].role == RESULT_LOSS)
            CU_ASSERT_EQUAL(result_at(&lowered->results.at[i], arena, NULL), 0);
        if (strcmp(lowered->results.at[i].name, "z.bias") == 0)
            for (int64_t c = 0; c < 4; c++)
                CU_ASSERT_EQUAL(result_at(&lowered->results.at[i], arena, &c), bias->data[c]);
    }
    free(arena);
    arena_deinit(&s.arena);
}
