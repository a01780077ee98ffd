/* A persistent pool of threads and its barrier. The thread that calls xent_pool_run is thread 0 of the run; the others
 * belong to the pool, have all signals blocked, and sleep when there is nothing to do. A thread that waits for another
 * one spins for a millisecond in a run, for a tenth of that between runs, and then sleeps on a futex; where there are
 * more threads than cores it sleeps almost at once. No thread is tied to a core: another program may need it more.
 * A pool serves one run at a time. */
#ifndef XENT_POOL_H
#define XENT_POOL_H

#include "status.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { XENT_MAX_THREADS = 256 };

struct xent_pool;

/* The cores that this process may use: its affinity, and the whole cores of its cgroup's quota; at least 1. XENT_CORES
 * in the environment overrides them. */
XENT_API uint32_t xent_available_cores(void);

/* `threads` 1 to XENT_MAX_THREADS, also more than cores, or 0 for xent_available_cores(). */
XENT_API enum xent_status xent_pool_create(uint32_t threads, struct xent_pool **out, struct xent_error *error);
XENT_API void xent_pool_destroy(struct xent_pool *pool); /* NULL is allowed; not during a run */
XENT_API uint32_t xent_pool_threads(const struct xent_pool *pool);

/* Runs body(context, thread, threads) on all threads at once, returns when all have returned. Not from inside a run. */
typedef void (*xent_pool_body)(void *context, uint32_t thread, uint32_t threads);
XENT_API void xent_pool_run(struct xent_pool *pool, xent_pool_body body, void *context);

/* All threads of the current run meet; fits xent_call.barrier with the pool as barrier_context. What was written before
 * the barrier is seen by all after it. With one thread it does nothing. */
XENT_API void xent_pool_barrier(void *pool, uint32_t thread);

#ifdef __cplusplus
}
#endif
#endif
