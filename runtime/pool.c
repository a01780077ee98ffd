/* The pool: one flag line per thread. To meet, a thread writes the number of the meeting to its own line. A few threads
 * wait for each other's lines, one transfer of a cache line; of many threads, thread 0 alone waits for all lines and
 * writes its own last, for which the others wait. A start and an end of a run are meetings like any other. */
#include "internal.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* In a run the others are about to come: sleeping costs more than a millisecond is worth, unless they have lost their
 * cores. Between runs nobody knows. */
enum { CACHE_LINE = 64, FEW_THREADS = 4, RUN_MICROSECONDS = 1000, IDLE_MICROSECONDS = 100, SPIN_CROWDED = 16 };

struct line {
    _Alignas(CACHE_LINE) _Atomic uint32_t meeting;
    _Atomic uint32_t sleepers;
};

struct worker {
    struct xent_pool *pool;
    pthread_t thread;
    uint32_t number;
};

struct xent_pool {
    struct line line[XENT_MAX_THREADS];
    uint32_t threads, run_spin, idle_spin;
    xent_pool_body body;
    void *context;
    bool quit;
    _Alignas(CACHE_LINE) atomic_bool slept; /* in a barrier of a run */
    struct worker worker[XENT_MAX_THREADS];
};

/* --- Cores --- */

static uint32_t affinity_cores(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        return online > 0 ? (uint32_t)online : 1;
    }
    int count = CPU_COUNT(&set);
    return count > 0 ? (uint32_t)count : 1;
}

static bool read_line(const char *path, char *text, size_t size) {
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool read = fgets(text, (int)size, file) != NULL;
    fclose(file);
    return read;
}

/* Whole cores of the cgroup's quota: v2's cpu.max ("max 100000" or "150000 100000"), else v1's two files. */
static uint32_t quota_cores(void) {
    char text[64], period_text[64];
    long long quota = -1, period = 0;
    if (read_line("/sys/fs/cgroup/cpu.max", text, sizeof text)) {
        if (sscanf(text, "%lld %lld", &quota, &period) != 2)
            return UINT32_MAX;
    } else if (read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", text, sizeof text) &&
               read_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us", period_text, sizeof period_text)) {
        quota = atoll(text), period = atoll(period_text);
    }
    if (quota <= 0 || period <= 0)
        return UINT32_MAX;
    long long cores = quota / period;
    return cores < 1 ? 1 : cores > XENT_MAX_THREADS ? XENT_MAX_THREADS : (uint32_t)cores;
}

static uint32_t real_cores(void) {
    uint32_t cores = affinity_cores(), quota = quota_cores();
    if (quota < cores)
        cores = quota;
    return cores > XENT_MAX_THREADS ? XENT_MAX_THREADS : cores;
}

uint32_t xent_available_cores(void) {
    const char *told = getenv("XENT_CORES");
    int cores = told ? atoi(told) : 0;
    return cores < 1 ? real_cores() : cores > XENT_MAX_THREADS ? XENT_MAX_THREADS : (uint32_t)cores;
}

/* --- Waiting --- */

static inline void cpu_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

/* Rounds of spinning in a millisecond: a pause takes from 5 ns to more than 100, depending on the core. */
static uint32_t calibrate_spin(void) {
    enum { ROUNDS = 100 };
    int64_t best = INT64_MAX;
    for (int attempt = 0; attempt < 3; attempt++) {
        struct timespec from, to;
        clock_gettime(CLOCK_MONOTONIC, &from);
        for (int i = 0; i < ROUNDS; i++)
            cpu_relax();
        clock_gettime(CLOCK_MONOTONIC, &to);
        int64_t nanoseconds = (int64_t)(to.tv_sec - from.tv_sec) * 1000000000 + (to.tv_nsec - from.tv_nsec);
        if (nanoseconds < best)
            best = nanoseconds;
    }
    return (uint32_t)(1000000 * (int64_t)ROUNDS / (best > ROUNDS ? best : ROUNDS));
}

static void futex(_Atomic uint32_t *word, int operation, uint32_t value) {
    syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

/* The waiter announces itself before it looks again, the signaller writes before it looks for sleepers; both orders are
 * sequentially consistent, so one of the two sees the other. */
static bool has_come(uint32_t now, uint32_t meeting) {
    return now - meeting <= INT32_MAX; /* it may be on its way to the next one */
}

/* False: it had to sleep. */
static bool line_wait(struct line *line, uint32_t meeting, uint32_t spin) {
    for (uint32_t i = 0; i < spin; i++) {
        if (has_come(atomic_load_explicit(&line->meeting, memory_order_acquire), meeting))
            return true;
        cpu_relax();
    }
    atomic_fetch_add(&line->sleepers, 1);
    for (;;) {
        uint32_t now = atomic_load(&line->meeting);
        if (has_come(now, meeting))
            break;
        futex(&line->meeting, FUTEX_WAIT, now);
    }
    atomic_fetch_sub(&line->sleepers, 1);
    return false;
}

static void line_signal(struct line *line, uint32_t meeting) {
    atomic_store(&line->meeting, meeting);
    if (atomic_load(&line->sleepers))
        futex(&line->meeting, FUTEX_WAKE, INT_MAX);
}

/* False: somebody had to sleep. */
static bool meet(struct xent_pool *pool, uint32_t thread, uint32_t spin) {
    struct line *own = &pool->line[thread];
    uint32_t meeting = atomic_load_explicit(&own->meeting, memory_order_relaxed) + 1;
    bool few = pool->threads <= FEW_THREADS, awake = true;
    if (few || thread)
        line_signal(own, meeting);
    for (uint32_t t = 0; t < (few || !thread ? pool->threads : 1); t++)
        if (t != thread)
            awake &= line_wait(&pool->line[t], meeting, spin);
    if (!few && !thread)
        line_signal(own, meeting);
    return awake;
}

void xent_pool_barrier(void *context, uint32_t thread) {
    struct xent_pool *pool = context;
    if (pool->threads > 1 && !meet(pool, thread, pool->run_spin))
        atomic_store_explicit(&pool->slept, true, memory_order_relaxed);
}

bool rt_pool_slept(struct xent_pool *pool) {
    return atomic_exchange_explicit(&pool->slept, false, memory_order_relaxed);
}

/* --- Threads --- */

static void *worker_main(void *context) {
    struct worker *worker = context;
    struct xent_pool *pool = worker->pool;
    for (;;) {
        meet(pool, worker->number, pool->idle_spin);
        if (pool->quit)
            return NULL;
        pool->body(pool->context, worker->number, pool->threads);
        meet(pool, worker->number, pool->idle_spin);
    }
}

static int start_worker(struct xent_pool *pool, uint32_t number) {
    struct worker *worker = &pool->worker[number];
    worker->pool = pool;
    worker->number = number;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int cause = pthread_create(&worker->thread, NULL, worker_main, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return cause;
}

enum xent_status xent_pool_create(uint32_t threads, struct xent_pool **out, struct xent_error *error) {
    if (threads > XENT_MAX_THREADS)
        return rt_fail(error, XENT_ERROR_ARGUMENT, "%u threads: at most %d are possible", threads, XENT_MAX_THREADS);
    if (!threads)
        threads = xent_available_cores();
    struct xent_pool *pool = aligned_alloc(CACHE_LINE, (sizeof *pool + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
    if (!pool)
        return rt_fail_memory(error, "thread pool", sizeof *pool);
    memset(pool, 0, sizeof *pool);
    bool crowded = threads > real_cores();
    uint32_t millisecond = crowded || threads == 1 ? 0 : calibrate_spin();
    pool->run_spin = crowded ? SPIN_CROWDED : (uint32_t)((uint64_t)millisecond * RUN_MICROSECONDS / 1000);
    pool->idle_spin = crowded ? SPIN_CROWDED : (uint32_t)((uint64_t)millisecond * IDLE_MICROSECONDS / 1000);
    pool->threads = threads;
    for (uint32_t t = 1; t < threads; t++) {
        int cause = start_worker(pool, t);
        if (cause) {
            /* Those that did start wait in their first meeting: all that is left to do is to let them go. */
            pool->quit = true;
            for (uint32_t i = t; i < threads; i++)
                line_signal(&pool->line[i], 1);
            meet(pool, 0, pool->idle_spin);
            for (uint32_t i = 1; i < t; i++)
                pthread_join(pool->worker[i].thread, NULL);
            free(pool);
            return rt_fail(error, XENT_ERROR_THREAD, "cannot start thread %u of %u: %s", t + 1, threads,
                           cause == EAGAIN ? "the system's limit of threads or memory is reached" : strerror(cause));
        }
    }
    *out = pool;
    return XENT_OK;
}

void xent_pool_destroy(struct xent_pool *pool) {
    if (!pool)
        return;
    pool->quit = true;
    if (pool->threads > 1)
        meet(pool, 0, pool->idle_spin);
    for (uint32_t t = 1; t < pool->threads; t++)
        pthread_join(pool->worker[t].thread, NULL);
    free(pool);
}

uint32_t xent_pool_threads(const struct xent_pool *pool) {
    return pool->threads;
}

void xent_pool_run(struct xent_pool *pool, xent_pool_body body, void *context) {
    if (pool->threads == 1) {
        body(context, 0, 1);
        return;
    }
    pool->body = body;
    pool->context = context;
    meet(pool, 0, pool->run_spin);
    body(context, 0, pool->threads);
    if (!meet(pool, 0, pool->run_spin))
        atomic_store_explicit(&pool->slept, true, memory_order_relaxed);
}
