/* What `xentc bench` measures: the machine's limits, the calls of a program, whole steps; and how it is printed. */
#ifndef XENT_DRIVER_BENCH_H
#define XENT_DRIVER_BENCH_H

#include "commands.h"
#include "compile.h"

#include <xent/session.h>

enum { MACHINE_RUNGS = 16 };

/* What these threads can do together, by kernels that went through the compiler as the model's do. */
struct machine {
    double flops;       /* a second: fma with operands in the first cache */
    double bandwidth;   /* bytes a second, read from a buffer beyond all caches */
    struct machine_rung {
        double bytes;
        double read, update; /* bytes a second of a buffer of this size, read or changed in place again and again */
    } rung[MACHINE_RUNGS];   /* ascending, the last one beyond all caches */
    uint32_t rungs;
    double read_seconds; /* to read `weight_bytes` once, from where they lie when they are read again and again */
};
/* bench_machine.c; EXIT_OK, or EXIT_WRONG after a message. */
int machine_measure(const struct codegen_target *target, uint32_t threads, uint64_t weight_bytes, struct machine *out);

/* One call of a program, alone. */
struct call_time {
    const char *name;
    double p05, p50; /* seconds */
    int64_t flops, bytes;
    const struct call_buffer {
        double bytes;
        double apart; /* touched since this buffer was touched last, its own bytes included */
        bool written;
    } *buffer;
    uint32_t buffers;
};
/* Seconds that the call takes at least: to compute, or to move each buffer once from the cache, or memory, that can
 * still hold it. */
double machine_roofline(const struct machine *machine, const struct call_time *call);

struct kernel_batch;
/* bench_traffic.c: the buffers of call number `which` of the program; `examples`: of the data set. */
void bench_traffic(struct arena *arena, const struct kprogram *program, size_t which, const struct kernel_batch *batch,
                   uint64_t examples, struct call_time *out);

/* Stands in the place of an entry and runs its calls one by one: each ends when all threads have met. */
struct bench_calls;
/* `samples`: how many runs can be kept; `examples`: of the data set. EXIT_OK, or EXIT_WRONG after a message. */
int bench_calls_create(const struct xent_compilation *compilation, enum entry_kind kind, size_t samples,
                       uint64_t examples, struct bench_calls **out);
void bench_calls_destroy(struct bench_calls *calls);
/* The model with that entry replaced; it belongs to `calls`. */
const struct xent_model *bench_calls_model(const struct bench_calls *calls);
size_t bench_calls_taken(const struct bench_calls *calls);
void bench_calls_forget(struct bench_calls *calls); /* the last run, of which there is one */
/* Percentiles of what was measured: *out_count rows, which belong to `calls`. */
const struct call_time *bench_calls_finish(struct bench_calls *calls, size_t *out_count);

double bench_now(void);
/* Sorts. `part` 0.05 or 0.5; 0 where there are no times. */
double bench_percentile(double *times, size_t count, double part);

/* The model's training data, or random examples where it cannot be found and no folder was named. */
struct bench_data {
    struct xent_dataset *set;
    bool random;
    uint64_t of_epoch; /* examples of an epoch */
    void *memory[2];   /* of random ones */
};
/* bench_data.c; EXIT_OK, or EXIT_WRONG after a message. Freed also after a failure. */
int bench_data_load(const struct xent_compilation *compilation, const char *folder, uint32_t batch,
                    struct bench_data *out);
void bench_data_free(struct bench_data *data);

struct bench_result {
    const char *model;
    const char *data; /* where the examples came from */
    bool infer;
    uint32_t threads, batch;
    uint64_t steps_of_epoch;
    size_t samples;
    double p05, p50; /* seconds of a step, or of a forward call */
    double flops;    /* of it, dense */
    uint64_t weight_bytes, peak_memory;
    double compile_seconds, cached_seconds; /* cached: negative where there is no cache */
    struct machine machine;
    const struct call_time *call;
    size_t calls;
};
void bench_print(const struct bench_result *result, FILE *out);
bool bench_print_json(const struct bench_result *result, FILE *out);

#endif
