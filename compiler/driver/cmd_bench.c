/* `xentc bench`: how long steps (or forward calls), their kernels and the compilation take, beside what the machine can
 * do. Nothing allocates while the clock runs; the peak of memory is taken before the machine's limits are measured. */
#include "bench.h"

#include <xent/train.h>

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { MOST_SAMPLES = 1 << 20, MOST_CALL_SAMPLES = 1 << 14, LEAST_SAMPLES = 3 };

struct bench {
    const struct options *options;
    struct xent_compile_options how_compiled;
    struct xent_compilation *compilation;
    struct bench_data data;
    struct xent_session *session;
    struct bench_calls *calls;
    struct xent_train_options how;
    int32_t *pick;
    uint64_t next; /* example */

    double *time;
    size_t samples, limit; /* taken so far, to take */
    double started, seconds, before;
    volatile sig_atomic_t stop;
};

static bool over(const struct bench *bench, size_t samples)
{
    return samples >= bench->limit ||
           (bench->seconds > 0 && samples >= LEAST_SAMPLES && bench_now() - bench->started > bench->seconds);
}

/* ---- one phase: the model's own entry, or its calls one by one ---- */

/* The last batch of an epoch may be short: it counts for nothing. */
static void on_step(void *context, const struct xent_step_report *step)
{
    struct bench *bench = context;
    bool whole = step->examples == bench->how.batch;
    if (bench->calls && !whole)
        bench_calls_forget(bench->calls);
    else if (!bench->calls && whole)
        bench->time[bench->samples++] = step->seconds - bench->before;
    bench->before = step->seconds;
    bench->stop = over(bench, bench->calls ? bench_calls_taken(bench->calls) : bench->samples);
}

static int train_phase(struct bench *bench)
{
    struct xent_train_result result;
    struct xent_error error;
    bench->before = 0;
    bench->stop = 0;
    xent_session_init(bench->session, bench->how.seed);
    if (xent_train(bench->session, bench->data.set, &bench->how, &result, &error) != XENT_OK)
        return report_error(&error);
    return EXIT_OK;
}

static int forward_phase(struct bench *bench)
{
    struct xent_error error;
    const struct xent_entry *entry = xent_model_entry(xent_session_model(bench->session), "forward");
    xent_session_init(bench->session, bench->how.seed);
    do {
        for (uint32_t i = 0; i < bench->how.batch; i++)
            bench->pick[i] = (int32_t)(bench->next++ % bench->data.set->examples);
        double before = bench_now();
        if (xent_session_run(bench->session, entry, bench->data.set, bench->pick, bench->how.batch, &error) != XENT_OK)
            return report_error(&error);
        if (!bench->calls)
            bench->time[bench->samples++] = bench_now() - before;
    } while (!over(bench, bench->calls ? bench_calls_taken(bench->calls) : bench->samples));
    return EXIT_OK;
}

static int phase(struct bench *bench, const struct xent_model *model, size_t limit)
{
    const struct options *options = bench->options;
    struct xent_session_options how = {.threads = (uint32_t)options->threads};
    struct xent_error error;
    xent_session_destroy(bench->session);
    bench->session = NULL;
    if (xent_session_create(model, &how, &bench->session, &error) != XENT_OK)
        return report_error(&error);
    bench->limit = options->steps && (uint64_t)options->steps < limit ? (size_t)options->steps : limit;
    bench->seconds = options->seconds ? (double)options->seconds : options->steps ? 0 : 1;
    bench->started = bench_now();
    return options->infer ? forward_phase(bench) : train_phase(bench);
}

/* ---- all of it ---- */

static int compile(struct bench *bench)
{
    struct options cold = *bench->options;
    cold.no_cache = true;
    struct xent_compile_options *how = &bench->how_compiled;
    how->wanted = XENT_WANT_STEP | XENT_WANT_EVAL; /* as `train` does */
    if (cold.infer)
        *how = (struct xent_compile_options){.wanted = XENT_WANT_FORWARD, .batch = cold.batch ? 0 : 1};
    int status = compile_model(&cold, how, &bench->compilation);
    if (status != EXIT_OK)
        return status;
    xent_compilation_train_options(bench->compilation, &bench->how);
    bench->how.batch = bench->compilation->batch;
    bench->how.epochs = UINT32_MAX;
    bench->how.log_every = 0;
    bench->how.on_step = on_step;
    bench->how.context = bench;
    bench->how.stop = &bench->stop;
    return EXIT_OK;
}

/* Seconds of a compilation that finds its machine code where the one before left it; -1: there is no cache. */
static double compile_cached(const struct bench *bench)
{
    struct xent_compile_options how = bench->how_compiled;
    double best = -1;
    how.no_cache = bench->options->no_cache;
    for (int i = 0; i < 4 && !how.no_cache; i++) {
        struct xent_compilation *again;
        bool good = xent_compile_file(bench->options->arguments.at[0], &how, &again) == XENT_OK;
        if (good && again->cached && (best < 0 || again->seconds < best))
            best = again->seconds;
        xent_compilation_destroy(again);
    }
    return best;
}

static uint64_t peak_memory(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

static void describe(const struct bench *bench, struct bench_result *result)
{
    const struct xent_compilation *c = bench->compilation;
    const struct xent_entry *entry = xent_model_entry(&c->model, bench->options->infer ? "forward" : "step");
    *result = (struct bench_result){
        .model = c->model.name,
        .data = bench->data.random ? "random examples" : bench->data.set->origin,
        .infer = bench->options->infer,
        .batch = bench->how.batch,
        .steps_of_epoch = (bench->data.of_epoch + bench->how.batch - 1) / bench->how.batch,
        .flops = (double)entry->flops,
        .compile_seconds = c->seconds,
    };
    for (uint32_t i = 0; i < c->model.states; i++)
        if (c->model.state[i].role == XENT_ROLE_PARAMETER)
            result->weight_bytes += c->model.state[i].bytes;
}

static int measure(struct bench *bench, struct bench_result *result)
{
    const struct options *options = bench->options;
    int status = phase(bench, xent_compilation_model(bench->compilation), MOST_SAMPLES);
    if (status != EXIT_OK)
        return status;
    if (bench->samples == 0)
        return report("no whole batch was run: there is nothing to tell");
    result->threads = xent_session_threads(bench->session);
    note_threads(options, bench->session);
    result->peak_memory = peak_memory();
    result->samples = bench->samples;
    result->p05 = bench_percentile(bench->time, bench->samples, 0.05);
    result->p50 = bench_percentile(bench->time, bench->samples, 0.5);

    status = bench_calls_create(bench->compilation, options->infer ? ENTRY_FORWARD : ENTRY_STEP, MOST_CALL_SAMPLES,
                                bench->data.of_epoch, &bench->calls);
    if (status == EXIT_OK)
        status = phase(bench, bench_calls_model(bench->calls), MOST_CALL_SAMPLES);
    if (status != EXIT_OK)
        return status;
    result->call = bench_calls_finish(bench->calls, &result->calls);
    return machine_measure(bench->compilation->target, result->threads, result->weight_bytes, &result->machine);
}

static int run(struct bench *bench)
{
    int status = compile(bench);
    if (status == EXIT_OK)
        status = bench_data_load(bench->compilation, bench->options->data, bench->how.batch, &bench->data);
    if (status != EXIT_OK)
        return status;
    if (bench->data.random)
        report_note("the data set was not found (see --data): random examples instead");
    bench->time = malloc(MOST_SAMPLES * sizeof *bench->time); /* its pages come as they are used */
    bench->pick = malloc(bench->how.batch * sizeof *bench->pick);
    if (!bench->time || !bench->pick)
        return report_no_memory();
    struct bench_result result;
    describe(bench, &result);
    status = measure(bench, &result);
    if (status != EXIT_OK)
        return status;
    result.cached_seconds = compile_cached(bench);
    if (bench->options->json)
        return bench_print_json(&result, stdout) ? EXIT_OK : report_no_memory();
    bench_print(&result, stdout);
    return EXIT_OK;
}

int cmd_bench(const struct options *options)
{
    int status = one_argument(options, "MODEL.net");
    if (status != EXIT_OK)
        return status;
    struct bench *bench = calloc(1, sizeof *bench);
    if (!bench)
        return report_no_memory();
    bench->options = options;
    status = run(bench);
    xent_session_destroy(bench->session);
    bench_calls_destroy(bench->calls);
    bench_data_free(&bench->data);
    xent_compilation_destroy(bench->compilation);
    free(bench->time);
    free(bench->pick);
    free(bench);
    return status;
}
