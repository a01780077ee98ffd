/* Counts what happens in training steps and in forward calls of the models named as arguments, gathering the batch
 * included: allocations and locks by wrapped functions, system calls by tracing a child (ptrace). With one thread there
 * are none. Two threads that have two cores sleep only where one of them loses its core, so that for them futex alone
 * may be called, and there are windows of steps without. Where tracing is forbidden only the wrapped functions
 * count. */
#include <xent/compiler.h>
#include <xent/runtime.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEPS = 320, STEPS_OF_WINDOW = 8, EXAMPLES = 777, WINDOWS = STEPS / STEPS_OF_WINDOW };
enum mark { MARK_END, MARK_WINDOW };
enum { CHILD_FAILED = 1, CHILD_ALLOCATES = 2 };

/* ---- the child's functions ---- */

static atomic_bool counting;
static atomic_uint calls;

static void note(void)
{
    if (atomic_load_explicit(&counting, memory_order_relaxed))
        atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
}

#define WRAP(type, name, parameters, arguments)                                                                        \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters                                                                                      \
    {                                                                                                                  \
        note();                                                                                                       \
        return __real_##name arguments;                                                                                \
    }

WRAP(void *, malloc, (size_t size), (size))
WRAP(void *, calloc, (size_t count, size_t size), (count, size))
WRAP(void *, realloc, (void *old, size_t size), (old, size))
WRAP(void *, aligned_alloc, (size_t align, size_t size), (align, size))
WRAP(void *, mmap, (void *at, size_t size, int protection, int flags, int file, off_t offset),
     (at, size, protection, flags, file, offset))
WRAP(int, munmap, (void *at, size_t size), (at, size))
WRAP(int, pthread_mutex_lock, (pthread_mutex_t *mutex), (mutex))

void __real_free(void *old);
void __wrap_free(void *old);
void __wrap_free(void *old)
{
    note();
    __real_free(old);
}

/* A system call that no step has use for, and that the tracer knows. */
static void mark(enum mark what)
{
    atomic_store(&counting, what == MARK_WINDOW);
    syscall(SYS_getppid, (long)what);
}

static void on_step(void *context, const struct xent_step_report *step)
{
    (void)context;
    if (step->step % STEPS_OF_WINDOW == 0)
        mark(step->step == STEPS ? MARK_END : MARK_WINDOW);
}

static const void *made_up_inputs(const struct xent_data_spec *spec)
{
    size_t elements = EXAMPLES;
    for (uint32_t i = 0; i < spec->rank; i++)
        elements *= (size_t)spec->shape[i];
    unsigned char *bytes = malloc(elements);
    for (size_t i = 0; bytes && i < elements; i++)
        bytes[i] = (unsigned char)(i * i / 7);
    return spec->dtype == XENT_U8 ? bytes : NULL;
}

static int run(const char *path, uint32_t threads)
{
    static int32_t classes[EXAMPLES];
    struct xent_compilation *compilation;
    struct xent_data_spec spec;
    struct xent_dataset *data;
    struct xent_session *session;
    struct xent_error error;
    if (xent_compile_file(path, NULL, &compilation) != XENT_OK)
        return CHILD_FAILED;
    const struct xent_model *model = xent_compilation_model(compilation);
    struct xent_session_options options = {.threads = threads};
    if (xent_data_spec_of(model, &spec, &error) != XENT_OK)
        return CHILD_FAILED;
    for (int i = 0; i < EXAMPLES; i++)
        classes[i] = (int32_t)(i % spec.classes);
    if (xent_dataset_from_memory(&spec, EXAMPLES, made_up_inputs(&spec), classes, NULL, &data, &error) != XENT_OK ||
        xent_session_create(model, &options, &session, &error) != XENT_OK)
        return CHILD_FAILED;

    struct xent_train_options how;
    xent_compilation_train_options(compilation, &how);
    how.epochs = STEPS;
    how.steps = STEPS;
    how.on_step = on_step;
    xent_session_init(session, how.seed);
    if (xent_train(session, data, &how, NULL, &error) != XENT_OK)
        return CHILD_FAILED;

    const struct xent_entry *forward = xent_model_entry(model, "forward");
    int32_t pick[1] = {5};
    for (int i = 0; i < STEPS; i++) {
        if (i % STEPS_OF_WINDOW == 0 && i)
            mark(MARK_WINDOW);
        if (xent_session_run(session, forward, data, pick, 1, &error) != XENT_OK)
            return CHILD_FAILED;
    }
    mark(MARK_END);
    return atomic_load(&calls) ? CHILD_ALLOCATES : 0;
}

/* ---- the parent, which counts ---- */

struct tally {
    unsigned windows, quiet, others; /* windows; those without any call; calls that are not futex */
    long other;                      /* one of these */
};

struct tracer {
    struct tally *tally;
    bool inside;
    unsigned futexes, others; /* of this window */
};

static void close_window(struct tracer *tracer)
{
    struct tally *tally = tracer->tally;
    if (tracer->inside) {
        tally->windows++;
        tally->quiet += tracer->futexes + tracer->others == 0;
        tally->others += tracer->others;
    }
    tracer->futexes = tracer->others = 0;
}

static void look_at_call(struct tracer *tracer, pid_t thread)
{
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) <= 0 || info.op != PTRACE_SYSCALL_INFO_ENTRY)
        return;
    long number = (long)info.entry.nr;
    if (number == SYS_getppid) {
        close_window(tracer);
        tracer->inside = info.entry.args[0] == MARK_WINDOW;
    } else if (number == SYS_futex) {
        tracer->futexes++;
    } else if (number != SYS_clock_gettime) { /* a call only where the machine's clock cannot be read without one */
        tracer->others++;
        tracer->tally->other = tracer->inside ? number : tracer->tally->other;
    }
}

/* The child's exit status; -1: it cannot be traced. */
static int trace(const char *path, uint32_t threads, struct tally *tally)
{
    struct tracer tracer = {.tally = tally};
    int status;
    pid_t child = fork();
    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0)
            raise(SIGSTOP);
        _exit(run(path, threads));
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return CHILD_FAILED;
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    long how = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL;
    if (ptrace(PTRACE_SETOPTIONS, child, NULL, how) != 0)
        return CHILD_FAILED;
    for (pid_t thread = child; thread > 0; thread = waitpid(-1, &status, __WALL)) {
        int pass_on = 0;
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (thread == child)
                return WIFEXITED(status) ? WEXITSTATUS(status) : CHILD_FAILED;
            continue;
        }
        if (WSTOPSIG(status) == (SIGTRAP | 0x80))
            look_at_call(&tracer, thread);
        else if (WSTOPSIG(status) != SIGSTOP && WSTOPSIG(status) != SIGTRAP)
            pass_on = WSTOPSIG(status);
        ptrace(PTRACE_SYSCALL, thread, NULL, (long)pass_on);
    }
    return CHILD_FAILED;
}

static bool check(const char *path, uint32_t threads)
{
    struct tally tally = {0};
    int status = trace(path, threads, &tally);
    printf("%s, %u threads: ", path, (unsigned)threads);
    if (status != 0) {
        puts(status == CHILD_ALLOCATES ? "FAILED: memory or a lock in a step" : "FAILED: does not run");
        return false;
    }
    if (!tally.windows) {
        puts("not traced");
        return true;
    }
    printf("%u of %u windows without system calls", tally.quiet, tally.windows);
    bool good = tally.windows == 2 * (WINDOWS - 1) && tally.others == 0 &&
                (threads == 1 ? tally.quiet == tally.windows : threads > xent_available_cores() || tally.quiet > 0);
    if (tally.others)
        printf("; FAILED: %u calls that are not futex, such as number %ld", tally.others, tally.other);
    puts(good ? "" : "; FAILED");
    return good;
}

int main(int argc, char **argv)
{
    bool good = true;
    for (int i = 1; i < argc; i++) {
        good &= check(argv[i], 1);
        good &= check(argv[i], 2);
    }
    return good ? 0 : 1;
}
