/* The trainer. Every thread runs train_body; what thread 0 writes between two barriers (the plan) the others read after
 * the second. Snapshots of the state alternate between two buffers, so that one is always older than the newest step
 * whose loss is known: from there the last good weights are found again by repeating steps. No snapshot is taken of a
 * state that is not finite. */
#include "internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SNAPSHOT_EVERY = 256 };

struct snapshot {
    char *state;
    uint64_t steps, session_steps;
    bool taken;
};

struct trainer {
    struct xent_session *session;
    const struct xent_dataset *dataset;
    const struct xent_train_options *options;
    const struct xent_tensor *loss;
    struct rt_bound bound;
    int32_t *order; /* of epoch `order_epoch` */
    uint32_t order_epoch;
    uint64_t batches; /* of an epoch */
    struct snapshot snapshot[2];

    uint64_t steps;   /* taken: the weights' number of updates */
    uint64_t until;   /* stop when so many are taken */
    bool repeating;   /* no callbacks, no snapshots: these steps were taken before */
    uint32_t epoch;   /* from 0 */
    uint32_t live;    /* of the current batch */
    bool done, ended; /* ended: by stop, limit or loss, not by the end of the epoch */
    struct snapshot *into; /* where the state goes before the current step; NULL: nowhere */

    double epoch_start, seconds, epoch_sum, log_sum;
    struct xent_train_result *result;
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* --- One step --- */

/* The examples of step `steps` (from 0), a pure function of the options. */
static void set_step(struct trainer *trainer) {
    const struct xent_train_options *options = trainer->options;
    uint64_t examples = trainer->dataset->examples, batch = trainer->steps % trainer->batches;
    uint32_t epoch = (uint32_t)(trainer->steps / trainer->batches);
    if (options->shuffle && trainer->order_epoch != epoch) {
        xent_shuffle(options->seed, epoch, trainer->order, (uint32_t)examples);
        trainer->order_epoch = epoch;
    }
    uint64_t from = batch * options->batch, left = examples - from;
    trainer->live = left < options->batch ? (uint32_t)left : options->batch;
    rt_set_batch(trainer->session, &trainer->bound, options->shuffle ? trainer->order + from : NULL, from,
                 trainer->live);
}

static void plan(struct trainer *trainer) {
    const struct xent_train_options *options = trainer->options;
    trainer->into = NULL;
    if (!trainer->repeating && options->stop && *options->stop) {
        trainer->result->end = XENT_END_STOPPED;
        trainer->ended = true;
    }
    trainer->done = trainer->done || trainer->ended || trainer->steps == trainer->until;
    if (trainer->done)
        return;
    if (!trainer->repeating && trainer->steps % SNAPSHOT_EVERY == 0) {
        if (!xent_session_is_finite(trainer->session, NULL)) {
            trainer->done = trainer->ended = true; /* check_state says why */
            return;
        }
        trainer->into = &trainer->snapshot[trainer->steps / SNAPSHOT_EVERY % 2];
        trainer->into->steps = trainer->steps;
        trainer->into->session_steps = trainer->session->steps;
        trainer->into->taken = true;
    }
    set_step(trainer);
}

static void report(struct trainer *trainer, float loss) {
    const struct xent_train_options *options = trainer->options;
    uint64_t batch = (trainer->steps - 1) % trainer->batches + 1;
    bool mean = trainer->session->model->reduction == XENT_REDUCE_MEAN;
    trainer->epoch_sum += mean ? (double)loss * trainer->live : loss;
    trainer->log_sum += loss;
    if (options->on_step) {
        struct xent_step_report step = {.step = trainer->steps, .epoch = trainer->epoch + 1, .batch = batch,
                                        .batches = trainer->batches, .examples = trainer->live, .loss = loss,
                                        .seconds = trainer->seconds + (now() - trainer->epoch_start)};
        options->on_step(options->context, &step);
    }
    if (options->log_every && batch % options->log_every == 0) {
        struct xent_log_report log = {trainer->epoch + 1, batch, trainer->log_sum / options->log_every};
        trainer->log_sum = 0;
        if (options->on_log)
            options->on_log(options->context, &log);
    }
}

static void finish_step(struct trainer *trainer) {
    trainer->steps++;
    trainer->session->steps++;
    if (trainer->repeating)
        return;
    float loss;
    xent_session_get(trainer->session, trainer->loss, &loss);
    if (isfinite(loss)) {
        trainer->result->loss = loss;
        report(trainer, loss);
        return;
    }
    trainer->result->end = XENT_END_NOT_FINITE;
    trainer->result->bad_step = trainer->steps;
    trainer->ended = true;
}

/* Each thread copies its share, in cache lines. */
static void copy_state(const struct trainer *trainer, uint32_t thread, uint32_t threads) {
    uint64_t lines = (trainer->session->state_bytes + 63) / 64;
    uint64_t from = lines * thread / threads * 64, to = lines * (thread + 1) / threads * 64;
    if (to > trainer->session->state_bytes)
        to = trainer->session->state_bytes;
    if (from < to)
        memcpy(trainer->into->state + from, trainer->session->arena + from, to - from);
}

/* Steps that are thread 0's alone, until one is for all threads: the others sleep in the barrier behind this. */
static void step_alone(struct trainer *trainer, struct rt_pace *pace) {
    const struct xent_entry *entry = trainer->bound.entry;
    while (!trainer->done && pace->alone) {
        rt_pace_begin(pace);
        if (trainer->into)
            copy_state(trainer, 0, 1);
        entry->run(entry, &trainer->bound.call, 0, 1);
        rt_pace_end(pace, trainer->session->pool);
        finish_step(trainer);
        plan(trainer);
    }
    rt_pace_begin(pace);
}

static void train_body(void *context, uint32_t thread, uint32_t threads) {
    struct trainer *trainer = context;
    void *pool = trainer->session->pool;
    const struct xent_entry *entry = trainer->bound.entry;
    struct rt_pace *pace = rt_pace_of(trainer->session, entry);
    for (;;) {
        if (thread == 0) {
            plan(trainer);
            step_alone(trainer, pace);
        }
        xent_pool_barrier(pool, thread);
        if (trainer->done)
            return;
        if (trainer->into) {
            copy_state(trainer, thread, threads);
            xent_pool_barrier(pool, thread);
        }
        entry->run(entry, &trainer->bound.call, thread, threads);
        xent_pool_barrier(pool, thread);
        if (thread == 0) {
            rt_pace_end(pace, pool);
            finish_step(trainer);
        }
    }
}

static void take_steps(struct trainer *trainer, uint64_t until) {
    trainer->until = until;
    trainer->done = false;
    xent_pool_run(trainer->session->pool, train_body, trainer);
}

/* --- Going back --- */

/* The newest snapshot that is not younger than `steps` updates. */
static void restore(struct trainer *trainer, uint64_t steps) {
    const struct snapshot *best = NULL;
    for (int i = 0; i < 2; i++) {
        const struct snapshot *snapshot = &trainer->snapshot[i];
        if (snapshot->taken && snapshot->steps <= steps && (!best || snapshot->steps > best->steps))
            best = snapshot;
    }
    memcpy(trainer->session->arena, best->state, trainer->session->state_bytes);
    trainer->steps = best->steps;
    trainer->session->steps = best->session_steps;
    trainer->repeating = true;
    trainer->ended = false;
}

/* The state after `steps` updates or, where an update before made a weight bad, the one before that update; which
 * tensor it was then, NULL otherwise. Losses do not tell: that of ignored targets alone is 0 whatever the weights. */
static const struct xent_tensor *go_back(struct trainer *trainer, uint64_t steps) {
    const struct xent_tensor *broken = NULL;
    restore(trainer, steps);
    while (trainer->steps < steps) {
        take_steps(trainer, trainer->steps + 1);
        if (xent_session_is_finite(trainer->session, &broken))
            continue;
        uint64_t good = trainer->steps - 1;
        restore(trainer, good);
        take_steps(trainer, good);
        return broken;
    }
    return NULL;
}

static enum xent_status fail_update(const struct trainer *trainer, const struct xent_tensor *tensor,
                                    struct xent_error *error) {
    uint64_t good = trainer->steps, bad = good + 1;
    trainer->result->end = XENT_END_NOT_FINITE;
    trainer->result->bad_step = bad;
    return rt_fail(error, XENT_ERROR_NUMERIC,
                   "%s is not finite after step %" PRIu64 " (epoch %" PRIu64
                   "); the weights are again those after %" PRIu64 " update%s",
                   tensor->name, bad, (bad - 1) / trainer->batches + 1, good, good == 1 ? "" : "s");
}

static enum xent_status fail_loss(struct trainer *trainer, struct xent_error *error) {
    float loss;
    uint64_t bad = trainer->result->bad_step, good = bad < 2 ? 0 : bad - 2;
    xent_session_get(trainer->session, trainer->loss, &loss);
    const struct xent_tensor *broken = go_back(trainer, good);
    if (broken)
        return fail_update(trainer, broken, error);
    return rt_fail(error, XENT_ERROR_NUMERIC,
                   "the loss is %s in step %" PRIu64 " (epoch %" PRIu64 "); the weights are again those after %" PRIu64
                   " update%s, the last ones known to be good",
                   isnan(loss) ? "nan" : loss > 0 ? "inf" : "-inf", bad, (bad - 1) / trainer->batches + 1, good,
                   good == 1 ? "" : "s");
}

/* After the last step of an epoch, and where a snapshot was due: no later loss may come to show that weights
 * went bad. */
static enum xent_status check_state(struct trainer *trainer, struct xent_error *error) {
    const struct xent_tensor *tensor;
    if (trainer->steps == 0 || xent_session_is_finite(trainer->session, &tensor))
        return XENT_OK;
    const struct xent_tensor *earlier = go_back(trainer, trainer->steps - 1);
    return fail_update(trainer, earlier ? earlier : tensor, error);
}

/* --- Epochs --- */

static enum xent_status run_epoch(struct trainer *trainer, struct xent_error *error) {
    const struct xent_train_options *options = trainer->options;
    uint64_t end = (trainer->epoch + (uint64_t)1) * trainer->batches, until = end;
    if (options->steps && options->steps <= until)
        until = options->steps;
    trainer->epoch_sum = trainer->log_sum = 0;
    trainer->epoch_start = now();
    take_steps(trainer, until);
    double seconds = now() - trainer->epoch_start;
    trainer->seconds += seconds;
    if (trainer->result->end == XENT_END_NOT_FINITE)
        return fail_loss(trainer, error);
    enum xent_status status = check_state(trainer, error);
    if (status || trainer->steps < end) {
        trainer->ended = true;
    } else {
        trainer->result->epochs++;
    }
    if (!status && !trainer->ended && !(options->steps && trainer->steps == options->steps) && options->on_epoch) {
        bool mean = trainer->session->model->reduction == XENT_REDUCE_MEAN;
        double examples = (double)trainer->dataset->examples;
        struct xent_epoch_report epoch = {.epoch = trainer->epoch + 1, .steps = trainer->steps,
                                          .examples = trainer->dataset->examples,
                                          .loss = mean ? trainer->epoch_sum / examples : trainer->epoch_sum,
                                          .seconds = seconds,
                                          .examples_per_second = seconds > 0 ? examples / seconds : 0};
        options->on_epoch(options->context, &epoch);
    }
    return status;
}

static enum xent_status check_options(const struct trainer *trainer, const struct xent_entry *entry,
                                      struct xent_error *error) {
    const struct xent_train_options *options = trainer->options;
    if (!options->epochs)
        return rt_fail(error, XENT_ERROR_ARGUMENT, "0 epochs: there is nothing to train");
    if (!options->batch || options->batch > trainer->dataset->examples)
        return rt_fail(error, XENT_ERROR_ARGUMENT, "%s: a batch of %" PRIu32 " of %" PRIu64 " examples",
                       trainer->dataset->origin, options->batch, trainer->dataset->examples);
    if (options->batch > entry->batch)
        return rt_fail(error, XENT_ERROR_ARGUMENT,
                       "a batch of %" PRIu32 ", but the model was compiled for at most %" PRIu32, options->batch,
                       entry->batch);
    for (uint32_t i = 0; i < options->scalar_count; i++)
        if (!isfinite(options->scalars[i].value))
            return rt_fail(error, XENT_ERROR_ARGUMENT, "%s is %s", options->scalars[i].name,
                           isnan(options->scalars[i].value) ? "nan" : "infinite");
    return XENT_OK;
}

/* All that training needs, touched once so that no step meets a fresh page. */
static enum xent_status allocate(struct trainer *trainer, struct xent_error *error) {
    uint64_t order_bytes = trainer->dataset->examples * sizeof *trainer->order;
    if (trainer->options->shuffle) {
        trainer->order = malloc(order_bytes);
        if (!trainer->order)
            return rt_fail_memory(error, "the order of the examples", order_bytes);
    }
    for (int i = 0; i < 2; i++) {
        uint64_t bytes = trainer->session->state_bytes;
        trainer->snapshot[i].state = malloc(bytes ? bytes : 1);
        if (!trainer->snapshot[i].state)
            return rt_fail_memory(error, "a copy of the weights", bytes);
        if (trainer->options->steps == 0 || trainer->options->steps > (uint64_t)i * SNAPSHOT_EVERY)
            memset(trainer->snapshot[i].state, 0, bytes);
    }
    return XENT_OK;
}

static enum xent_status prepare(struct trainer *trainer, struct xent_error *error) {
    const struct xent_model *model = trainer->session->model;
    const struct xent_train_options *options = trainer->options;
    const struct xent_entry *entry = xent_model_entry(model, "step");
    trainer->loss = entry ? xent_entry_tensor(entry, XENT_ROLE_LOSS) : NULL;
    if (!trainer->loss)
        return rt_fail(error, XENT_ERROR_ARGUMENT, "model %s was not compiled for training", model->name);
    enum xent_status status = check_options(trainer, entry, error);
    if (status || (status = rt_bind(trainer->session, entry, trainer->dataset, options->scalars,
                                    options->scalar_count, &trainer->bound, error)))
        return status;
    const struct xent_tensor *broken;
    if (!xent_session_is_finite(trainer->session, &broken))
        return rt_fail(error, XENT_ERROR_NUMERIC, "%s is not finite before the first step", broken->name);
    trainer->batches = (trainer->dataset->examples + options->batch - 1) / options->batch;
    trainer->order_epoch = UINT32_MAX;
    return allocate(trainer, error);
}

enum xent_status xent_train(struct xent_session *session, const struct xent_dataset *dataset,
                            const struct xent_train_options *options, struct xent_train_result *out,
                            struct xent_error *error) {
    struct xent_train_result result = {0};
    struct trainer trainer = {.session = session, .dataset = dataset, .options = options, .result = &result};
    enum xent_status status = prepare(&trainer, error);
    while (!status && !trainer.ended && trainer.epoch < options->epochs) {
        status = run_epoch(&trainer, error);
        if (options->steps && trainer.steps == options->steps)
            trainer.ended = true;
        trainer.epoch++;
    }
    if (!status && result.end == XENT_END_EPOCHS && options->steps && trainer.steps == options->steps)
        result.end = XENT_END_STEPS;
    result.steps = trainer.steps;
    result.seconds = trainer.seconds;
    if (out)
        *out = result;
    free(trainer.order);
    free(trainer.snapshot[0].state);
    free(trainer.snapshot[1].state);
    return status;
}
