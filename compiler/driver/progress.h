/* What `xentc train` tells while it runs: a live line on a terminal, plain lines, JSON lines, and the step log. */
#ifndef XENT_DRIVER_PROGRESS_H
#define XENT_DRIVER_PROGRESS_H

#include <xent/output.h>
#include <xent/train.h>

#include <stdbool.h>

enum progress_mode { PROGRESS_PLAIN, PROGRESS_LIVE, PROGRESS_JSON, PROGRESS_QUIET };

struct progress {
    enum progress_mode mode;
    uint32_t epochs;
    uint64_t steps; /* of the whole training */
    uint64_t examples_seen;
    double drawn;   /* training seconds when the live line was drawn last */
    bool line;      /* a live line stands on the terminal */
    struct xent_output *log; /* NULL: no step log */
    bool log_failed, output_failed; /* output: the JSON lines' */
    struct xent_error log_error;
};

/* PLAIN, or LIVE where standard output is a terminal that can move its cursor. */
enum progress_mode progress_mode(bool quiet, bool json);
void progress_step(struct progress *progress, const struct xent_step_report *report);
void progress_log(struct progress *progress, const struct xent_log_report *report);
/* `test` is NULL where there is no test set. */
void progress_epoch(struct progress *progress, const struct xent_epoch_report *report,
                    const struct xent_evaluation *test);
/* Takes the live line away, so that something else can be printed. */
void progress_clear(struct progress *progress);

#endif
