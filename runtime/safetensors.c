/* safetensors files: eight bytes of header length (little-endian), the JSON header, the data. Whatever the header says
 * is held against the file's size; each byte of the data must belong to exactly one tensor. */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "f32 data is copied as it lies");

struct xent_safetensors_storage {
    char *bytes; /* of the file; NULL where the caller owns them */
    char *names;
    char *path;
    struct xent_stored_tensor *tensor;   /* by place */
    const struct xent_stored_tensor **by_name;
    bool has_gap; /* all is well but that some bytes belong to no tensor */
};

/* --- Checking places --- */

static int compare_places(const void *a, const void *b) {
    const struct rt_header_tensor *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end != y->end ? (x->end < y->end ? -1 : 1) : strcmp(x->tensor.name, y->tensor.name);
}

static int compare_names(const void *a, const void *b) {
    const struct xent_stored_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static enum xent_status check_sizes(const char *path, const struct rt_header *header, uint64_t data_size,
                                    struct xent_error *error) {
    char shape[RT_SHAPE];
    for (uint32_t i = 0; i < header->count; i++) {
        const struct rt_header_tensor *t = &header->at[i];
        if (t->begin > t->end || t->end > data_size)
            return rt_fail(error, XENT_ERROR_DATA,
                           "%s: %s has the offsets [%" PRIu64 ", %" PRIu64 "], but the data has %" PRIu64 " bytes",
                           path, t->tensor.name, t->begin, t->end, data_size);
        if (t->end - t->begin != t->tensor.elements * sizeof(float))
            return rt_fail(error, XENT_ERROR_DATA,
                           "%s: %s has %" PRIu64 " bytes, but its shape %s needs %" PRIu64, path, t->tensor.name,
                           t->end - t->begin, rt_shape(shape, t->tensor.shape, t->tensor.rank),
                           t->tensor.elements * sizeof(float));
    }
    return XENT_OK;
}

static enum xent_status check_cover(const char *path, const struct rt_header *header, uint64_t data_size, bool *out_gap,
                                    struct xent_error *error) {
    uint64_t reached = 0;
    for (uint32_t i = 0; i < header->count; i++) {
        const struct rt_header_tensor *t = &header->at[i];
        if (t->begin < reached)
            return rt_fail(error, XENT_ERROR_DATA,
                           "%s: %s (from byte %" PRIu64 ") overlaps %s (up to byte %" PRIu64 ")",
                           path, t->tensor.name, t->begin, header->at[i - 1].tensor.name, reached);
        if (t->begin > reached)
            break;
        reached = t->end;
    }
    uint64_t next = data_size;
    for (uint32_t i = header->count; i-- && header->at[i].begin > reached;)
        next = header->at[i].begin;
    *out_gap = reached < next;
    if (*out_gap)
        return rt_fail(error, XENT_ERROR_DATA, "%s: bytes %" PRIu64 " to %" PRIu64 " of the data belong to no tensor",
                       path, reached, next - 1);
    return XENT_OK;
}

/* --- The file --- */

static enum xent_status header_length(const char *path, const char *bytes, size_t size, uint64_t *out,
                                      struct xent_error *error) {
    if (size < 8)
        return rt_fail(error, XENT_ERROR_DATA, "%s: %zu bytes are no safetensors file", path, size);
    memcpy(out, bytes, 8);
    if (*out > size - 8)
        return rt_fail(error, XENT_ERROR_DATA,
                       "%s: the header is said to have %" PRIu64
                       " bytes, but the file has only %zu: damaged, or no safetensors file", path, *out, size);
    if (*out < 2 || bytes[8] != '{')
        return rt_fail(error, XENT_ERROR_DATA, "%s: no safetensors file: there is no header of JSON", path);
    return XENT_OK;
}

static enum xent_status index_tensors(struct xent_safetensors *file, const struct rt_header *header, const char *data,
                                      struct xent_error *error) {
    struct xent_safetensors_storage *storage = file->storage;
    uint32_t count = header->count;
    storage->tensor = calloc(count + (size_t)1, sizeof *storage->tensor);
    storage->by_name = calloc(count + (size_t)1, sizeof *storage->by_name);
    if (!storage->tensor || !storage->by_name)
        return rt_fail_memory(error, file->path, count * sizeof *storage->tensor);
    for (uint32_t i = 0; i < count; i++) {
        storage->tensor[i] = header->at[i].tensor;
        storage->tensor[i].data = data + header->at[i].begin;
        storage->by_name[i] = &storage->tensor[i];
    }
    file->tensor = storage->tensor;
    file->count = count;
    if (count)
        qsort(storage->by_name, count, sizeof *storage->by_name, compare_names);
    for (uint32_t i = 1; i < count; i++)
        if (!strcmp(storage->by_name[i - 1]->name, storage->by_name[i]->name))
            return rt_fail(error, XENT_ERROR_DATA, "%s: %s stands there twice", file->path, storage->by_name[i]->name);
    return XENT_OK;
}

static enum xent_status read_tensors(struct xent_safetensors *file, const char *bytes, size_t size,
                                     struct xent_error *error) {
    uint64_t length = 0;
    struct rt_header header = {0};
    enum xent_status status = header_length(file->path, bytes, size, &length, error);
    if (status)
        return status;
    const char *data = bytes + 8 + length;
    uint64_t data_size = size - 8 - length;
    status = rt_header_parse(file->path, bytes + 8, length, &header, error);
    file->storage->names = header.names;
    if (!status && !(status = check_sizes(file->path, &header, data_size, error))) {
        if (header.count)
            qsort(header.at, header.count, sizeof *header.at, compare_places);
        status = index_tensors(file, &header, data, error);
        if (!status)
            status = check_cover(file->path, &header, data_size, &file->storage->has_gap, error);
    }
    free(header.at);
    return status;
}

static enum xent_status new_file(const char *path, struct xent_safetensors **out, struct xent_error *error) {
    struct xent_safetensors *file = calloc(1, sizeof *file);
    struct xent_safetensors_storage *storage = calloc(1, sizeof *storage);
    char *name = strdup(path);
    if (!file || !storage || !name) {
        free(file), free(storage), free(name);
        return rt_fail_memory(error, path, sizeof *file + sizeof *storage);
    }
    storage->path = name;
    file->path = name;
    file->storage = storage;
    *out = file;
    return XENT_OK;
}

enum xent_status xent_safetensors_parse(const char *path, const void *bytes, size_t size,
                                        struct xent_safetensors **out, struct xent_error *error) {
    struct xent_safetensors *file = NULL;
    enum xent_status status = new_file(path, &file, error);
    if (status)
        return status;
    status = read_tensors(file, bytes, size, error);
    if (status)
        xent_safetensors_close(file);
    else
        *out = file;
    return status;
}

enum xent_status xent_safetensors_open(const char *path, const struct xent_named_shape *expected, uint32_t count,
                                       struct xent_safetensors **out, struct xent_error *error) {
    char *bytes;
    size_t size;
    struct xent_safetensors *file = NULL;
    enum xent_status status = rt_file_read(path, &bytes, &size, error);
    if (status)
        return status;
    status = new_file(path, &file, error);
    if (status) {
        free(bytes);
        return status;
    }
    file->storage->bytes = bytes;
    status = read_tensors(file, bytes, size, error);
    if (expected && (!status || file->storage->has_gap)) {
        enum xent_status matched = xent_safetensors_match(file, expected, count, error);
        status = matched ? matched : status;
    }
    if (status)
        xent_safetensors_close(file);
    else
        *out = file;
    return status;
}

void xent_safetensors_close(struct xent_safetensors *file) {
    if (!file)
        return;
    free(file->storage->bytes);
    free(file->storage->names);
    free(file->storage->path);
    free(file->storage->tensor);
    free(file->storage->by_name);
    free(file->storage);
    free(file);
}

/* --- Looking at it --- */

const struct xent_stored_tensor *xent_safetensors_find(const struct xent_safetensors *file, const char *name) {
    const struct xent_stored_tensor key = {.name = name}, *pointer = &key;
    if (!file->count)
        return NULL;
    const struct xent_stored_tensor **found =
        bsearch(&pointer, file->storage->by_name, file->count, sizeof *file->storage->by_name, compare_names);
    return found ? *found : NULL;
}

void xent_stored_read(const struct xent_stored_tensor *tensor, float *out) {
    memcpy(out, tensor->data, tensor->elements * sizeof *out);
}

static bool same_shape(const struct xent_stored_tensor *tensor, const struct xent_named_shape *expected) {
    bool same = tensor->rank == expected->rank;
    for (uint32_t d = 0; same && d < expected->rank; d++)
        same = tensor->shape[d] == expected->shape[d];
    return same;
}

/* The expected names, sorted, so that extra tensors are found without a quadratic search. */
static int compare_strings(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum xent_status list_extra(const struct xent_safetensors *file, const struct xent_named_shape *expected,
                                   uint32_t count, struct rt_list *list, struct xent_error *error) {
    const char **names = malloc((count + (size_t)1) * sizeof *names);
    if (!names)
        return rt_fail_memory(error, file->path, count * sizeof *names);
    for (uint32_t i = 0; i < count; i++)
        names[i] = expected[i].name;
    if (count)
        qsort(names, count, sizeof *names, compare_strings);
    for (uint32_t i = 0; i < file->count; i++)
        if (!count || !bsearch(&file->tensor[i].name, names, count, sizeof *names, compare_strings))
            rt_list_add(list, ", ", "%s", file->tensor[i].name);
    free(names);
    return XENT_OK;
}

static void add_group(struct rt_list *message, const char *title, const struct rt_list *group) {
    if (!group->length)
        return;
    size_t space = sizeof message->text - message->length;
    int length = snprintf(message->text + message->length, space, "; %s: %.900s", title, group->text);
    message->length += (size_t)length < space ? (size_t)length : space - 1;
    message->dropped += group->dropped + (group->length > 900);
}

enum xent_status xent_safetensors_match(const struct xent_safetensors *file, const struct xent_named_shape *expected,
                                        uint32_t count, struct xent_error *error) {
    struct rt_list missing = {0}, extra = {0}, misshapen = {0}, message = {0};
    char a[RT_SHAPE], b[RT_SHAPE];
    for (uint32_t i = 0; i < count; i++) {
        const struct xent_stored_tensor *tensor = xent_safetensors_find(file, expected[i].name);
        if (!tensor)
            rt_list_add(&missing, ", ", "%s", expected[i].name);
        else if (!same_shape(tensor, &expected[i]))
            rt_list_add(&misshapen, ", ", "%s is %s, the model's is %s", expected[i].name,
                        rt_shape(a, tensor->shape, tensor->rank), rt_shape(b, expected[i].shape, expected[i].rank));
    }
    enum xent_status status = list_extra(file, expected, count, &extra, error);
    if (status || !(missing.length + extra.length + misshapen.length))
        return status;
    add_group(&message, "missing", &missing);
    add_group(&message, "extra", &extra);
    add_group(&message, "of another shape", &misshapen);
    return rt_fail(error, XENT_ERROR_DATA, "%s: these are not the model's parameters%s%s", file->path, message.text,
                   message.dropped ? ", and more" : "");
}
