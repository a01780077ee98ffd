/* How wide a run is: on all threads, or on the calling one alone. Every number of threads gives the same bits, so this
 * may be decided by the clock, from run to run. Threads that wait for one that has lost its core to another program are
 * slower than one thread by itself, and so are threads that share too little work; what the runs of a window took on
 * average is held against a window of the other kind. Doubts about all threads come when one of them had to sleep for
 * the others in the middle of a run, and once where a run is short; one thread alone is doubted every now and then,
 * ever more seldom while it stays the faster. */
#include "internal.h"

#include <time.h>

#define WINDOW 6e-3        /* seconds: longer than the slices of time that schedulers deal out */
#define PROBATION 24e-3    /* all threads on trial: a short time without neighbours proves nothing */
#define LONGEST 2.0        /* between two trials of one thread alone */
#define LONGEST_ALONE 0.25 /* between two trials of all threads, or so many runs: neighbours come and go */
#define RUNS_ALONE 16
#define SHORT_RUN 500e-6

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static double doubled(double seconds) {
    return seconds < LONGEST / 2 ? 2 * seconds : LONGEST;
}

void rt_pace_init(struct rt_pace *pace) {
    *pace = (struct rt_pace){.alone_for = 2 * WINDOW, .wide_for = 2 * WINDOW};
}

/* The other kind from now on; `trial`: until it is known which is better. */
static void change(struct rt_pace *pace, bool trial) {
    pace->alone = !pace->alone;
    pace->trial = trial;
}

static void next_window(struct rt_pace *pace) {
    pace->seconds = 0;
    pace->runs = 0;
    pace->slept = false;
}

static void judge_trial(struct rt_pace *pace, double mean) {
    bool better = mean < pace->challenged;
    if (!pace->alone && better && pace->seconds < PROBATION)
        return; /* the window goes on */
    pace->trial = false;
    if (pace->alone == better) {
        double limit = RUNS_ALONE * (pace->alone ? mean : pace->challenged);
        limit = limit > LONGEST_ALONE ? limit : LONGEST_ALONE;
        pace->alone_for = 2 * pace->alone_for < limit ? 2 * pace->alone_for : limit;
    }
    if (pace->alone && !better)
        pace->wide_for = doubled(pace->wide_for);
    if (!better)
        change(pace, false);
    pace->age = 0;
    next_window(pace);
}

static void judge(struct rt_pace *pace, double mean) {
    bool doubt = pace->alone ? pace->age >= pace->alone_for
                             : pace->age >= pace->wide_for && (pace->slept || (!pace->short_tried && mean < SHORT_RUN));
    if (!pace->alone && !pace->slept && pace->alone_for > 2 * WINDOW)
        pace->alone_for *= 0.9; /* the neighbours seem to have left */
    if (doubt) {
        pace->short_tried = true;
        pace->challenged = mean;
        change(pace, true);
    }
    next_window(pace);
}

void rt_pace_add(struct rt_pace *pace, double seconds, bool slept) {
    pace->seconds += seconds;
    pace->age += seconds;
    pace->slept |= slept;
    pace->runs++;
    if (pace->seconds < WINDOW)
        return;
    double mean = pace->seconds / pace->runs;
    if (pace->trial)
        judge_trial(pace, mean);
    else
        judge(pace, mean);
}

void rt_pace_begin(struct rt_pace *pace) {
    pace->started = now();
}

/* Asked after runs of one thread too: those who had no part in them slept, and that means nothing. */
void rt_pace_end(struct rt_pace *pace, struct xent_pool *pool) {
    bool slept = rt_pool_slept(pool);
    rt_pace_add(pace, now() - pace->started, slept && !pace->alone);
}
