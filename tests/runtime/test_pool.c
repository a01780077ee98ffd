#include "check.h"

#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const uint32_t counts[] = {1, 2, 3, 7, 16};

struct meeting {
    struct xent_pool *pool;
    uint32_t rounds;
    atomic_uint wrong;
    uint32_t slot[XENT_MAX_THREADS * 16]; /* plain memory: the barrier alone orders it */
};

/* Everyone writes its slot, meets, and must see every other's write. */
static void meet(void *context, uint32_t thread, uint32_t threads) {
    struct meeting *meeting = context;
    for (uint32_t round = 1; round <= meeting->rounds; round++) {
        meeting->slot[thread * 16] = round;
        xent_pool_barrier(meeting->pool, thread);
        for (uint32_t t = 0; t < threads; t++)
            if (meeting->slot[t * 16] != round)
                atomic_fetch_add(&meeting->wrong, 1);
        xent_pool_barrier(meeting->pool, thread);
    }
}

static void barrier(void) {
    struct xent_error error;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct meeting meeting = {.rounds = counts[i] <= 2 ? 20000 : 500};
        CHECK_OK(xent_pool_create(counts[i], &meeting.pool, &error));
        CU_ASSERT_EQUAL(xent_pool_threads(meeting.pool), counts[i]);
        xent_pool_run(meeting.pool, meet, &meeting);
        CU_ASSERT_EQUAL(atomic_load(&meeting.wrong), 0);
        for (uint32_t t = 0; t < counts[i]; t++)
            CU_ASSERT_EQUAL(meeting.slot[t * 16], meeting.rounds);
        xent_pool_destroy(meeting.pool);
    }
}

static void count(void *context, uint32_t thread, uint32_t threads) {
    atomic_uint *runs = context;
    (void)threads;
    atomic_fetch_add(&runs[thread], 1);
}

static void many_runs(void) {
    struct xent_error error;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct xent_pool *pool;
        atomic_uint runs[16] = {0};
        CHECK_OK(xent_pool_create(counts[i], &pool, &error));
        for (int r = 0; r < 300; r++)
            xent_pool_run(pool, count, runs);
        for (uint32_t t = 0; t < 16; t++)
            CU_ASSERT_EQUAL(atomic_load(&runs[t]), t < counts[i] ? 300u : 0u);
        xent_pool_destroy(pool);
    }
}

static void limits(void) {
    struct xent_error error;
    struct xent_pool *pool;
    CHECK_ERROR(xent_pool_create(XENT_MAX_THREADS + 1, &pool, &error), XENT_ERROR_ARGUMENT, &error, "257");
    CHECK_OK(xent_pool_create(0, &pool, &error));
    CU_ASSERT_EQUAL(xent_pool_threads(pool), xent_available_cores());
    xent_pool_destroy(pool);
    xent_pool_destroy(NULL);
    CHECK_OK(xent_pool_create(XENT_MAX_THREADS, &pool, &error));
    struct meeting meeting = {.rounds = 3, .pool = pool};
    xent_pool_run(pool, meet, &meeting);
    CU_ASSERT_EQUAL(atomic_load(&meeting.wrong), 0);
    xent_pool_destroy(pool);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif

/* In a process with little address space, where the stacks of some threads fit and those of others do not; sanitizers
 * need that space themselves. */
static void no_thread(void) {
#ifdef SANITIZED
    puts("    (skipped: sanitizers need address space)");
#else
    pid_t child = fork();
    CU_ASSERT_FATAL(child >= 0);
    if (child == 0) {
        struct xent_error error = {0};
        struct xent_pool *pool;
        struct rlimit limit = {(rlim_t)200 << 20, (rlim_t)200 << 20};
        setrlimit(RLIMIT_AS, &limit);
        enum xent_status status = xent_pool_create(XENT_MAX_THREADS, &pool, &error);
        _exit(status == XENT_ERROR_THREAD && strstr(error.message, "cannot start thread") ? 0 : 1);
    }
    int status;
    CU_ASSERT(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
#endif
}

CU_ErrorCode add_pool(void) {
    static const struct case_of cases[] = {{"the barrier orders memory", barrier},
                                           {"each run reaches each thread once", many_runs},
                                           {"limits", limits},
                                           {"no more threads", no_thread}};
    return add_suite("pool", cases, sizeof cases / sizeof *cases);
}
