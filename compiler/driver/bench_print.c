/* What `xentc bench` found, as a table or as one JSON object. */
#include "bench.h"

#include <inttypes.h>

static double percent(const struct bench_result *result)
{
    return 100 * result->flops / result->p05 / result->machine.flops;
}

static double percent_of_roofline(const struct bench_result *result, const struct call_time *call)
{
    double least = machine_roofline(&result->machine, call);
    return call->p05 > 0 ? 100 * least / call->p05 : 0;
}

/* Of the step: the least times of its kernels, one after the other. */
static double percent_of_all_rooflines(const struct bench_result *result)
{
    double least = 0;
    for (size_t i = 0; i < result->calls; i++)
        least += machine_roofline(&result->machine, &result->call[i]);
    return 100 * least / result->p05;
}

static void print_bytes(double bytes, FILE *out)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB"};
    int unit = 0;
    for (; unit < 3 && bytes >= 1024; unit++)
        bytes /= 1024;
    fprintf(out, "%.*f %s", bytes < 10 && unit ? 1 : 0, bytes, units[unit]);
}

static void print_machine(const struct machine *machine, FILE *out)
{
    fprintf(out, "machine   %.1f GFLOP/s by fma; reads %.1f GB/s from memory", 1e-9 * machine->flops,
            1e-9 * machine->bandwidth);
    for (uint32_t i = 0; i < machine->rungs; i += 2) {
        fprintf(out, "%s%.0f (%.0f) of ", i ? ", " : "\n          GB/s read (updated): ", 1e-9 * machine->rung[i].read,
                1e-9 * machine->rung[i].update);
        print_bytes(machine->rung[i].bytes, out);
    }
    fputc('\n', out);
}

static void print_times(const struct bench_result *result, FILE *out)
{
    const char *what = result->infer ? "call" : "step";
    double steps = (double)result->steps_of_epoch;
    fprintf(out, "%s      %.1f us at the 5th percentile, %.1f median, of %zu: %.1f GFLOP/s, %.1f %% of peak,\n"
            "          %.1f %% of the roofline\n", what, 1e6 * result->p05, 1e6 * result->p50, result->samples,
            1e-9 * result->flops / result->p05, percent(result), percent_of_all_rooflines(result));
    if (!result->infer)
        fprintf(out, "epoch     %.3f s, %.3f s median: %" PRIu64 " steps\n", result->p05 * steps, result->p50 * steps,
                result->steps_of_epoch);
    else if (result->machine.read_seconds > 0) {
        fprintf(out, "weights   ");
        print_bytes((double)result->weight_bytes, out);
        fprintf(out, ", read once in %.1f us: a call takes %.2f of that\n", 1e6 * result->machine.read_seconds,
                result->p05 / result->machine.read_seconds);
    }
    fprintf(out, "compile   %.1f ms", 1e3 * result->compile_seconds);
    if (result->cached_seconds >= 0)
        fprintf(out, ", %.1f ms from the cache", 1e3 * result->cached_seconds);
    fputs("\nmemory    ", out);
    print_bytes((double)result->peak_memory, out);
    fputs(" resident at most\n\n", out);
}

void bench_print(const struct bench_result *result, FILE *out)
{
    fprintf(out, "%s: %s, batch %" PRIu32 ", %" PRIu32 " thread%s, on %s\n", result->model,
            result->infer ? "forward" : "training", result->batch, result->threads, result->threads == 1 ? "" : "s",
            result->data);
    print_machine(&result->machine, out);
    print_times(result, out);
    int width = 6;
    for (size_t i = 0; i < result->calls; i++)
        for (int length = snprintf(NULL, 0, "%s", result->call[i].name); width < length;)
            width = length;
    fprintf(out, "%-*s %9s %9s %9s %9s %9s %10s\n", width, "kernel", "us p05", "us p50", "MFLOP", "KiB", "GFLOP/s",
            "% roofline");
    struct call_time total = {.name = "sum"};
    for (size_t i = 0; i <= result->calls; i++) {
        const struct call_time *call = i < result->calls ? &result->call[i] : &total;
        fprintf(out, "%-*s %9.1f %9.1f %9.3f %9.1f %9.1f", width, call->name, 1e6 * call->p05, 1e6 * call->p50,
                1e-6 * (double)call->flops, (double)call->bytes / 1024,
                call->p05 > 0 ? 1e-9 * (double)call->flops / call->p05 : 0);
        if (call != &total)
            fprintf(out, " %10.1f", percent_of_roofline(result, call));
        fputc('\n', out);
        total.p05 += call->p05;
        total.p50 += call->p50;
        total.flops += call->flops;
        total.bytes += call->bytes;
    }
}

static void add_kernels(const struct bench_result *result, cJSON *object)
{
    cJSON *kernels = cJSON_AddArrayToObject(object, "kernels");
    for (size_t i = 0; i < result->calls; i++) {
        const struct call_time *call = &result->call[i];
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", call->name);
        json_add_number(row, "us_p05", 1e6 * call->p05, 6);
        json_add_number(row, "us_p50", 1e6 * call->p50, 6);
        json_add_number(row, "flops", (double)call->flops, 17);
        json_add_number(row, "bytes", (double)call->bytes, 17);
        json_add_number(row, "percent_of_roofline", percent_of_roofline(result, call), 4);
        cJSON_AddItemToArray(kernels, row);
    }
}

bool bench_print_json(const struct bench_result *result, FILE *out)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "model", result->model);
    json_add_number(object, "threads", result->threads, 9);
    json_add_number(object, "batch", result->batch, 9);
    if (!result->infer) {
        json_add_number(object, "s_epoch_p05", result->p05 * (double)result->steps_of_epoch, 6);
        json_add_number(object, "s_epoch_p50", result->p50 * (double)result->steps_of_epoch, 6);
    }
    json_add_number(object, "us_p05", 1e6 * result->p05, 6);
    json_add_number(object, "us_p50", 1e6 * result->p50, 6);
    if (result->infer) {
        json_add_number(object, "weight_bytes", (double)result->weight_bytes, 17);
        json_add_number(object, "us_read_weights", 1e6 * result->machine.read_seconds, 6);
    }
    json_add_number(object, "gflops", 1e-9 * result->flops / result->p05, 6);
    json_add_number(object, "peak_gflops", 1e-9 * result->machine.flops, 6);
    json_add_number(object, "percent_of_peak", percent(result), 4);
    json_add_number(object, "percent_of_roofline", percent_of_all_rooflines(result), 4);
    json_add_number(object, "compile_ms", 1e3 * result->compile_seconds, 5);
    if (result->cached_seconds >= 0)
        json_add_number(object, "cached_ms", 1e3 * result->cached_seconds, 5);
    else
        cJSON_AddNullToObject(object, "cached_ms");
    json_add_number(object, "peak_memory_bytes", (double)result->peak_memory, 17);
    json_add_number(object, "bandwidth_gbps", 1e-9 * result->machine.bandwidth, 5);
    add_kernels(result, object);
    return json_line(out, object);
}
