/* A session: one compiled model, its arena (parameters, optimizer state, scratch) and a pool of threads.
 *
 * A session belongs to one thread at a time; the model and the data sets may be shared by several sessions. Everything
 * is allocated when the session is made: running allocates nothing. */
#ifndef XENT_SESSION_H
#define XENT_SESSION_H

#include "data.h"
#include "model.h"
#include "pool.h"

#ifdef __cplusplus
extern "C" {
#endif

struct xent_session;

struct xent_session_options {
    uint32_t threads; /* at most; 0: the cores that this process may use. No more than those are started. A run takes
                       * fewer where that is faster: the results are the same. */
};

/* A scalar of an entry by its name ("lr", "momentum", "dampening", "weight_decay"). */
struct xent_scalar_value {
    const char *name;
    float value;
};

/* The model must outlive the session. Its tensors are checked against the arena. All state starts as zero: call
 * xent_session_init or load parameters (checkpoint.h). `options` may be NULL. */
XENT_API enum xent_status xent_session_create(const struct xent_model *model,
                                              const struct xent_session_options *options, struct xent_session **out,
                                              struct xent_error *error);
XENT_API void xent_session_destroy(struct xent_session *session); /* NULL is allowed */

XENT_API const struct xent_model *xent_session_model(const struct xent_session *session);
XENT_API uint32_t xent_session_threads(const struct xent_session *session);

/* Entry or state tensor of a model by name; the first tensor of an entry with this role. NULL: there is none. */
XENT_API const struct xent_entry *xent_model_entry(const struct xent_model *model, const char *name);
XENT_API const struct xent_tensor *xent_model_state(const struct xent_model *model, const char *name);
XENT_API const struct xent_tensor *xent_entry_tensor(const struct xent_entry *entry, enum xent_role role);
/* Number of elements of a tensor (1 for rank 0). */
XENT_API uint64_t xent_tensor_elements(const struct xent_tensor *tensor);

/* Draws all parameters: uniform in [-init_bound, init_bound) from (seed, init_stream, element), see random.h. The
 * optimizer's state becomes zero and the next step is a first step. */
XENT_API void xent_session_init(struct xent_session *session, uint64_t seed);
/* The optimizer's state becomes zero and the next step is a first step. */
XENT_API void xent_session_reset_optimizer(struct xent_session *session);

/* A state tensor (f32) as dense row-major values, xent_tensor_elements of them. */
XENT_API void xent_session_get(const struct xent_session *session, const struct xent_tensor *tensor, float *out);
XENT_API void xent_session_set(struct xent_session *session, const struct xent_tensor *tensor, const float *values);
/* Whether all parameters and optimizer state are finite; if not, `out_tensor` (may be NULL) is the first that
 * is not. */
XENT_API bool xent_session_is_finite(const struct xent_session *session, const struct xent_tensor **out_tensor);

/* Steps that have been taken since the optimizer's state was zero. */
XENT_API uint64_t xent_session_steps(const struct xent_session *session);

/* One training step on the examples pick[0..live), 1 <= live <= batch of the entry "step". `scalars` names a value for
 * each scalar of the entry but "live" and "first", no more and no less. *out_loss: loss before the update. A loss that
 * is not finite is no error here (xent_train makes it one). */
XENT_API enum xent_status xent_session_step(struct xent_session *session, const struct xent_dataset *dataset,
                                            const int32_t *pick, uint32_t live,
                                            const struct xent_scalar_value *scalars, uint32_t scalar_count,
                                            float *out_loss, struct xent_error *error);

/* One call of another entry ("forward", "eval", "gradient") on the examples pick[0..live). Its tensors can then be read
 * until the session runs again. */
XENT_API enum xent_status xent_session_run(struct xent_session *session, const struct xent_entry *entry,
                                           const struct xent_dataset *dataset, const int32_t *pick, uint32_t live,
                                           struct xent_error *error);

/* Lane `lane` of an entry's tensor [N, ...] as dense row-major values: xent_lane_elements of them. */
XENT_API uint64_t xent_lane_elements(const struct xent_tensor *tensor);
XENT_API void xent_session_read(const struct xent_session *session, const struct xent_tensor *tensor, uint32_t lane,
                                float *out);
XENT_API void xent_session_read_i32(const struct xent_session *session, const struct xent_tensor *tensor,
                                    uint32_t lane, int32_t *out);

/* Softmax of `count` logits in double, stable for logits of any finite size; NaN where a logit is NaN. */
XENT_API void xent_softmax(const float *logits, uint32_t count, double *out);

/* --- Passes over a whole data set, in example order. --- */

/* One example within a pass. Where the pass was made by xent_evaluate, loss, weight and correct are set. */
struct xent_example {
    uint64_t index; /* in the data set */
    uint32_t lane;  /* for xent_session_read, with the tensors of `entry` */
    const struct xent_entry *entry;
    double loss;   /* of this example alone, not divided */
    double weight; /* what it adds to the divisor of the reduction `mean` */
    int correct;   /* 1 or 0; -1 where the model has no metric or the target is ignored */
};

/* Called on the caller's thread, in example order, while the pool waits: it may read the session's tensors, but neither
 * run the session nor change it. Nonzero ends the pass early. */
typedef int (*xent_example_fn)(void *context, const struct xent_session *session, const struct xent_example *example);

/* Runs an entry over all examples, `batch` at a time (0: the entry's own; larger ones are served in pieces of the
 * entry's). Batches do not change a digit. The entry "gradient" gives per example the gradient of the summed loss;
 * that of a split's loss under `mean` is this divided by xent_evaluation.weight. */
XENT_API enum xent_status xent_session_each(struct xent_session *session, const struct xent_entry *entry,
                                            const struct xent_dataset *dataset, uint32_t batch, xent_example_fn visit,
                                            void *context, struct xent_error *error);

struct xent_evaluation {
    uint64_t examples;
    double sum;      /* of the examples' losses, added in double in example order */
    double weight;   /* divisor of `mean`: the summed weight of class targets that are not ignored; with prob targets
                        the number of examples */
    double loss;     /* of the split under the model's reduction: mean: sum / weight (0 where weight is 0); sum and
                        none: sum, for the gradient of `none` is that of the sum, too */
    bool has_accuracy;
    uint64_t counted; /* examples whose target is not ignored: ignored ones are neither right nor wrong */
    uint64_t correct;
    double accuracy; /* correct / counted; 0 where counted is 0 */
};

/* The model's loss and metric over a data set through the entry "eval". `visit` may be NULL. */
XENT_API enum xent_status xent_evaluate(struct xent_session *session, const struct xent_dataset *dataset,
                                        uint32_t batch, xent_example_fn visit, void *context,
                                        struct xent_evaluation *out, struct xent_error *error);

#ifdef __cplusplus
}
#endif
#endif
