/* The trainer: epochs of steps over a data set.
 *
 * All threads run a whole epoch side by side and meet at the pool's barrier; between two steps thread 0 (the caller's)
 * reads the loss, calls back and picks the next examples. Nothing allocates inside a step. */
#ifndef XENT_TRAIN_H
#define XENT_TRAIN_H

#include "session.h"

#include <signal.h>

#ifdef __cplusplus
extern "C" {
#endif

struct xent_step_report {
    uint64_t step;      /* from 1, over all epochs of this training */
    uint32_t epoch;     /* from 1 */
    uint64_t batch;     /* from 1, within the epoch */
    uint64_t batches;   /* of a whole epoch */
    uint32_t examples;  /* in this batch: the last of an epoch may be short */
    float loss;         /* of this batch before its update */
    double seconds;     /* training time so far, without what callbacks of epochs took */
};

struct xent_log_report {
    uint32_t epoch;
    uint64_t batch; /* a multiple of log_every, within the epoch */
    double loss;    /* mean over the last log_every batches of their losses */
};

struct xent_epoch_report {
    uint32_t epoch;           /* from 1 */
    uint64_t steps;           /* taken so far */
    uint64_t examples;        /* of this epoch */
    double loss;              /* reduction mean: mean of the batches' losses weighted by their numbers of examples; sum
                                 and none: their sum */
    double seconds;           /* of this epoch's training alone */
    double examples_per_second;
};

struct xent_train_options {
    uint32_t epochs; /* at least 1 */
    uint32_t batch;  /* 1 .. batch of the entry "step", and not more than there are examples */
    bool shuffle;    /* a new order each epoch from (seed, epoch); else the order of the data set */
    uint64_t seed;
    uint64_t steps;     /* stop after so many steps; 0: no limit */
    uint32_t log_every; /* batches; 0: never */
    const struct xent_scalar_value *scalars; /* all of the entry "step" but "live" and "first": finite values */
    uint32_t scalar_count;

    /* Any may be NULL. All run on the caller's thread. on_step and on_log run while the pool waits and must not use the
     * session; on_epoch runs after each whole epoch (not where training ended in it, by `stop` or `steps`) and may, to
     * evaluate and to save, but must not change the state. */
    void (*on_step)(void *context, const struct xent_step_report *report);
    void (*on_log)(void *context, const struct xent_log_report *report);
    void (*on_epoch)(void *context, const struct xent_epoch_report *report);
    void *context;
    const volatile sig_atomic_t *stop; /* may be NULL; read before each step: nonzero ends the training cleanly */
};

enum xent_train_end { XENT_END_EPOCHS, XENT_END_STEPS, XENT_END_STOPPED, XENT_END_NOT_FINITE };

struct xent_train_result {
    enum xent_train_end end;
    uint64_t steps;    /* updates that the session's weights have seen */
    uint32_t epochs;   /* whole ones */
    float loss;        /* of the last step whose loss was finite; 0 before any */
    double seconds;    /* as in xent_step_report */
    uint64_t bad_step; /* XENT_END_NOT_FINITE: the step whose loss, or whose update, was not finite */
};

/* Trains. Everything that can be wrong is found before the first update.
 *
 * A loss that is NaN or infinite in step s ends the training with XENT_ERROR_NUMERIC; the session then holds the last
 * weights that are known to be good, those that gave the finite loss of step s - 1: the weights after s - 2 updates
 * (before any update if s is 1 or 2). Likewise when a weight is not finite after the last step of an epoch or of the
 * training, or after a multiple of 256 steps: then the weights before the update that made it so, which the message
 * names. A finite loss does not vouch for its weights (that of ignored targets alone is 0): whatever ends the training,
 * the weights that are left are looked at and are all finite. They are found again, to the bit, by taking the last
 * snapshot of the state and repeating the steps since: a snapshot every 256 steps costs far less than one per cent.
 * Weights that are not finite before the first step are an XENT_ERROR_NUMERIC, too.
 *
 * `out` is always filled, after an error too (zeroes where training had not begun); it may be NULL. */
XENT_API enum xent_status xent_train(struct xent_session *session, const struct xent_dataset *dataset,
                                     const struct xent_train_options *options, struct xent_train_result *out,
                                     struct xent_error *error);

#ifdef __cplusplus
}
#endif
#endif
