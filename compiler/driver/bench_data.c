/* The examples that `xentc bench` runs on: the model's own, or random ones of the same kind. */
#include "bench.h"

#include <xent/random.h>

#include <stdlib.h>

enum { EXAMPLES = 60000, MOST_BYTES = 1 << 26 }; /* as many as MNIST, unless they are large */

struct random_examples {
    void *inputs;
    int32_t *classes;
    float *probs;
    uint64_t count;
};

static void draw(struct random_examples *examples, const struct xent_data_spec *spec, uint64_t elements)
{
    const uint32_t key[2] = {1, 0};
    uint32_t word[4];
    uint64_t total = examples->count * elements, each = spec->dtype == XENT_U8 ? 16 : 4;
    for (uint64_t i = 0; i < total; i += each) {
        uint32_t counter[4] = {(uint32_t)(i / each), (uint32_t)(i / each >> 32), 0, 0};
        xent_philox4x32(counter, key, word);
        for (uint64_t k = 0; k < each && i + k < total; k++)
            if (spec->dtype == XENT_U8)
                ((uint8_t *)examples->inputs)[i + k] = (uint8_t)(word[k / 4] >> 8 * (k % 4));
            else
                ((float *)examples->inputs)[i + k] = xent_uniform(word[k], 1);
    }
    for (uint64_t i = 0; i < examples->count; i++) {
        if (examples->classes)
            examples->classes[i] = (int32_t)(i % spec->classes);
        for (uint32_t c = 0; examples->probs && c < spec->classes; c++)
            examples->probs[i * spec->classes + c] = 1.0f / (float)spec->classes;
    }
}

static int random_data(const struct xent_model *model, uint32_t batch, struct bench_data *out)
{
    struct xent_data_spec spec;
    struct xent_error error;
    if (xent_data_spec_of(model, &spec, &error) != XENT_OK)
        return report_error(&error);
    struct random_examples examples = {0};
    uint64_t elements = 1;
    for (uint32_t d = 0; d < spec.rank; d++)
        elements *= (uint64_t)spec.shape[d];
    uint64_t bytes = elements * (spec.dtype == XENT_U8 ? 1 : 4);
    examples.count = MOST_BYTES / bytes < EXAMPLES ? MOST_BYTES / bytes : EXAMPLES;
    if (examples.count < batch)
        examples.count = batch;
    examples.inputs = out->memory[0] = calloc(examples.count, bytes);
    if (spec.target == XENT_TARGET_CLASS)
        out->memory[1] = examples.classes = calloc(examples.count, sizeof *examples.classes);
    else if (spec.target == XENT_TARGET_PROB)
        out->memory[1] = examples.probs = calloc(examples.count * spec.classes, sizeof *examples.probs);
    if (!examples.inputs || (spec.target != XENT_TARGET_NONE && !out->memory[1]))
        return report_no_memory();
    draw(&examples, &spec, elements);
    out->random = true;
    out->of_epoch = EXAMPLES;
    if (xent_dataset_from_memory(&spec, examples.count, examples.inputs, examples.classes, examples.probs, &out->set,
                                 &error) != XENT_OK)
        return report_error(&error);
    return EXIT_OK;
}

/* No data section, no file, or no folder with the named source; what is there and wrong is an error. */
static bool is_missing(const struct xent_compilation *compilation, enum xent_status status)
{
    enum data_kind kind = compilation->ir->data.kind;
    char folder[4096];
    struct xent_error error;
    if (kind == DATA_CSV || kind == DATA_NONE)
        return status == XENT_ERROR_IO || !xent_compilation_has_split(compilation, XENT_SPLIT_TRAIN);
    return xent_source_folder(kind == DATA_MNIST ? XENT_SOURCE_MNIST : XENT_SOURCE_FASHION_MNIST, NULL, folder,
                              sizeof folder, &error) != XENT_OK;
}

int bench_data_load(const struct xent_compilation *compilation, const char *folder, uint32_t batch,
                    struct bench_data *out)
{
    struct xent_error error;
    enum xent_status status =
        xent_compilation_load_data(compilation, XENT_SPLIT_TRAIN, folder, 0, &out->set, &error);
    if (status == XENT_OK && out->set->examples < batch)
        return report("a batch of %u, but %s has %llu examples", (unsigned)batch, out->set->origin,
                      (unsigned long long)out->set->examples);
    if (status == XENT_OK) {
        out->of_epoch = out->set->examples;
        return EXIT_OK;
    }
    if (folder || !is_missing(compilation, status))
        return report_error(&error);
    return random_data(xent_compilation_model(compilation), batch, out);
}

void bench_data_free(struct bench_data *data)
{
    xent_dataset_destroy(data->set);
    free(data->memory[0]);
    free(data->memory[1]);
}
