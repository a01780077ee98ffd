/* Data sets as such: their spec, storage, and examples from memory. */
#include "internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum xent_status xent_data_spec_of(const struct xent_model *model, struct xent_data_spec *out,
                                   struct xent_error *error) {
    *out = (struct xent_data_spec){0};
    uint32_t inputs = 0, targets = 0;
    for (uint32_t i = 0; i < model->feeds; i++) {
        const struct xent_feed *feed = &model->feed[i];
        if (feed->rank > XENT_MAX_RANK)
            return rt_fail(error, XENT_ERROR_ARGUMENT, "model %s: feed %s is malformed", model->name, feed->name);
        if (feed->kind == XENT_FEED_INPUT) {
            inputs++;
            out->dtype = feed->dtype;
            out->rank = feed->rank;
            memcpy(out->shape, feed->shape, feed->rank * sizeof *feed->shape);
        } else if (feed->kind == XENT_FEED_CLASS_TARGET || feed->kind == XENT_FEED_PROB_TARGET) {
            targets++;
            out->target = feed->kind == XENT_FEED_CLASS_TARGET ? XENT_TARGET_CLASS : XENT_TARGET_PROB;
            out->classes = feed->classes;
            out->ignore_index = feed->kind == XENT_FEED_CLASS_TARGET ? feed->ignore_index : 0;
        }
    }
    if (inputs != 1 || targets > 1)
        return rt_fail(error, XENT_ERROR_ARGUMENT,
                       "model %s has %" PRIu32 " inputs and %" PRIu32 " targets: a data set serves one input and at "
                       "most one target",
                       model->name, inputs, targets);
    return XENT_OK;
}

static enum xent_status count_elements(const struct xent_data_spec *spec, const char *origin, uint64_t *out,
                                       struct xent_error *error) {
    uint64_t elements = 1;
    bool fits = spec->rank <= XENT_MAX_RANK && (spec->dtype == XENT_U8 || spec->dtype == XENT_F32);
    for (uint32_t d = 0; fits && d < spec->rank; d++)
        fits = spec->shape[d] > 0 && !__builtin_mul_overflow(elements, (uint64_t)spec->shape[d], &elements);
    if (!fits || elements > INT64_MAX / sizeof(double) || (spec->target != XENT_TARGET_NONE && !spec->classes) ||
        spec->classes > INT32_MAX || spec->target > XENT_TARGET_PROB)
        return rt_fail(error, XENT_ERROR_ARGUMENT, "%s: no data set can have examples of this shape", origin);
    *out = elements;
    return XENT_OK;
}

enum xent_status rt_dataset_new(const struct xent_data_spec *spec, const char *origin, struct xent_dataset **out,
                                struct xent_error *error) {
    uint64_t elements = 0;
    enum xent_status status = count_elements(spec, origin, &elements, error);
    if (status)
        return status;
    struct xent_dataset *dataset = calloc(1, sizeof *dataset);
    struct xent_storage *storage = calloc(1, sizeof *storage);
    char *name = strdup(origin);
    if (!dataset || !storage || !name) {
        free(dataset), free(storage), free(name);
        return rt_fail_memory(error, origin, sizeof *dataset + sizeof *storage);
    }
    dataset->spec = *spec;
    dataset->elements = elements;
    dataset->origin = name;
    dataset->storage = storage;
    *out = dataset;
    return XENT_OK;
}

enum xent_status rt_dataset_alloc(struct xent_dataset *dataset, uint64_t count, uint64_t each, size_t size,
                                  const char *path, void **out, struct xent_error *error) {
    uint64_t bytes;
    struct xent_storage *storage = dataset->storage;
    if (__builtin_mul_overflow(count, each, &bytes) || __builtin_mul_overflow(bytes, (uint64_t)size, &bytes) ||
        bytes > INT64_MAX)
        return rt_fail(error, XENT_ERROR_MEMORY, "%s: %" PRIu64 " examples of %" PRIu64 " numbers are too many", path,
                       count, each);
    *out = malloc(bytes ? bytes : 1);
    if (!*out)
        return rt_fail_memory(error, path, bytes);
    storage->heap[storage->heaps++] = *out;
    return XENT_OK;
}

bool rt_class_fits(const struct xent_data_spec *spec, int32_t class_index) {
    return (class_index >= 0 && (uint32_t)class_index < spec->classes) || class_index == spec->ignore_index;
}

enum xent_status rt_fail_class(struct xent_error *error, const char *place, uint64_t example, int32_t class_index,
                               const struct xent_data_spec *spec) {
    return rt_fail(error, XENT_ERROR_DATA,
                   "%s: example %" PRIu64 " (counted from 0) has class %" PRId32 ", which is outside 0 to %" PRIu32
                   " and is not the ignored %" PRId32,
                   place, example, class_index, spec->classes - 1, spec->ignore_index);
}

static enum xent_status check_memory(const struct xent_dataset *dataset, struct xent_error *error) {
    const struct xent_data_spec *spec = &dataset->spec;
    if (!dataset->examples || dataset->examples > INT32_MAX)
        return rt_fail(error, XENT_ERROR_ARGUMENT, "memory: %" PRIu64 " examples: 1 to 2147483647 are possible",
                       dataset->examples);
    bool classes = spec->target == XENT_TARGET_CLASS, probs = spec->target == XENT_TARGET_PROB;
    if (!dataset->inputs || (classes && !dataset->classes) || (probs && !dataset->probs))
        return rt_fail(error, XENT_ERROR_ARGUMENT, "memory: inputs or targets are missing");
    for (uint64_t i = 0; classes && i < dataset->examples; i++)
        if (!rt_class_fits(spec, dataset->classes[i]))
            return rt_fail_class(error, "memory", i, dataset->classes[i], spec);
    return XENT_OK;
}

enum xent_status xent_dataset_from_memory(const struct xent_data_spec *spec, uint64_t examples, const void *inputs,
                                          const int32_t *classes, const float *probs, struct xent_dataset **out,
                                          struct xent_error *error) {
    struct xent_dataset *dataset;
    enum xent_status status = rt_dataset_new(spec, "memory", &dataset, error);
    if (status)
        return status;
    dataset->examples = examples;
    dataset->inputs = inputs;
    dataset->classes = spec->target == XENT_TARGET_CLASS ? classes : NULL;
    dataset->probs = spec->target == XENT_TARGET_PROB ? probs : NULL;
    status = check_memory(dataset, error);
    if (status)
        xent_dataset_destroy(dataset);
    else
        *out = dataset;
    return status;
}

void xent_dataset_destroy(struct xent_dataset *dataset) {
    if (!dataset)
        return;
    for (uint32_t i = 0; i < dataset->storage->heaps; i++)
        free(dataset->storage->heap[i]);
    for (uint32_t i = 0; i < dataset->storage->maps; i++)
        munmap(dataset->storage->map[i], dataset->storage->map_size[i]);
    free(dataset->storage);
    free((char *)dataset->origin);
    free(dataset);
}
