/* idx files: two zero bytes, the type (8: u8), the number of dimensions, each as big-endian u32, then the bytes. Plain
 * or gzipped; a gzipped file is unpacked no further than its header says, and the header must be possible for a file
 * of its size. */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>

enum { IDX_MAX_DIMS = XENT_MAX_RANK + 1, IDX_LABELS = 0x0801, IDX_IMAGES = 0x0803, DEFLATE_MOST = 1032 };

struct idx {
    struct rt_blob blob;
    uint32_t dims;
    uint64_t extent[IDX_MAX_DIMS];
    const unsigned char *data;
};

static void blob_release(struct rt_blob *blob) {
    free(blob->heap);
    if (blob->map)
        munmap(blob->map, blob->map_size);
    *blob = (struct rt_blob){0};
}

static uint32_t big_endian(const unsigned char *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool is_gzip(const unsigned char *bytes, size_t size) {
    return size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

/* --- Header --- */

/* The header's own length, 0 when the first four bytes begin no file of labels, or of images. */
static size_t header_size(const unsigned char magic[4], bool labels) {
    bool dims = labels ? magic[3] == 1 : magic[3] >= 2 && magic[3] <= IDX_MAX_DIMS;
    bool right = !magic[0] && !magic[1] && magic[2] == 8 && dims;
    return right ? 4 + 4 * (size_t)magic[3] : 0;
}

static const char *idx_type(unsigned char type) {
    static const struct {
        unsigned char type;
        const char *name;
    } types[] = {{0x08, "unsigned bytes"}, {0x09, "signed bytes"}, {0x0b, "16-bit integers"},
                 {0x0c, "32-bit integers"}, {0x0d, "floats"}, {0x0e, "doubles"}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].type == type)
            return types[i].name;
    return NULL;
}

/* "PATH: magic 0x00000d03: floats in 3 dimensions; a file of images begins with 0x00000803: …" */
static enum xent_status fail_magic(const char *path, const unsigned char bytes[4], bool labels,
                                   struct xent_error *error) {
    uint32_t magic = big_endian(bytes);
    const char *type = idx_type(bytes[2]);
    char found[96];
    if (bytes[0] || bytes[1] || !type)
        snprintf(found, sizeof found, "no idx file");
    else if (magic == (labels ? IDX_IMAGES : IDX_LABELS))
        snprintf(found, sizeof found, "these are %s", labels ? "images" : "labels");
    else
        snprintf(found, sizeof found, "%s in %d dimension%s", type, bytes[3], bytes[3] == 1 ? "" : "s");
    if (labels)
        return rt_fail(error, XENT_ERROR_DATA,
                       "%s: magic 0x%08" PRIx32 ": %s; an idx file of labels begins with 0x%08x: unsigned bytes in 1 "
                       "dimension",
                       path, magic, found, IDX_LABELS);
    return rt_fail(error, XENT_ERROR_DATA,
                   "%s: magic 0x%08" PRIx32 ": %s; an idx file of images begins with 0x%08x: unsigned bytes in 3 "
                   "dimensions (2 to %d are read)",
                   path, magic, found, IDX_IMAGES, IDX_MAX_DIMS);
}

/* "magic 0x00000804: 4 dimensions", so that wrong dimensions show where the sizes do not fit. Returns `out`. */
enum { DESCRIPTION = 48 };
static const char *describe(char out[DESCRIPTION], const unsigned char header[4]) {
    snprintf(out, DESCRIPTION, "magic 0x%08" PRIx32 ": %d dimension%s", big_endian(header), header[3],
             header[3] == 1 ? "" : "s");
    return out;
}

/* Header plus data, from a whole header. */
static enum xent_status total_size(const char *path, const unsigned char *header, uint64_t *out,
                                   struct xent_error *error) {
    uint64_t bytes = 1;
    char what[DESCRIPTION];
    for (uint32_t d = 0; d < header[3]; d++)
        if (__builtin_mul_overflow(bytes, (uint64_t)big_endian(header + 4 + 4 * d), &bytes) || bytes > INT64_MAX / 2)
            return rt_fail(error, XENT_ERROR_DATA, "%s: %s: the header's dimensions overflow", path,
                           describe(what, header));
    *out = bytes + 4 + 4 * (uint64_t)header[3];
    return XENT_OK;
}

/* --- gzip --- */

struct gzip {
    z_stream stream;
    const char *path;
    bool ended; /* after the last member */
    struct xent_error *error;
};

static enum xent_status gzip_fail(struct gzip *gzip, int result) {
    const char *cause = result == Z_BUF_ERROR  ? "ends in the middle of its gzip data"
                        : result == Z_NEED_DICT ? "needs a gzip dictionary"
                        : gzip->stream.msg      ? gzip->stream.msg
                                                : "is damaged";
    if (result == Z_MEM_ERROR)
        return rt_fail(gzip->error, XENT_ERROR_MEMORY, "%s: no memory to unpack it", gzip->path);
    return rt_fail(gzip->error, XENT_ERROR_DATA, "%s: gzip: %s", gzip->path, cause);
}

/* Unpacks up to `size` bytes; fewer at the end of the last member. Members may follow each other, nothing else may. */
static enum xent_status gzip_read(struct gzip *gzip, unsigned char *out, size_t size, size_t *got) {
    z_stream *stream = &gzip->stream;
    *got = 0;
    while (*got < size && !gzip->ended) {
        size_t step = size - *got < 1 << 30 ? size - *got : 1 << 30;
        stream->next_out = out + *got;
        stream->avail_out = (uInt)step;
        int result = inflate(stream, Z_NO_FLUSH);
        *got += step - stream->avail_out;
        if (result == Z_STREAM_END) {
            if (!stream->avail_in)
                gzip->ended = true;
            else if (!is_gzip(stream->next_in, stream->avail_in))
                return rt_fail(gzip->error, XENT_ERROR_DATA, "%s: %u bytes of something else follow the gzip data",
                               gzip->path, stream->avail_in);
            else if ((result = inflateReset(stream)) != Z_OK)
                return gzip_fail(gzip, result);
        } else if (result != Z_OK) {
            return gzip_fail(gzip, result);
        }
    }
    return XENT_OK;
}

static enum xent_status gzip_short(const struct gzip *gzip, const unsigned char *header, uint64_t want, uint64_t got) {
    char what[DESCRIPTION];
    if (got < 4)
        return rt_fail(gzip->error, XENT_ERROR_DATA, "%s: unpacks to %" PRIu64 " bytes, which are no idx file",
                       gzip->path, got);
    return rt_fail(gzip->error, XENT_ERROR_DATA, "%s: %s: unpacks to %" PRIu64 " bytes, its header wants %" PRIu64,
                   gzip->path, describe(what, header), got, want);
}

static enum xent_status unpack_from(struct gzip *gzip, size_t packed, bool labels, struct rt_blob *out) {
    unsigned char header[4 + 4 * IDX_MAX_DIMS], extra;
    char what[DESCRIPTION];
    size_t got, have;
    enum xent_status status = gzip_read(gzip, header, 4, &got);
    if (status)
        return status;
    if (got < 4)
        return gzip_short(gzip, header, 4, got);
    size_t length = header_size(header, labels);
    if (!length)
        return fail_magic(gzip->path, header, labels, gzip->error);
    uint64_t total;
    if ((status = gzip_read(gzip, header + 4, length - 4, &got)))
        return status;
    if (got < length - 4)
        return gzip_short(gzip, header, length, got + 4);
    if ((status = total_size(gzip->path, header, &total, gzip->error)))
        return status;
    if (total / DEFLATE_MOST > packed)
        return rt_fail(gzip->error, XENT_ERROR_DATA, "%s: %s: the header wants %" PRIu64 " bytes, which %zu packed "
                       "ones cannot hold", gzip->path, describe(what, header), total, packed);
    if (!(out->heap = malloc(total)))
        return rt_fail_memory(gzip->error, gzip->path, total);
    memcpy(out->heap, header, length);
    out->bytes = out->heap;
    out->size = total;
    if ((status = gzip_read(gzip, (unsigned char *)out->heap + length, total - length, &got)))
        return status;
    have = length + got;
    if (have < total)
        return gzip_short(gzip, header, total, have);
    if (!(status = gzip_read(gzip, &extra, 1, &got)) && got)
        status = rt_fail(gzip->error, XENT_ERROR_DATA, "%s: unpacks to more than the %" PRIu64 " bytes of its header",
                         gzip->path, total);
    return status;
}

static enum xent_status unpack(const char *path, const char *packed, size_t size, bool labels, struct rt_blob *out,
                               struct xent_error *error) {
    struct gzip gzip = {.path = path, .error = error};
    if (size > UINT32_MAX)
        return rt_fail(error, XENT_ERROR_DATA, "%s: %zu gzipped bytes are too many", path, size);
    gzip.stream.next_in = (Bytef *)(uintptr_t)packed;
    gzip.stream.avail_in = (uInt)size;
    int result = inflateInit2(&gzip.stream, 16 + MAX_WBITS);
    if (result != Z_OK)
        return gzip_fail(&gzip, result);
    enum xent_status status = unpack_from(&gzip, size, labels, out);
    inflateEnd(&gzip.stream);
    if (status)
        blob_release(out);
    return status;
}

/* --- One file --- */

static enum xent_status load_blob(const char *path, bool labels, struct rt_blob *out, struct xent_error *error) {
    struct stat status;
    unsigned char first[4];
    size_t size;
    enum xent_status result = rt_file_peek(path, first, &size, error);
    if (result)
        return result;
    bool cached = is_gzip(first, size) && stat(path, &status) == 0;
    if (cached && rt_cache_find(path, &status, out))
        return XENT_OK;
    char *bytes;
    if ((result = rt_file_read(path, &bytes, &size, error)))
        return result;
    if (!is_gzip((unsigned char *)bytes, size)) {
        *out = (struct rt_blob){.bytes = (unsigned char *)bytes, .size = size, .heap = bytes};
        return XENT_OK;
    }
    result = unpack(path, bytes, size, labels, out, error);
    free(bytes);
    if (!result && cached)
        rt_cache_store(path, &status, out->bytes, out->size);
    return result;
}

static enum xent_status check_header(struct idx *idx, const char *path, bool labels, struct xent_error *error) {
    const unsigned char *bytes = idx->blob.bytes;
    size_t size = idx->blob.size;
    char what[DESCRIPTION];
    if (size < 4)
        return rt_fail(error, XENT_ERROR_DATA, "%s: %zu bytes are no idx file", path, size);
    size_t length = header_size(bytes, labels);
    if (!length)
        return fail_magic(path, bytes, labels, error);
    if (size < length)
        return rt_fail(error, XENT_ERROR_DATA, "%s: %s: the file ends in its header, after %zu of %zu bytes", path,
                       describe(what, bytes), size, length);
    uint64_t total;
    enum xent_status status = total_size(path, bytes, &total, error);
    if (status)
        return status;
    idx->dims = bytes[3];
    for (uint32_t d = 0; d < idx->dims; d++)
        idx->extent[d] = big_endian(bytes + 4 + 4 * d);
    idx->data = bytes + length;
    if (size != total)
        return rt_fail(error, XENT_ERROR_DATA, "%s: %s: %zu bytes, but its header (%" PRIu64 " %s) wants %" PRIu64,
                       path, describe(what, bytes), size, idx->extent[0], labels ? "labels" : "images", total);
    if (!idx->extent[0] || idx->extent[0] > INT32_MAX)
        return rt_fail(error, XENT_ERROR_DATA, "%s: %" PRIu64 " examples: 1 to 2147483647 are possible", path,
                       idx->extent[0]);
    return XENT_OK;
}

static enum xent_status open_idx(const char *path, bool labels, struct idx *out, struct xent_error *error) {
    enum xent_status status = load_blob(path, labels, &out->blob, error);
    if (!status && (status = check_header(out, path, labels, error)))
        blob_release(&out->blob);
    return status;
}

/* --- As a data set --- */

static bool shapes_agree(const struct xent_dataset *dataset, const int64_t *image, uint32_t rank) {
    const struct xent_data_spec *spec = &dataset->spec;
    uint64_t elements = 1;
    for (uint32_t d = 0; d < rank; d++)
        elements *= (uint64_t)image[d]; /* checked by total_size */
    if (elements != dataset->elements)
        return false;
    if (spec->rank == 1)
        return true;
    uint32_t a = 0, b = 0;
    while (a < rank && image[a] == 1)
        a++;
    while (b < spec->rank && spec->shape[b] == 1)
        b++;
    return rank - a == spec->rank - b && !memcmp(image + a, spec->shape + b, (rank - a) * sizeof *image);
}

static enum xent_status take_images(struct xent_dataset *dataset, const char *path, struct xent_error *error) {
    struct idx idx = {0};
    char a[RT_SHAPE], b[RT_SHAPE];
    const struct xent_data_spec *spec = &dataset->spec;
    if (spec->dtype != XENT_U8)
        return rt_fail(error, XENT_ERROR_DATA, "%s: idx files hold u8, but the input is f32%s", path,
                       rt_shape(b, spec->shape, spec->rank));
    enum xent_status status = open_idx(path, false, &idx, error);
    if (status)
        return status;
    int64_t image[IDX_MAX_DIMS];
    for (uint32_t d = 1; d < idx.dims; d++)
        image[d - 1] = (int64_t)idx.extent[d];
    if (!shapes_agree(dataset, image, idx.dims - 1)) {
        blob_release(&idx.blob);
        return rt_fail(error, XENT_ERROR_DATA, "%s: images are %s, but the input is %s", path,
                       rt_shape(a, image, idx.dims - 1), rt_shape(b, spec->shape, spec->rank));
    }
    struct xent_storage *storage = dataset->storage;
    if (idx.blob.heap)
        storage->heap[storage->heaps++] = idx.blob.heap;
    if (idx.blob.map) {
        storage->map_size[storage->maps] = idx.blob.map_size;
        storage->map[storage->maps++] = idx.blob.map;
    }
    dataset->inputs = idx.data;
    dataset->examples = idx.extent[0];
    return XENT_OK;
}

static enum xent_status copy_labels(struct xent_dataset *dataset, const struct idx *idx, const char *path,
                                    const char *images, struct xent_error *error) {
    if (idx->extent[0] != dataset->examples)
        return rt_fail(error, XENT_ERROR_DATA, "%s: %" PRIu64 " labels, but %s has %" PRIu64 " images", path,
                       idx->extent[0], images, dataset->examples);
    void *at;
    enum xent_status status = rt_dataset_alloc(dataset, dataset->examples, 1, sizeof(int32_t), path, &at, error);
    if (status)
        return status;
    int32_t *classes = at;
    dataset->classes = classes;
    for (uint64_t i = 0; i < dataset->examples; i++) {
        classes[i] = idx->data[i];
        if (!rt_class_fits(&dataset->spec, classes[i]))
            return rt_fail_class(error, path, i, classes[i], &dataset->spec);
    }
    return XENT_OK;
}

static enum xent_status take_labels(struct xent_dataset *dataset, const char *path, const char *images,
                                    struct xent_error *error) {
    struct idx idx = {0};
    if (dataset->spec.target != XENT_TARGET_CLASS || !path)
        return rt_fail(error, XENT_ERROR_DATA, "%s: idx files hold classes, but the target is prob[%" PRIu32 "]",
                       path ? path : images, dataset->spec.classes);
    enum xent_status status = open_idx(path, true, &idx, error);
    if (status)
        return status;
    status = copy_labels(dataset, &idx, path, images, error);
    blob_release(&idx.blob);
    return status;
}

enum xent_status xent_dataset_load_idx(const struct xent_data_spec *spec, const char *images, const char *labels,
                                       struct xent_dataset **out, struct xent_error *error) {
    struct xent_dataset *dataset;
    enum xent_status status = rt_dataset_new(spec, images, &dataset, error);
    if (status)
        return status;
    status = take_images(dataset, images, error);
    if (!status && spec->target != XENT_TARGET_NONE)
        status = take_labels(dataset, labels, images, error);
    if (status)
        xent_dataset_destroy(dataset);
    else
        *out = dataset;
    return status;
}
