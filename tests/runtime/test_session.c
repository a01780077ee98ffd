#include "check.h"

#include <math.h>

static const uint32_t thread_counts[] = {1, 2, 3, 7};
enum { EXAMPLES = 23 };

static float inputs[EXAMPLES][TOY_FEATURES];
static int32_t classes[EXAMPLES];

static void fill(void) {
    for (int i = 0; i < EXAMPLES; i++) {
        classes[i] = i % 5 == 4 ? -100 : (i * 7) % TOY_CLASSES;
        for (int f = 0; f < TOY_FEATURES; f++)
            inputs[i][f] = xent_uniform(xent_random(5, XENT_RANDOM_INIT, 0, (uint64_t)(i * TOY_FEATURES + f)), 2.0f);
    }
}

static struct xent_dataset *make_dataset(const struct xent_model *model) {
    struct xent_error error;
    struct xent_data_spec spec;
    struct xent_dataset *dataset = NULL;
    fill();
    CHECK_OK(xent_data_spec_of(model, &spec, &error));
    CHECK_OK(xent_dataset_from_memory(&spec, EXAMPLES, inputs, classes, NULL, &dataset, &error));
    return dataset;
}

static struct xent_session *make_session(const struct xent_model *model, uint32_t threads) {
    struct xent_error error;
    struct xent_session *session = NULL;
    struct xent_session_options options = {.threads = threads};
    CHECK_OK(xent_session_create(model, &options, &session, &error));
    return session;
}

static void init_and_layout(void) {
    struct toy toy;
    toy_make(&toy, TOY_F32, XENT_REDUCE_MEAN);
    struct xent_session *session = make_session(&toy.model, 1);
    xent_session_init(session, 42);
    float w[TOY_CLASSES * TOY_FEATURES], b[TOY_CLASSES], lane[TOY_CLASSES];
    const struct xent_tensor *weight = xent_model_state(&toy.model, "l.weight");
    xent_session_get(session, weight, w);
    for (uint64_t i = 0; i < 18; i++)
        CU_ASSERT_EQUAL(w[i], xent_uniform(xent_random(42, XENT_RANDOM_INIT, 0, i), 0.5f));
    xent_session_get(session, xent_model_state(&toy.model, "l.bias"), b);
    for (uint64_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(b[i], xent_uniform(xent_random(42, XENT_RANDOM_INIT, 1, i), 0.5f));
    for (int i = 0; i < 18; i++)
        w[i] = (float)i;
    xent_session_set(session, weight, w);
    memset(w, 0, sizeof w);
    xent_session_get(session, weight, w);
    for (int i = 0; i < 18; i++)
        CU_ASSERT_EQUAL(w[i], (float)i);

    /* logits through the tiled weights: W[c, f] = 6 c + f, one hot input f = 5 */
    float x[2][TOY_FEATURES] = {{0}, {0, 0, 0, 0, 0, 1}};
    int32_t y[2] = {0, 0}, pick[1] = {1};
    struct xent_error error;
    struct xent_data_spec spec;
    struct xent_dataset *dataset;
    memset(b, 0, sizeof b);
    xent_session_set(session, xent_model_state(&toy.model, "l.bias"), b);
    CHECK_OK(xent_data_spec_of(&toy.model, &spec, &error));
    CHECK_OK(xent_dataset_from_memory(&spec, 2, x, y, NULL, &dataset, &error));
    const struct xent_entry *forward = xent_model_entry(&toy.model, "forward");
    CHECK_OK(xent_session_run(session, forward, dataset, pick, 1, &error));
    xent_session_read(session, xent_entry_tensor(forward, XENT_ROLE_OUTPUT), 0, lane);
    CU_ASSERT(lane[0] == 5 && lane[1] == 11 && lane[2] == 17);
    xent_dataset_destroy(dataset);
    xent_session_destroy(session);
}

static void finite_state(void) {
    struct toy toy;
    toy_make(&toy, TOY_F32, XENT_REDUCE_MEAN);
    struct xent_session *session = make_session(&toy.model, 1);
    xent_session_init(session, 1);
    const struct xent_tensor *bias = xent_model_state(&toy.model, "l.bias"), *found = NULL;
    float values[] = {1, 3e38f, -1};
    xent_session_set(session, bias, values);
    CU_ASSERT(xent_session_is_finite(session, &found));
    values[1] = -INFINITY;
    xent_session_set(session, bias, values);
    CU_ASSERT(!xent_session_is_finite(session, &found));
    CU_ASSERT_PTR_EQUAL(found, bias);
    values[1] = NAN;
    xent_session_set(session, bias, values);
    CU_ASSERT(!xent_session_is_finite(session, NULL));
    struct xent_tensor whole = *bias; /* with the padding, which code may leave anything in */
    whole.shape[0] = (int64_t)(whole.bytes / sizeof(float));
    CU_ASSERT_EQUAL_FATAL(whole.shape[0], 4);
    const float padded[] = {1, 3e38f, -1, NAN};
    xent_session_set(session, &whole, padded);
    CU_ASSERT(xent_session_is_finite(session, NULL));
    xent_session_destroy(session);
}

static void wrong_models(void) {
    struct toy toy;
    struct xent_session *session;
    struct xent_error error;
#define WRONG(change, part)                                                                                            \
    do {                                                                                                               \
        toy_make(&toy, TOY_F32, XENT_REDUCE_MEAN);                                                                     \
        change;                                                                                                        \
        CHECK_ERROR(xent_session_create(&toy.model, NULL, &session, &error), XENT_ERROR_ARGUMENT, &error, part);       \
    } while (0)
    WRONG(toy.model.abi_version = 2, "ABI version 2");
    WRONG(toy.model.size--, "bytes");
    WRONG(toy.model.arena_align = 48, "malformed");
    WRONG(toy.state[0].bytes -= 8, "l.weight has elements outside its bytes");
    WRONG(toy.state[0].digit[0].stride = INT64_MAX / 2, "l.weight has elements outside its bytes");
    WRONG(toy.state[0].shape[0] = INT64_MAX, "l.weight");
    WRONG(toy.state[3].offset = toy.model.arena_bytes, "l.bias.momentum lies outside the arena");
    WRONG(toy.state[1].offset = UINT64_MAX - 3, "l.bias lies outside the arena");
    WRONG(toy.state[1].rank = 7, "too many dimensions");
    WRONG(toy.state[1].role = XENT_ROLE_OUTPUT, "is no f32 state");
    WRONG(toy.entry[1].batch = TOY_CAPACITY + 1, "eval is malformed");
    WRONG(toy.outputs[1].shape[0] = TOY_BATCH - 1, "too few lanes");
    WRONG(toy.feed[1] = toy.feed[0], "2 inputs");
#undef WRONG
    toy_make(&toy, TOY_F32, XENT_REDUCE_MEAN);
    toy.model.arena_bytes = (uint64_t)1 << 62;
    CHECK_ERROR(xent_session_create(&toy.model, NULL, &session, &error), XENT_ERROR_MEMORY, &error, "toy: no memory");
}

static void wrong_calls(void) {
    struct toy toy, u8;
    struct xent_error error;
    float loss;
    int32_t pick[8] = {0};
    toy_make(&toy, TOY_F32, XENT_REDUCE_MEAN);
    toy_make(&u8, TOY_U8, XENT_REDUCE_MEAN);
    struct xent_session *session = make_session(&toy.model, 1), *other = make_session(&u8.model, 1);
    struct xent_dataset *dataset = make_dataset(&toy.model);
    const struct xent_scalar_value right[] = {{"lr", 0.1f}, {"momentum", 0}},
                                   twice[] = {{"lr", 1}, {"momentum", 0}, {"lr", 2}},
                                   more[] = {{"lr", 1}, {"momentum", 0}, {"rho", 2}};
    const struct {
        uint32_t live;
        const struct xent_scalar_value *scalars;
        uint32_t count;
        const char *part;
    } wrong[] = {{0, right, 2, "0 examples in a batch"},
                 {8, right, 2, "takes 1 to 7"},
                 {1, right, 1, "needs a value for momentum"},
                 {1, twice, 3, "lr is given twice"},
                 {1, more, 3, "has no scalar rho"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        CHECK_ERROR(xent_session_step(session, dataset, pick, wrong[i].live, wrong[i].scalars, wrong[i].count, &loss,
                                      &error),
                    XENT_ERROR_ARGUMENT, &error, wrong[i].part);
    pick[3] = EXAMPLES;
    CHECK_ERROR(xent_session_step(session, dataset, pick, 4, right, 2, &loss, &error), XENT_ERROR_ARGUMENT, &error,
                "no example 23 among 23");
    pick[3] = -1;
    CHECK_ERROR(xent_session_step(session, dataset, pick, 4, right, 2, &loss, &error), XENT_ERROR_ARGUMENT, &error,
                "no example -1");
    pick[3] = 0;
    CHECK_ERROR(xent_session_step(other, dataset, pick, 4, right, 2, &loss, &error), XENT_ERROR_ARGUMENT, &error,
                "examples are f32[2, 3], but model toy takes u8[2, 3]");
    CU_ASSERT_EQUAL(xent_session_steps(session), 0);
    CHECK_OK(xent_session_step(session, dataset, pick, 4, right, 2, &loss, &error));
    CU_ASSERT_EQUAL(xent_session_steps(session), 1);
    xent_dataset_destroy(dataset);
    xent_session_destroy(session);
    xent_session_destroy(other);
}

/* The same in double, from the definition. */
static void reference(const float *w, const float *b, int i, double *loss, int *best) {
    double z[TOY_CLASSES], sum = 0;
    *best = 0;
    for (int c = 0; c < TOY_CLASSES; c++) {
        z[c] = b[c];
        for (int f = 0; f < TOY_FEATURES; f++)
            z[c] += (double)w[c * TOY_FEATURES + f] * inputs[i][f];
        sum += exp(z[c]);
        if (z[c] > z[*best])
            *best = c;
    }
    *loss = classes[i] < 0 ? 0 : log(sum) - z[classes[i]];
}

struct seen {
    uint64_t next, stop_at;
    double loss[EXAMPLES];
    int correct[EXAMPLES];
};

static int see(void *context, const struct xent_session *session, const struct xent_example *example) {
    struct seen *seen = context;
    (void)session;
    CU_ASSERT_EQUAL(example->index, seen->next++);
    seen->loss[example->index] = example->loss;
    seen->correct[example->index] = example->correct;
    CU_ASSERT_EQUAL(example->weight, classes[example->index] >= 0);
    return seen->next == seen->stop_at;
}

static void evaluation(void) {
    static const enum xent_reduction reductions[] = {XENT_REDUCE_MEAN, XENT_REDUCE_SUM, XENT_REDUCE_NONE};
    for (size_t r = 0; r < 3; r++) {
        struct toy toy;
        struct xent_evaluation first = {0}, result;
        struct xent_error error;
        toy_make(&toy, TOY_F32, reductions[r]);
        struct xent_dataset *dataset = make_dataset(&toy.model);
        for (size_t t = 0; t < 4; t++) {
            struct xent_session *session = make_session(&toy.model, thread_counts[t]);
            float w[18], b[3];
            xent_session_init(session, 9);
            xent_session_get(session, &toy.state[0], w);
            xent_session_get(session, &toy.state[1], b);
            for (uint32_t batch = 0; batch <= 30; batch += batch < 8 ? 1 : 11) {
                struct seen seen = {0};
                CHECK_OK(xent_evaluate(session, dataset, batch, see, &seen, &result, &error));
                CU_ASSERT_EQUAL(seen.next, EXAMPLES);
                if (!first.examples)
                    first = result;
                CU_ASSERT(!memcmp(&first, &result, sizeof result)); /* no digit depends on batch or threads */
                double sum = 0;
                uint64_t correct = 0, counted = 0;
                for (int i = 0; i < EXAMPLES; i++) {
                    double loss;
                    int best;
                    reference(w, b, i, &loss, &best);
                    CU_ASSERT_DOUBLE_EQUAL(seen.loss[i], loss, 1e-5); /* a dozen float32 roundings of values below 10 */
                    CU_ASSERT_EQUAL(seen.correct[i], classes[i] < 0 ? -1 : best == classes[i]);
                    sum += seen.loss[i];
                    counted += classes[i] >= 0;
                    correct += classes[i] == best;
                }
                CU_ASSERT(result.sum == sum && result.weight == (double)counted);
                CU_ASSERT_EQUAL(result.loss, r == 0 ? sum / (double)counted : sum);
                CU_ASSERT(result.has_accuracy && result.counted == counted && result.correct == correct);
            }
            struct seen seen = {.stop_at = 5};
            CHECK_OK(xent_evaluate(session, dataset, 3, see, &seen, &result, &error));
            CU_ASSERT_EQUAL(seen.next, 5);
            xent_session_destroy(session);
        }
        xent_dataset_destroy(dataset);
    }
}

static void all_ignored(void) {
    struct toy toy;
    struct xent_error error;
    struct xent_evaluation result;
    struct xent_data_spec spec;
    struct xent_dataset *dataset;
    float x[2][TOY_FEATURES] = {{1}, {2}};
    int32_t y[2] = {-100, -100};
    toy_make(&toy, TOY_F32, XENT_REDUCE_MEAN);
    struct xent_session *session = make_session(&toy.model, 2);
    CHECK_OK(xent_data_spec_of(&toy.model, &spec, &error));
    CHECK_OK(xent_dataset_from_memory(&spec, 2, x, y, NULL, &dataset, &error));
    CHECK_OK(xent_evaluate(session, dataset, 0, NULL, NULL, &result, &error));
    CU_ASSERT(result.loss == 0 && result.weight == 0 && result.counted == 0 && result.accuracy == 0);
    CU_ASSERT_EQUAL(result.examples, 2);
    xent_dataset_destroy(dataset);

    spec.target = XENT_TARGET_NONE;
    spec.classes = 0;
    CHECK_OK(xent_dataset_from_memory(&spec, 2, x, NULL, NULL, &dataset, &error));
    CHECK_ERROR(xent_evaluate(session, dataset, 0, NULL, NULL, &result, &error), XENT_ERROR_ARGUMENT, &error,
                "targets are not those");
    int32_t pick[] = {1};
    CHECK_OK(xent_session_run(session, xent_model_entry(&toy.model, "forward"), dataset, pick, 1, &error));
    xent_dataset_destroy(dataset);
    xent_session_destroy(session);
}

static void memory_datasets(void) {
    struct xent_data_spec spec = {.dtype = XENT_F32, .rank = 1, .shape = {2}, .target = XENT_TARGET_CLASS, .classes = 3,
                                  .ignore_index = -7};
    struct xent_dataset *dataset;
    struct xent_error error;
    float x[6] = {0};
    int32_t y[3] = {2, -7, 3};
    CHECK_ERROR(xent_dataset_from_memory(&spec, 3, x, y, NULL, &dataset, &error), XENT_ERROR_DATA, &error,
                "example 2 (counted from 0) has class 3");
    CHECK_OK(xent_dataset_from_memory(&spec, 2, x, y, NULL, &dataset, &error));
    CU_ASSERT(dataset->examples == 2 && dataset->elements == 2);
    xent_dataset_destroy(dataset);
    CHECK_ERROR(xent_dataset_from_memory(&spec, 2, x, NULL, NULL, &dataset, &error), XENT_ERROR_ARGUMENT, &error,
                "missing");
    CHECK_ERROR(xent_dataset_from_memory(&spec, 0, x, y, NULL, &dataset, &error), XENT_ERROR_ARGUMENT, &error,
                "0 examples");
    spec.rank = 3;
    spec.shape[1] = spec.shape[2] = INT64_MAX / 2;
    CHECK_ERROR(xent_dataset_from_memory(&spec, 2, x, y, NULL, &dataset, &error), XENT_ERROR_ARGUMENT, &error, "shape");
}

static void softmax(void) {
    double p[3];
    xent_softmax((float[]){0.2f, 0.1f, -0.1f}, 3, p);
    CU_ASSERT_DOUBLE_EQUAL(-log(p[0]), 0.9729189131256584, 1e-7); /* float32 logits */
    xent_softmax((float[]){3e38f, -3e38f, 3e38f}, 3, p);
    CU_ASSERT(p[0] == 0.5 && p[1] == 0 && p[2] == 0.5);
    xent_softmax((float[]){1, NAN, 3}, 3, p);
    CU_ASSERT(isnan(p[0]) && isnan(p[1]) && isnan(p[2]));
}

/* No more threads than cores; which of them run is nobody's business but the clock's. */
static void threads_of_a_session(void) {
    struct toy toy;
    toy_make(&toy, TOY_F32, XENT_REDUCE_MEAN);
    setenv("XENT_CORES", "2", 1);
    for (uint32_t asked = 0; asked < 4; asked++) {
        struct xent_session *session = make_session(&toy.model, asked);
        CU_ASSERT_EQUAL(xent_session_threads(session), asked == 1 ? 1 : 2);
        xent_session_destroy(session);
    }
    setenv("XENT_CORES", "16", 1);
}

CU_ErrorCode add_session(void) {
    static const struct case_of cases[] = {{"initial values and layouts", init_and_layout},
                                           {"finite state", finite_state},
                                           {"wrong models", wrong_models},
                                           {"wrong calls", wrong_calls},
                                           {"evaluation", evaluation},
                                           {"ignored and absent targets", all_ignored},
                                           {"examples in memory", memory_datasets},
                                           {"threads of a session", threads_of_a_session},
                                           {"softmax", softmax}};
    return add_suite("session", cases, sizeof cases / sizeof *cases);
}
