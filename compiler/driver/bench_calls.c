/* The calls of a program, timed one by one. Each becomes a program of its own (codegen makes each kernel once), and an
 * entry that runs these in turn stands in the model in place of the real one: so the trainer itself drives it, with
 * real batches, and every call finds its data where the calls before it left them. */
#include "bench.h"
#include "lower.h"
#include "lowered.h"
#include "work.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct bench_calls {
    struct arena arena;
    jmp_buf on_failure;
    struct xent_model model;
    struct codegen_code *code;
    const struct kprogram **program;
    codegen_entry *entry;
    struct call_time *call;
    size_t count, samples, taken;
    uint64_t examples; /* of the data set */
    double *time; /* [count, samples] */
};

double bench_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_percentile(double *times, size_t count, double part)
{
    if (count == 0)
        return 0;
    qsort(times, count, sizeof *times, compare);
    return times[(size_t)(part * (double)(count - 1))];
}

/* Thread 0 keeps the time; what lies between two meetings is one call. */
static void run_calls(const struct xent_entry *self, const struct xent_call *call, uint32_t thread, uint32_t threads)
{
    struct bench_calls *calls = (struct bench_calls *)(uintptr_t)self->context;
    bool keep = thread == 0 && calls->taken < calls->samples;
    if (threads > 1)
        call->barrier(call->barrier_context, thread);
    double before = keep ? bench_now() : 0;
    for (size_t i = 0; i < calls->count; i++) {
        calls->entry[i](self, call, thread, threads);
        if (threads > 1)
            call->barrier(call->barrier_context, thread);
        if (keep) {
            double after = bench_now();
            calls->time[i * calls->samples + calls->taken] = after - before;
            before = after;
        }
    }
    if (keep)
        calls->taken++;
}

static const struct kprogram *only(struct arena *arena, const struct kprogram *program, size_t which)
{
    struct kprogram *one = ARENA_ARRAY(arena, struct kprogram, 1);
    *one = *program;
    one->name = arena_printf(arena, "%s.call%zu", program->name, which);
    one->calls.at = &program->calls.at[which];
    one->calls.count = 1;
    one->kernels.at = ARENA_ARRAY(arena, struct kernel *, 1);
    one->kernels.count = 1;
    for (size_t k = 0; k < program->kernels.count; k++)
        if (program->kernels.at[k] == program->calls.at[which].kernel)
            one->kernels.at[0] = program->kernels.at[k];
    return one;
}

static void split(struct bench_calls *calls, const struct kprogram *program, const struct lowered *lowered)
{
    const struct kernel_batch batch = {LOWER_BATCH_INDEX, lowered->batch};
    size_t most = program->calls.count + 1;
    calls->program = ARENA_ARRAY(&calls->arena, const struct kprogram *, most);
    calls->entry = ARENA_ARRAY(&calls->arena, codegen_entry, most);
    calls->call = ARENA_ARRAY(&calls->arena, struct call_time, most);
    for (size_t i = 0; i < program->calls.count; i++) {
        const struct kernel *kernel = program->calls.at[i].kernel;
        if (!kernel)
            continue;
        calls->program[calls->count] = only(&calls->arena, program, i);
        struct call_time *call = &calls->call[calls->count++];
        *call = (struct call_time){.name = kernel->name, .flops = kernel_flops(kernel, &batch)};
        bench_traffic(&calls->arena, program, i, &batch, calls->examples, call);
    }
}

static int generate(struct bench_calls *calls, const struct codegen_target *target)
{
    char *message = NULL;
    size_t size = 0;
    struct codegen_module *module = codegen_build(target, calls->program, calls->count, &message);
    unsigned char *object = module ? codegen_object(module, &size, &message) : NULL;
    codegen_destroy(module);
    calls->code = object ? codegen_load(target, object, size, &message) : NULL;
    free(object);
    bool good = calls->code != NULL;
    for (size_t i = 0; good && i < calls->count; i++) {
        calls->entry[i] = codegen_find(calls->code, calls->program[i]->name);
        good = calls->entry[i] != NULL;
    }
    if (good)
        return EXIT_OK;
    int status = message ? report("%s", message) : report_no_memory();
    free(message);
    return status;
}

static int fill(struct bench_calls *calls, const struct xent_compilation *compilation, enum entry_kind kind,
                size_t samples)
{
    if (setjmp(calls->on_failure))
        return report_no_memory();
    calls->model = compilation->model;
    struct xent_entry *entry = ARENA_ARRAY(&calls->arena, struct xent_entry, compilation->count);
    memcpy(entry, compilation->model.entry, compilation->count * sizeof *entry);
    calls->model.entry = entry;
    for (size_t i = 0; i < compilation->count; i++)
        if (compilation->entries[i].kind == kind) {
            const struct pass_context *context = &compilation->entries[i].context;
            entry[i].run = run_calls;
            entry[i].context = calls;
            split(calls, context->program, context->lowered);
        }
    calls->samples = samples;
    calls->time = calloc(calls->count * samples + 1, sizeof *calls->time);
    return calls->time ? generate(calls, compilation->target) : report_no_memory();
}

int bench_calls_create(const struct xent_compilation *compilation, enum entry_kind kind, size_t samples,
                       uint64_t examples, struct bench_calls **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return report_no_memory();
    arena_init(&(*out)->arena, &(*out)->on_failure);
    (*out)->examples = examples;
    return fill(*out, compilation, kind, samples);
}

void bench_calls_destroy(struct bench_calls *calls)
{
    if (!calls)
        return;
    codegen_unload(calls->code);
    free(calls->time);
    arena_deinit(&calls->arena);
    free(calls);
}

const struct xent_model *bench_calls_model(const struct bench_calls *calls)
{
    return &calls->model;
}

size_t bench_calls_taken(const struct bench_calls *calls)
{
    return calls->taken;
}

void bench_calls_forget(struct bench_calls *calls)
{
    calls->taken--;
}

const struct call_time *bench_calls_finish(struct bench_calls *calls, size_t *out_count)
{
    for (size_t i = 0; i < calls->count; i++) {
        double *times = calls->time + i * calls->samples;
        calls->call[i].p05 = bench_percentile(times, calls->taken, 0.05);
        calls->call[i].p50 = bench_percentile(times, calls->taken, 0.5);
    }
    *out_count = calls->count;
    return calls->call;
}
