/* Passes over a whole data set: all threads run one batch after the other, thread 0 reads the examples in between. */
#include "internal.h"

#include <inttypes.h>
#include <math.h>

struct pass {
    struct xent_session *session;
    struct rt_bound bound;
    const struct xent_dataset *dataset;
    uint32_t batch, live;
    uint64_t at; /* first example of the current batch */
    xent_example_fn visit;
    void *context;
    bool done; /* written by thread 0 between two barriers */
};

static void next_batch(struct pass *pass) {
    pass->at += pass->live;
    uint64_t left = pass->dataset->examples - pass->at;
    pass->live = left < pass->batch ? (uint32_t)left : pass->batch;
    if (!pass->live)
        pass->done = true;
    if (!pass->done)
        rt_set_batch(pass->session, &pass->bound, NULL, pass->at, pass->live);
}

static void visit_batch(struct pass *pass) {
    for (uint32_t lane = 0; lane < pass->live && !pass->done; lane++) {
        struct xent_example example = {
            .index = pass->at + lane, .lane = lane, .entry = pass->bound.entry, .correct = -1};
        pass->done = pass->visit(pass->context, pass->session, &example) != 0;
    }
}

/* Batches that are thread 0's alone, as the trainer has steps. */
static void batches_alone(struct pass *pass, struct rt_pace *pace) {
    while (!pass->done && pace->alone) {
        rt_pace_begin(pace);
        pass->bound.entry->run(pass->bound.entry, &pass->bound.call, 0, 1);
        rt_pace_end(pace, pass->session->pool);
        visit_batch(pass);
        next_batch(pass);
    }
    rt_pace_begin(pace);
}

static void pass_body(void *context, uint32_t thread, uint32_t threads) {
    struct pass *pass = context;
    const struct xent_entry *entry = pass->bound.entry;
    struct rt_pace *pace = rt_pace_of(pass->session, entry);
    for (;;) {
        if (thread == 0) {
            next_batch(pass);
            batches_alone(pass, pace);
        }
        xent_pool_barrier(pass->session->pool, thread);
        if (pass->done)
            return;
        entry->run(entry, &pass->bound.call, thread, threads);
        xent_pool_barrier(pass->session->pool, thread);
        if (thread == 0) {
            rt_pace_end(pace, pass->session->pool);
            visit_batch(pass);
        }
    }
}

enum xent_status xent_session_each(struct xent_session *session, const struct xent_entry *entry,
                                   const struct xent_dataset *dataset, uint32_t batch, xent_example_fn visit,
                                   void *context, struct xent_error *error) {
    struct pass pass = {.session = session, .dataset = dataset, .visit = visit, .context = context};
    pass.batch = batch && batch < entry->batch ? batch : entry->batch;
    enum xent_status status = rt_bind(session, entry, dataset, NULL, 0, &pass.bound, error);
    if (status)
        return status;
    xent_pool_run(session->pool, pass_body, &pass);
    return XENT_OK;
}

struct evaluation {
    const struct xent_dataset *dataset;
    const struct xent_tensor *loss, *weight, *metric;
    xent_example_fn visit;
    void *context;
    struct xent_evaluation *out;
};

static int add_example(void *context, const struct xent_session *session, const struct xent_example *seen) {
    struct evaluation *evaluation = context;
    struct xent_evaluation *out = evaluation->out;
    struct xent_example example = *seen;
    float loss, weight = 1;
    xent_session_read(session, evaluation->loss, example.lane, &loss);
    if (evaluation->weight)
        xent_session_read(session, evaluation->weight, example.lane, &weight);
    example.loss = loss;
    example.weight = weight;
    const int32_t *classes = evaluation->dataset->classes;
    bool ignored = classes && classes[example.index] == evaluation->dataset->spec.ignore_index;
    if (evaluation->metric && !ignored) {
        int32_t counts;
        xent_session_read_i32(session, evaluation->metric, example.lane, &counts);
        example.correct = counts != 0;
        out->correct += (uint64_t)example.correct;
    }
    out->examples++;
    out->sum += example.loss;
    out->weight += example.weight;
    out->counted += !ignored;
    return evaluation->visit ? evaluation->visit(evaluation->context, session, &example) : 0;
}

enum xent_status xent_evaluate(struct xent_session *session, const struct xent_dataset *dataset, uint32_t batch,
                               xent_example_fn visit, void *context, struct xent_evaluation *out,
                               struct xent_error *error) {
    const struct xent_model *model = session->model;
    const struct xent_entry *entry = xent_model_entry(model, "eval");
    *out = (struct xent_evaluation){0};
    struct evaluation evaluation = {.dataset = dataset, .visit = visit, .context = context, .out = out};
    evaluation.loss = entry ? xent_entry_tensor(entry, XENT_ROLE_EXAMPLE_LOSS) : NULL;
    if (!evaluation.loss)
        return rt_fail(error, XENT_ERROR_ARGUMENT, "model %s has no loss to evaluate", model->name);
    evaluation.weight = xent_entry_tensor(entry, XENT_ROLE_EXAMPLE_WEIGHT);
    evaluation.metric = xent_entry_tensor(entry, XENT_ROLE_METRIC);
    enum xent_status status = xent_session_each(session, entry, dataset, batch, add_example, &evaluation, error);
    if (status)
        return status;
    bool mean = model->reduction == XENT_REDUCE_MEAN;
    out->loss = !mean ? out->sum : out->weight != 0 ? out->sum / out->weight : 0;
    out->has_accuracy = evaluation.metric != NULL;
    out->accuracy = out->counted ? (double)out->correct / (double)out->counted : 0;
    return XENT_OK;
}

void xent_softmax(const float *logits, uint32_t count, double *out) {
    double top = -INFINITY, sum = 0;
    for (uint32_t c = 0; c < count; c++)
        if (isnan(logits[c]) || logits[c] > top)
            top = logits[c];
    for (uint32_t c = 0; c < count; c++)
        sum += out[c] = exp(logits[c] - top);
    for (uint32_t c = 0; c < count; c++)
        out[c] /= sum;
}
