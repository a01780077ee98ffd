#include "check.h"

#include <math.h>

/* 325 batches of 4 an epoch, the last of one example. */
enum { EXAMPLES = 1297, BATCH = 4, BATCHES = 325 };

static float inputs[EXAMPLES][TOY_FEATURES];
static int32_t classes[EXAMPLES];
static const struct xent_scalar_value scalars[] = {{"lr", 0.05f}, {"momentum", 0.9f}};

static struct xent_dataset *make_dataset(const struct xent_model *model) {
    struct xent_error error;
    struct xent_data_spec spec;
    struct xent_dataset *dataset = NULL;
    for (int i = 0; i < EXAMPLES; i++) {
        float sum = 0;
        for (int f = 0; f < TOY_FEATURES; f++)
            sum += inputs[i][f] =
                xent_uniform(xent_random(8, XENT_RANDOM_INIT, 0, (uint64_t)(i * TOY_FEATURES + f)), 1.0f);
        classes[i] = sum < -0.5f ? 0 : sum > 0.5f ? 2 : 1;
    }
    CHECK_OK(xent_data_spec_of(model, &spec, &error));
    CHECK_OK(xent_dataset_from_memory(&spec, EXAMPLES, inputs, classes, NULL, &dataset, &error));
    return dataset;
}

static struct xent_session *make_session(const struct xent_model *model, uint32_t threads) {
    struct xent_error error;
    struct xent_session *session = NULL;
    CHECK_OK(xent_session_create(model, &(struct xent_session_options){.threads = threads}, &session, &error));
    xent_session_init(session, 3);
    return session;
}

struct state {
    float w[18], b[3], vw[18], vb[3];
};

static struct state state_of(const struct xent_session *session) {
    const struct xent_model *model = xent_session_model(session);
    struct state state;
    xent_session_get(session, &model->state[0], state.w);
    xent_session_get(session, &model->state[1], state.b);
    xent_session_get(session, &model->state[2], state.vw);
    xent_session_get(session, &model->state[3], state.vb);
    return state;
}

/* `updates` single steps, without the trainer. */
static struct state by_hand(const struct xent_model *model, const struct xent_dataset *dataset, bool shuffle,
                            uint64_t updates, float *losses) {
    struct xent_error error;
    struct xent_session *session = make_session(model, 1);
    int32_t order[EXAMPLES];
    for (uint64_t s = 0; s < updates; s++) {
        for (int32_t i = 0; i < EXAMPLES; i++)
            order[i] = i;
        if (shuffle)
            xent_shuffle(77, (uint32_t)(s / BATCHES), order, EXAMPLES);
        uint64_t from = s % BATCHES * BATCH;
        uint32_t live = EXAMPLES - from < BATCH ? (uint32_t)(EXAMPLES - from) : BATCH;
        float loss;
        CHECK_OK(xent_session_step(session, dataset, order + from, live, scalars, 2, &loss, &error));
        if (losses)
            losses[s] = loss;
    }
    struct state state = state_of(session);
    xent_session_destroy(session);
    return state;
}

struct log {
    float loss[2 * BATCHES + 1];
    uint64_t steps, logs, epochs;
    double log_loss, epoch_loss[4];
    volatile sig_atomic_t stop;
    uint64_t stop_at;
    float *victim; /* becomes NaN after the first epoch */
};

static void on_step(void *context, const struct xent_step_report *report) {
    struct log *log = context;
    CU_ASSERT_EQUAL(report->step, log->steps + 1);
    CU_ASSERT_EQUAL(report->epoch, log->steps / BATCHES + 1);
    CU_ASSERT_EQUAL(report->batch, log->steps % BATCHES + 1);
    CU_ASSERT_EQUAL(report->batches, BATCHES);
    CU_ASSERT_EQUAL(report->examples, report->batch == BATCHES ? 1u : BATCH);
    log->loss[log->steps++] = report->loss;
    if (log->steps == log->stop_at)
        log->stop = 1;
}

static void on_log(void *context, const struct xent_log_report *report) {
    struct log *log = context;
    CU_ASSERT_EQUAL(report->batch % 100, 0);
    log->logs++;
    log->log_loss = report->loss;
}

static void on_epoch(void *context, const struct xent_epoch_report *report) {
    struct log *log = context;
    CU_ASSERT_EQUAL(report->epoch, log->epochs + 1);
    CU_ASSERT_EQUAL(report->steps, log->steps);
    CU_ASSERT(report->seconds >= 0 && report->examples == EXAMPLES);
    log->epoch_loss[log->epochs++] = report->loss;
    if (log->victim)
        *log->victim = NAN;
}

static struct xent_train_options options_for(struct log *log, bool shuffle) {
    return (struct xent_train_options){.epochs = 2, .batch = BATCH, .shuffle = shuffle, .seed = 77, .log_every = 100,
                                       .scalars = scalars, .scalar_count = 2, .on_step = on_step, .on_log = on_log,
                                       .on_epoch = on_epoch, .context = log, .stop = &log->stop};
}

static void epochs(void) {
    struct toy toy;
    struct xent_error error;
    toy_make(&toy, TOY_F32, XENT_REDUCE_MEAN);
    struct xent_dataset *dataset = make_dataset(&toy.model);
    for (int shuffle = 0; shuffle < 2; shuffle++) {
        float losses[2 * BATCHES];
        struct state want = by_hand(&toy.model, dataset, shuffle, 2 * BATCHES, losses);
        for (uint32_t threads = 1; threads <= 7; threads += threads == 3 ? 4 : 1) {
            struct log log = {0};
            struct xent_train_result result;
            struct xent_train_options options = options_for(&log, shuffle);
            struct xent_session *session = make_session(&toy.model, threads);
            CHECK_OK(xent_train(session, dataset, &options, &result, &error));
            struct state have = state_of(session);
            CU_ASSERT(!memcmp(&have, &want, sizeof want));
            CU_ASSERT(!memcmp(losses, log.loss, sizeof losses));
            CU_ASSERT(result.end == XENT_END_EPOCHS && result.steps == 2 * BATCHES && result.epochs == 2);
            CU_ASSERT(log.epochs == 2 && log.logs == 6 && result.loss == losses[2 * BATCHES - 1]);
            double sum = 0, hundred = 0;
            for (int i = BATCHES; i < 2 * BATCHES; i++)
                sum += (double)losses[i] * (i == 2 * BATCHES - 1 ? 1 : BATCH);
            for (int i = BATCHES + 200; i < BATCHES + 300; i++)
                hundred += losses[i];
            CU_ASSERT_EQUAL(log.epoch_loss[1], sum / EXAMPLES);
            CU_ASSERT_EQUAL(log.log_loss, hundred / 100);
            CU_ASSERT(log.epoch_loss[1] < log.epoch_loss[0]); /* it learns */
            xent_session_destroy(session);
        }
    }
    xent_dataset_destroy(dataset);
}

static void ends(void) {
    static const struct {
        uint64_t limit, stop_at, want_steps;
        enum xent_train_end want_end;
        uint32_t want_epochs, want_callbacks;
    } cases[] = {{1, 0, 1, XENT_END_STEPS, 0, 0},
                 {BATCHES, 0, BATCHES, XENT_END_STEPS, 1, 0},
                 {BATCHES + 2, 0, BATCHES + 2, XENT_END_STEPS, 1, 1},
                 {2 * BATCHES, 0, 2 * BATCHES, XENT_END_STEPS, 2, 1},
                 {9999, 0, 2 * BATCHES, XENT_END_EPOCHS, 2, 2},
                 {0, 1, 1, XENT_END_STOPPED, 0, 0},
                 {0, 330, 330, XENT_END_STOPPED, 1, 1}};
    struct toy toy;
    struct xent_error error;
    toy_make(&toy, TOY_F32, XENT_REDUCE_MEAN);
    struct xent_dataset *dataset = make_dataset(&toy.model);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct log log = {.stop_at = cases[i].stop_at};
        struct xent_train_result result;
        struct xent_train_options options = options_for(&log, true);
        options.steps = cases[i].limit;
        struct xent_session *session = make_session(&toy.model, 2);
        CHECK_OK(xent_train(session, dataset, &options, &result, &error));
        CU_ASSERT_EQUAL(result.steps, cases[i].want_steps);
        CU_ASSERT_EQUAL(result.end, cases[i].want_end);
        CU_ASSERT_EQUAL(result.epochs, cases[i].want_epochs);
        CU_ASSERT_EQUAL(log.epochs, cases[i].want_callbacks);
        struct state have = state_of(session), want = by_hand(&toy.model, dataset, true, cases[i].want_steps, NULL);
        CU_ASSERT(!memcmp(&have, &want, sizeof want));
        xent_session_destroy(session);
    }
    xent_dataset_destroy(dataset);
}

/* An example with a NaN in the batch of step `bad` of the first or second epoch. */
static void bad_losses(void) {
    static const uint64_t steps[] = {1, 2, 3, 100, 255, 256, 257, 258, 259, 325};
    struct toy toy;
    struct xent_error error;
    toy_make(&toy, TOY_F32, XENT_REDUCE_MEAN);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        for (int shuffle = 0; shuffle < 2; shuffle++) {
            struct xent_dataset *dataset = make_dataset(&toy.model);
            uint64_t bad = steps[i], good = bad < 2 ? 0 : bad - 2;
            int32_t order[EXAMPLES];
            for (int32_t e = 0; e < EXAMPLES; e++)
                order[e] = e;
            if (shuffle)
                xent_shuffle(77, 0, order, EXAMPLES);
            struct state want = by_hand(&toy.model, dataset, shuffle, good, NULL);
            inputs[order[(bad - 1) * BATCH]][2] = i % 2 ? NAN : INFINITY;
            struct log log = {0};
            struct xent_train_result result;
            struct xent_train_options options = options_for(&log, shuffle);
            struct xent_session *session = make_session(&toy.model, 1 + (uint32_t)i % 3);
            char part[64];
            snprintf(part, sizeof part, "in step %d (epoch 1)", (int)bad);
            CHECK_ERROR(xent_train(session, dataset, &options, &result, &error), XENT_ERROR_NUMERIC, &error, part);
            struct state have = state_of(session);
            CU_ASSERT(!memcmp(&have, &want, sizeof want));
            CU_ASSERT(result.end == XENT_END_NOT_FINITE && result.bad_step == bad && result.steps == good);
            CU_ASSERT(log.steps == bad - 1 && log.epochs == 0 && xent_session_steps(session) == good);
            xent_session_destroy(session);
            xent_dataset_destroy(dataset);
        }
}

/* Bad in the second epoch: the steps that are repeated begin in the first, whose order must come back. The number is
 * spoilt after the first epoch, in an example that the repeated steps of the first do not read. */
static void bad_second_epoch(void) {
    struct toy toy;
    struct xent_error error;
    int32_t first[EXAMPLES], second[EXAMPLES];
    toy_make(&toy, TOY_F32, XENT_REDUCE_MEAN);
    xent_shuffle(77, 0, first, EXAMPLES);
    xent_shuffle(77, 1, second, EXAMPLES);
    for (uint64_t bad = BATCHES + 1; bad <= BATCHES + 3; bad++) {
        struct xent_dataset *dataset = make_dataset(&toy.model);
        struct state want = by_hand(&toy.model, dataset, true, bad - 2, NULL);
        struct log log = {0};
        for (uint64_t lane = 0; lane < BATCH; lane++)
            for (int place = 0; place < 256 * BATCH; place++)
                if (first[place] == second[(bad - BATCHES - 1) * BATCH + lane])
                    log.victim = inputs[first[place]];
        CU_ASSERT_PTR_NOT_NULL_FATAL(log.victim);
        struct xent_train_result result;
        struct xent_train_options options = options_for(&log, true);
        struct xent_session *session = make_session(&toy.model, 2);
        CHECK_ERROR(xent_train(session, dataset, &options, &result, &error), XENT_ERROR_NUMERIC, &error, "(epoch 2)");
        struct state have = state_of(session);
        CU_ASSERT(!memcmp(&have, &want, sizeof want));
        CU_ASSERT(result.bad_step == bad && result.steps == bad - 2 && result.epochs == 1 && log.epochs == 1);
        xent_session_destroy(session);
        xent_dataset_destroy(dataset);
    }
}

/* A finite loss whose update is not: nothing but a look at the weights shows it. */
static void bad_last_update(void) {
    struct toy toy;
    struct xent_error error;
    struct xent_data_spec spec;
    struct xent_dataset *dataset;
    float x[2][TOY_FEATURES] = {{0}, {3e38f, 0, 1}};
    int32_t y[2] = {0, 1};
    const struct xent_scalar_value large[] = {{"lr", 1e3f}, {"momentum", 0}};
    toy_make(&toy, TOY_F32, XENT_REDUCE_MEAN);
    CHECK_OK(xent_data_spec_of(&toy.model, &spec, &error));
    CHECK_OK(xent_dataset_from_memory(&spec, 2, x, y, NULL, &dataset, &error));
    for (int limit = 0; limit < 2; limit++) {
        struct xent_session *session = make_session(&toy.model, 2), *other = make_session(&toy.model, 1);
        float zero[18] = {0}, loss;
        xent_session_set(session, &toy.state[0], zero);
        xent_session_set(other, &toy.state[0], zero);
        struct xent_train_options options = {
            .epochs = limit ? 5 : 1, .batch = 1, .steps = limit ? 2 : 0, .scalars = large, .scalar_count = 2};
        struct xent_train_result result;
        CHECK_ERROR(xent_train(session, dataset, &options, &result, &error), XENT_ERROR_NUMERIC, &error,
                    "l.weight is not finite after step 2");
        CHECK_OK(xent_session_step(other, dataset, (int32_t[]){0}, 1, large, 2, &loss, &error));
        struct state have = state_of(session), want = state_of(other);
        CU_ASSERT(!memcmp(&have, &want, sizeof want));
        CU_ASSERT(result.end == XENT_END_NOT_FINITE && result.bad_step == 2 && result.steps == 1);
        xent_session_destroy(session);
        xent_session_destroy(other);
    }
    xent_dataset_destroy(dataset);
}

/* Targets that are all ignored hide weights that went bad: their loss is 0. The update of step `bad` overflows; losses
 * show nothing until step `shown` (0: never). */
static void hidden(void) {
    static const struct {
        int bad, shown;
    } cases[] = {{1, 0}, {2, 0}, {2, 5}, {100, 0}, {100, 200}, {256, 0}, {257, 300}, {300, 0}, {600, 0}, {600, 640}};
    enum { COUNT = 700 };
    static float x[COUNT][TOY_FEATURES];
    static int32_t y[COUNT];
    const struct xent_scalar_value large[] = {{"lr", 1e3f}, {"momentum", 0}};
    struct toy toy;
    struct xent_error error;
    struct xent_data_spec spec;
    toy_make(&toy, TOY_F32, XENT_REDUCE_MEAN);
    CHECK_OK(xent_data_spec_of(&toy.model, &spec, &error));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int bad = cases[i].bad, shown = cases[i].shown;
        memset(x, 0, sizeof x);
        for (int e = 0; e < COUNT; e++)
            y[e] = e < bad - 1 || e == shown - 1 ? e % 2 * 2 : -100; /* never 1: its gradient stays large */
        x[bad - 1][0] = 3e38f;
        y[bad - 1] = 1;
        struct xent_dataset *dataset;
        CHECK_OK(xent_dataset_from_memory(&spec, COUNT, x, y, NULL, &dataset, &error));
        struct xent_session *session = make_session(&toy.model, 1 + (uint32_t)i % 3);
        struct xent_session *other = make_session(&toy.model, 1);
        float zero[18] = {0}, loss;
        xent_session_set(session, &toy.state[0], zero);
        xent_session_set(other, &toy.state[0], zero);
        struct xent_train_options options = {.epochs = 1, .batch = 1, .scalars = large, .scalar_count = 2};
        struct xent_train_result result;
        char part[64];
        snprintf(part, sizeof part, "l.weight is not finite after step %d (epoch 1)", bad);
        CHECK_ERROR(xent_train(session, dataset, &options, &result, &error), XENT_ERROR_NUMERIC, &error, part);
        for (int32_t s = 0; s < bad - 1; s++)
            CHECK_OK(xent_session_step(other, dataset, &s, 1, large, 2, &loss, &error));
        struct state have = state_of(session), want = state_of(other);
        CU_ASSERT(!memcmp(&have, &want, sizeof want));
        CU_ASSERT(xent_session_is_finite(session, NULL) && xent_session_steps(session) == (uint64_t)bad - 1);
        CU_ASSERT_EQUAL(result.end, XENT_END_NOT_FINITE);
        CU_ASSERT_EQUAL(result.bad_step, (uint64_t)bad);
        CU_ASSERT_EQUAL(result.steps, (uint64_t)bad - 1);
        xent_session_destroy(session);
        xent_session_destroy(other);
        xent_dataset_destroy(dataset);
    }
}

/* No training begins with weights that are not finite, whatever the losses would say. */
static void bad_from_the_start(void) {
    struct toy toy;
    struct xent_error error;
    struct log log = {0};
    toy_make(&toy, TOY_F32, XENT_REDUCE_MEAN);
    struct xent_dataset *dataset = make_dataset(&toy.model);
    struct xent_session *session = make_session(&toy.model, 1);
    float bias[3] = {0, NAN, 0};
    xent_session_set(session, &toy.state[1], bias);
    struct xent_train_options options = options_for(&log, true);
    struct xent_train_result result;
    CHECK_ERROR(xent_train(session, dataset, &options, &result, &error), XENT_ERROR_NUMERIC, &error,
                "l.bias is not finite before the first step");
    CU_ASSERT(result.steps == 0 && log.steps == 0);
    xent_session_destroy(session);
    xent_dataset_destroy(dataset);
}

static void wrong_options(void) {
    struct toy toy;
    struct xent_error error;
    struct log log = {0};
    toy_make(&toy, TOY_F32, XENT_REDUCE_MEAN);
    struct xent_dataset *dataset = make_dataset(&toy.model);
    struct xent_session *session = make_session(&toy.model, 1);
    struct state before = state_of(session);
    struct xent_train_result result;
#define WRONG(change, part)                                                                                            \
    do {                                                                                                               \
        struct xent_train_options options = options_for(&log, true);                                                   \
        change;                                                                                                        \
        CHECK_ERROR(xent_train(session, dataset, &options, &result, &error), XENT_ERROR_ARGUMENT, &error, part);       \
        CU_ASSERT_EQUAL(result.steps, 0);                                                                              \
    } while (0)
    const struct xent_scalar_value nan_rate[] = {{"lr", NAN}, {"momentum", 0}},
                                   infinite[] = {{"lr", 1}, {"momentum", INFINITY}};
    WRONG(options.epochs = 0, "0 epochs");
    WRONG(options.batch = 0, "a batch of 0");
    WRONG(options.batch = EXAMPLES + 1, "a batch of 1298 of 1297 examples");
    WRONG(options.batch = TOY_BATCH + 1, "at most 7");
    WRONG(options.scalars = nan_rate, "lr is nan");
    WRONG(options.scalars = infinite, "momentum is infinite");
    WRONG(options.scalar_count = 1, "needs a value for momentum");
    toy.model.entries = 3;
    WRONG((void)options, "not compiled for training");
#undef WRONG
    struct state after = state_of(session);
    CU_ASSERT(!memcmp(&before, &after, sizeof after));
    CU_ASSERT_EQUAL(log.steps, 0);
    xent_session_destroy(session);
    xent_dataset_destroy(dataset);
}

static void sum_and_probs(void) {
    struct toy toy;
    struct xent_error error;
    struct xent_data_spec spec;
    struct xent_dataset *dataset;
    unsigned char x[3][TOY_FEATURES] = {{255, 0, 0, 9}, {0, 255, 1}, {0, 0, 255}};
    int32_t y[3] = {0, 1, -100};
    toy_make(&toy, TOY_U8, XENT_REDUCE_SUM);
    CHECK_OK(xent_data_spec_of(&toy.model, &spec, &error));
    CHECK_OK(xent_dataset_from_memory(&spec, 3, x, y, NULL, &dataset, &error));
    struct xent_session *session = make_session(&toy.model, 2);
    struct xent_evaluation before;
    CHECK_OK(xent_evaluate(session, dataset, 0, NULL, NULL, &before, &error));
    struct xent_train_options options = {.epochs = 1, .batch = 3, .scalars = scalars, .scalar_count = 2};
    struct xent_train_result result;
    CHECK_OK(xent_train(session, dataset, &options, &result, &error));
    CU_ASSERT_DOUBLE_EQUAL(result.loss, before.loss, 1e-6); /* a sum of two losses in float32 */
    xent_session_destroy(session);
    xent_dataset_destroy(dataset);

    float px[1][TOY_FEATURES] = {{1, 2, 3}}, probs[1][3] = {{0.25f, 0.5f, 0.25f}};
    toy_make(&toy, TOY_PROB, XENT_REDUCE_MEAN);
    CHECK_OK(xent_data_spec_of(&toy.model, &spec, &error));
    CU_ASSERT(spec.target == XENT_TARGET_PROB && spec.classes == 3);
    CHECK_OK(xent_dataset_from_memory(&spec, 1, px, NULL, probs[0], &dataset, &error));
    session = make_session(&toy.model, 1);
    CHECK_OK(xent_evaluate(session, dataset, 0, NULL, NULL, &before, &error));
    CU_ASSERT_EQUAL(before.weight, 1);
    options.batch = 1;
    options.epochs = 200;
    CHECK_OK(xent_train(session, dataset, &options, &result, &error));
    /* the least cross entropy is the entropy of the target, 1.5 log 2 */
    CU_ASSERT_DOUBLE_EQUAL(result.loss, 1.5 * log(2), 1e-3);
    xent_session_destroy(session);
    xent_dataset_destroy(dataset);
}

CU_ErrorCode add_train(void) {
    static const struct case_of cases[] = {{"epochs: bits of single steps, any threads", epochs},
                                           {"ends", ends},
                                           {"a loss that is not finite", bad_losses},
                                           {"in the second epoch", bad_second_epoch},
                                           {"weights that are not finite", bad_last_update},
                                           {"weights that go bad unseen", hidden},
                                           {"weights that are bad at the start", bad_from_the_start},
                                           {"wrong options", wrong_options},
                                           {"sum, u8, probabilities", sum_and_probs}};
    return add_suite("train", cases, sizeof cases / sizeof *cases);
}
