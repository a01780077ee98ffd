/* The machine's limits, measured with kernels that go the way of all kernels: text, schedule, loops, LLVM. Every thread
 * runs a kernel of its own on memory of its own, all at once, in rounds; each thread's best round counts, so that
 * another program's disturbance does not hide what the machine can do. */
#include "bench.h"

#include "schedule.h"

#include <xent/pool.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The operands of `fma` fit into a first cache of 32 KiB (the text's extents are the enumerators), its tile is the
 * scheduler's, and it reads them again and again. `read` adds up rows of eight vectors, so that no addition waits
 * for another. */
enum { ROWS = 48, COLUMNS = 32, DEPTH = 64, TURNS = 400, ACCUMULATORS = 8, MOST_ROWS = 1 << 24 };
static const char program_text[] =
    "program @fma {\n"
    "  arith %s\n"
    "  memory 26624\n"
    "  state a: f32[48, 64] at 0\n"
    "  state b: f32[64, 32] at 12288\n"
    "  arena y: f32[48, 32] at 20480\n"
    "  kernel fma.peak(A: f32[48, 64], B: f32[64, 32]) -> (Y: f32[48, 32]) {\n"
    "    Y[n, m] = sum.fma(r < 400, k < 64 from 0.0: A[n, k], B[k, m])\n"
    "  }\n"
    "  call fma.peak(a, b, y)\n"
    "}\n";
static const char read_text[] =
    "program @read {\n"
    "  arith %s\n"
    "  memory 4096\n"
    "  scalar rows: i32 <= 16777216\n"
    "  data x: f32[16777216, %u] slot 0\n"
    "  arena y: f32[%u] at 0\n"
    "  kernel read(X: f32[16777216, %u], rows: i32 <= 16777216) -> (Y: f32[%u]) {\n"
    "    Y[m] = sum(k < rows from 0.0: X[k, m])\n"
    "    schedule lanes m; tile m %u\n"
    "  }\n"
    "  call read(x, y, rows = rows)\n"
    "}\n";
static const char update_text[] =
    "program @update%u {\n"
    "  arith %s\n"
    "  memory %zu\n"
    "  state x: f32[%zu, %u] at 0\n"
    "  kernel update(inout X: f32[%zu, %u]) {\n"
    "    X[k, m] = 1.0 - X[k, m]\n"
    "    schedule lanes m; tile m %u; order k, m\n"
    "  }\n"
    "  call update(x)\n"
    "}\n";

struct meter {
    const struct codegen_target *target;
    struct arena arena;
    jmp_buf on_failure;
    struct source_map map;
    struct diag_list diags;
    struct codegen_code *code;
    codegen_entry fma, read, update[MACHINE_RUNGS], running;
    double rung_bytes[MACHINE_RUNGS]; /* of all threads together */
    uint32_t rungs;
    struct xent_pool *pool;
    struct xent_call *call; /* of each thread */
    char *memory;           /* what is read */
    size_t memory_bytes, row_bytes;
    uint32_t threads, rounds, repeat;
    double best[XENT_MAX_THREADS]; /* seconds of one run */
    void *arena_of[XENT_MAX_THREADS];
};

/* Sizes of buffers: 16 KiB a thread, then twice as large, up to four times the last cache. */
static void choose_sizes(struct meter *meter, uint64_t weight_bytes)
{
    enum { HUGE_PAGE = 1 << 21, FIRST = 1 << 14 };
    const struct ktarget *facts = codegen_target_facts(meter->target);
    long l3 = sysconf(_SC_LEVEL3_CACHE_SIZE);
    size_t bytes = l3 > 0 ? 4 * (size_t)l3 : (size_t)1 << 26, most;
    bytes = bytes < (size_t)1 << 26 ? (size_t)1 << 26 : bytes > (size_t)1 << 28 ? (size_t)1 << 28 : bytes;
    most = bytes;
    if (bytes < weight_bytes)
        bytes = (size_t)weight_bytes;
    meter->memory_bytes = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    meter->row_bytes = ACCUMULATORS * (facts->lanes > 1 ? facts->lanes : 1) * sizeof(float);
    for (size_t size = (size_t)meter->threads * FIRST; meter->rungs < MACHINE_RUNGS - 1 && size < most; size *= 2)
        meter->rung_bytes[meter->rungs++] = (double)size;
    meter->rung_bytes[meter->rungs++] = (double)most;
}

/* Of each thread's part. */
static size_t rung_rows(const struct meter *meter, uint32_t rung)
{
    size_t rows = (size_t)(meter->rung_bytes[rung] / meter->threads / (double)meter->row_bytes);
    return rows > MOST_ROWS ? MOST_ROWS : rows < 1 ? 1 : rows;
}

static const struct kprogram *parse(struct meter *meter, const char *name, const char *text)
{
    uint32_t file = source_add(&meter->map, name, text, strlen(text));
    struct kprogram *program = kernel_parse(&meter->arena, &meter->diags, file);
    if (!program || !kernel_verify(program, &meter->diags)) {
        struct text messages;
        text_init(&messages, &meter->arena);
        diag_render(&meter->diags, &messages);
        report("a bug of xent: %s", text_string(&messages));
        return NULL;
    }
    kernel_schedule(program, codegen_target_facts(meter->target));
    return program;
}

static int compile_kernels(struct meter *meter)
{
    const struct ktarget *facts = codegen_target_facts(meter->target);
    const char *arith = facts->fma ? "fma" : "muladd";
    unsigned width = (unsigned)(meter->row_bytes / sizeof(float));
    const struct kprogram *programs[2 + MACHINE_RUNGS] = {
        parse(meter, "fma.xkr", arena_printf(&meter->arena, program_text, arith)),
        parse(meter, "read.xkr", arena_printf(&meter->arena, read_text, arith, width, width, width, width, width)),
    };
    for (uint32_t i = 0; i < meter->rungs; i++) {
        size_t rows = rung_rows(meter, i);
        programs[2 + i] = parse(meter, "update.xkr",
                                arena_printf(&meter->arena, update_text, i, arith, rows * meter->row_bytes, rows,
                                             width, rows, width, width));
    }
    for (uint32_t i = 0; i < 2 + meter->rungs; i++)
        if (!programs[i])
            return EXIT_WRONG;
    char *message = NULL;
    size_t size = 0;
    struct codegen_module *module = codegen_build(meter->target, programs, 2 + meter->rungs, &message);
    unsigned char *object = module ? codegen_object(module, &size, &message) : NULL;
    codegen_destroy(module);
    meter->code = object ? codegen_load(meter->target, object, size, &message) : NULL;
    free(object);
    if (meter->code) {
        meter->fma = codegen_find(meter->code, programs[0]->name);
        meter->read = codegen_find(meter->code, programs[1]->name);
        bool good = meter->fma && meter->read;
        for (uint32_t i = 0; i < meter->rungs; i++)
            good &= (meter->update[i] = codegen_find(meter->code, programs[2 + i]->name)) != NULL;
        return good ? EXIT_OK : report("the machine's limits cannot be measured");
    }
    int status = message ? report("%s", message) : report_no_memory();
    free(message);
    return status;
}

/* The data of the reads: whole pages, written once, for pages that were never written all are one page of zeroes. */
static int prepare_memory(struct meter *meter)
{
    enum { ARENA_BYTES = 1 << 15, HUGE_PAGE = 1 << 21 };
    meter->memory = aligned_alloc(HUGE_PAGE, meter->memory_bytes);
    if (!meter->memory)
        return report_no_memory();
    madvise(meter->memory, meter->memory_bytes, MADV_HUGEPAGE);
    memset(meter->memory, 0x3d, meter->memory_bytes);
    meter->call = ARENA_ARRAY(&meter->arena, struct xent_call, meter->threads);
    for (uint32_t i = 0; i < meter->threads; i++) {
        meter->call[i].arena = arena_alloc(&meter->arena, ARENA_BYTES + 64);
        meter->call[i].arena = (char *)meter->call[i].arena + (64 - (uintptr_t)meter->call[i].arena % 64) % 64;
        memset(meter->call[i].arena, 0, ARENA_BYTES);
    }
    return EXIT_OK;
}

static void measure_thread(void *context, uint32_t thread, uint32_t threads)
{
    struct meter *meter = context;
    const struct xent_entry self = {0};
    double best = 0;
    (void)threads;
    for (uint32_t round = 0; round < meter->rounds; round++) {
        xent_pool_barrier(meter->pool, thread);
        double start = bench_now();
        for (uint32_t i = 0; i < meter->repeat; i++)
            meter->running(&self, &meter->call[thread], 0, 1);
        double seconds = (bench_now() - start) / meter->repeat;
        if (round == 0 || seconds < best)
            best = seconds;
    }
    meter->best[thread] = best;
}

/* Work done in a second by all threads, each of which does `work` in a run. Threads that share a core are one. */
static double rate_of(struct meter *meter, codegen_entry function, uint32_t rounds, uint32_t repeat, double work)
{
    double rate = 0;
    uint32_t cores = xent_available_cores();
    meter->running = function;
    meter->rounds = rounds;
    meter->repeat = repeat;
    xent_pool_run(meter->pool, measure_thread, meter);
    for (uint32_t i = 0; i < meter->threads; i++)
        rate += work / meter->best[i];
    return cores < meter->threads ? rate * cores / meter->threads : rate;
}

/* Bytes a second where all threads read their part of `bytes` again and again. */
static double read_rate(struct meter *meter, double bytes)
{
    enum { LEAST_BYTES = 1 << 21, LARGE = 1 << 25 };
    double row_bytes = (double)meter->row_bytes;
    size_t rows = (size_t)(bytes / meter->threads / row_bytes);
    size_t most = meter->memory_bytes / meter->threads / meter->row_bytes;
    most = most > MOST_ROWS ? MOST_ROWS : most;
    rows = rows < 1 ? 1 : rows > most ? most : rows;
    for (uint32_t i = 0; i < meter->threads; i++) {
        meter->call[i].data[0] = meter->memory + i * rows * meter->row_bytes;
        meter->call[i].scalar[0].i = (int32_t)rows;
    }
    double part = (double)rows * row_bytes;
    uint32_t repeat = part < LEAST_BYTES ? (uint32_t)(LEAST_BYTES / part) : 1;
    return rate_of(meter, meter->read, part > LARGE ? 6 : 30, repeat, part);
}

/* Bytes a second where all threads change their part of a buffer in place, again and again. */
static double update_rate(struct meter *meter, uint32_t rung)
{
    enum { LEAST_BYTES = 1 << 20, LARGE = 1 << 24 };
    double part = (double)rung_rows(meter, rung) * (double)meter->row_bytes;
    struct xent_call *call = meter->call;
    for (uint32_t i = 0; i < meter->threads; i++) {
        meter->arena_of[i] = call[i].arena;
        call[i].arena = meter->memory + i * (size_t)part;
    }
    double rate = rate_of(meter, meter->update[rung], part > LARGE ? 6 : 30,
                          part < LEAST_BYTES ? (uint32_t)(LEAST_BYTES / part) : 1, part);
    for (uint32_t i = 0; i < meter->threads; i++)
        call[i].arena = meter->arena_of[i];
    return rate;
}

static double fma_rate(struct meter *meter)
{
    return rate_of(meter, meter->fma, 100, 1, 2.0 * ROWS * COLUMNS * DEPTH * TURNS);
}

static void measure(struct meter *meter, uint64_t weight_bytes, struct machine *out)
{
    out->flops = fma_rate(meter);
    out->rungs = meter->rungs;
    for (uint32_t i = 0; i < out->rungs; i++)
        out->rung[i] = (struct machine_rung){meter->rung_bytes[i], read_rate(meter, meter->rung_bytes[i]),
                                             update_rate(meter, i)};
    out->bandwidth = out->rung[out->rungs - 1].read;
    if (weight_bytes)
        out->read_seconds = (double)weight_bytes / read_rate(meter, (double)weight_bytes);
    double again = fma_rate(meter); /* some time later: nobody disturbs both */
    out->flops = again > out->flops ? again : out->flops;
    /* What a larger buffer reaches a smaller one can: a disturbed measurement must not make the roofline lower. */
    for (uint32_t i = out->rungs - 1; i-- > 0;) {
        struct machine_rung *small = &out->rung[i], *large = &out->rung[i + 1];
        small->read = small->read > large->read ? small->read : large->read;
        small->update = small->update > large->update ? small->update : large->update;
    }
}

static int measure_guarded(struct meter *meter, uint64_t weight_bytes, struct machine *out)
{
    if (setjmp(meter->on_failure))
        return report_no_memory();
    source_map_init(&meter->map, &meter->arena);
    diag_init(&meter->diags, &meter->arena, &meter->map);
    struct xent_error error;
    choose_sizes(meter, weight_bytes);
    int status = compile_kernels(meter);
    if (status == EXIT_OK)
        status = prepare_memory(meter);
    if (status != EXIT_OK)
        return status;
    if (xent_pool_create(meter->threads, &meter->pool, &error) != XENT_OK)
        return report_error(&error);
    measure(meter, weight_bytes, out);
    return EXIT_OK;
}

int machine_measure(const struct codegen_target *target, uint32_t threads, uint64_t weight_bytes, struct machine *out)
{
    struct meter *meter = calloc(1, sizeof *meter);
    if (!meter)
        return report_no_memory();
    *out = (struct machine){0};
    meter->target = target;
    meter->threads = threads;
    arena_init(&meter->arena, &meter->on_failure);
    int status = measure_guarded(meter, weight_bytes, out);
    xent_pool_destroy(meter->pool);
    codegen_unload(meter->code);
    free(meter->memory);
    arena_deinit(&meter->arena);
    free(meter);
    return status;
}

/* Seconds to move a byte of a buffer of so many; between measured sizes by the logarithm of the size. */
static double seconds_of_byte(const struct machine *machine, double bytes, bool update)
{
    const struct machine_rung *rung = machine->rung;
    uint32_t i = 0;
    while (i < machine->rungs && rung[i].bytes < bytes)
        i++;
    const struct machine_rung *above = &rung[i < machine->rungs ? i : machine->rungs - 1];
    const struct machine_rung *below = i > 0 ? &rung[i - 1] : above;
    double slow = 1 / (update ? above->update : above->read), fast = 1 / (update ? below->update : below->read);
    return above == below ? slow : fast + (slow - fast) * log(bytes / below->bytes) / log(above->bytes / below->bytes);
}

double machine_roofline(const struct machine *machine, const struct call_time *call)
{
    double compute = (double)call->flops / machine->flops, move = 0;
    for (uint32_t i = 0; i < call->buffers; i++)
        move += call->buffer[i].bytes * seconds_of_byte(machine, call->buffer[i].apart, call->buffer[i].written);
    return compute > move ? compute : move;
}
