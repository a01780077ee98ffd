#include "check.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { COUNT = 5, ROWS = 3, COLUMNS = 2, DATA = COUNT * ROWS * COLUMNS };

static const struct xent_data_spec spec = {.dtype = XENT_U8, .rank = 3, .shape = {1, ROWS, COLUMNS},
                                           .target = XENT_TARGET_CLASS, .classes = 10, .ignore_index = -100};

/* Bytes of a file under construction. */
struct bytes {
    unsigned char at[4096];
    size_t size;
};

static void put_u32(struct bytes *bytes, uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8)
        bytes->at[bytes->size++] = (unsigned char)(value >> shift);
}

static struct bytes images(uint32_t magic, uint32_t count, uint32_t rows, uint32_t columns, size_t data) {
    struct bytes bytes = {.size = 0};
    put_u32(&bytes, magic);
    put_u32(&bytes, count);
    put_u32(&bytes, rows);
    put_u32(&bytes, columns);
    for (size_t i = 0; i < data; i++)
        bytes.at[bytes.size++] = (unsigned char)(i * 7);
    return bytes;
}

static struct bytes labels(uint32_t magic, uint32_t count, size_t data, unsigned char last) {
    struct bytes bytes = {.size = 0};
    put_u32(&bytes, magic);
    put_u32(&bytes, count);
    for (size_t i = 0; i < data; i++)
        bytes.at[bytes.size++] = i + 1 == data ? last : (unsigned char)i;
    return bytes;
}

static struct bytes packed(const struct bytes *plain) {
    struct bytes bytes = {.size = 0};
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)plain->at, .avail_in = (uInt)plain->size, .next_out = bytes.at,
                       .avail_out = sizeof bytes.at};
    CU_ASSERT_EQUAL(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
    CU_ASSERT_EQUAL(deflate(&stream, Z_FINISH), Z_STREAM_END);
    bytes.size = stream.total_out;
    deflateEnd(&stream);
    return bytes;
}

static struct bytes good_images(void) {
    return images(0x803, COUNT, ROWS, COLUMNS, DATA);
}

static struct bytes good_labels(void) {
    return labels(0x801, COUNT, COUNT, 9);
}

static void put_file(const char *name, const struct bytes *bytes) {
    write_file(scratch(name), bytes->at, bytes->size);
}

static enum xent_status load(struct xent_dataset **out, struct xent_error *error) {
    return xent_dataset_load_idx(&spec, scratch("images"), scratch("labels"), out, error);
}

static void check_dataset(const struct xent_dataset *d) {
    const unsigned char *x = d->inputs;
    CU_ASSERT(d->examples == COUNT && d->elements == ROWS * COLUMNS);
    for (int i = 0; i < DATA; i++)
        CU_ASSERT_EQUAL(x[i], (unsigned char)(i * 7));
    for (int i = 0; i < COUNT; i++)
        CU_ASSERT_EQUAL(d->classes[i], i == COUNT - 1 ? 9 : i);
}

static void right(void) {
    struct xent_dataset *d;
    struct xent_error error;
    struct bytes x = good_images(), y = good_labels();
    for (int kind = 0; kind < 4; kind++) { /* plain and packed in all pairs; twice, so that the cache is met, too */
        struct bytes px = kind & 1 ? packed(&x) : x, py = kind & 2 ? packed(&y) : y;
        put_file("images", &px);
        put_file("labels", &py);
        for (int again = 0; again < 2; again++) {
            CHECK_OK(load(&d, &error));
            check_dataset(d);
            xent_dataset_destroy(d);
        }
    }
    static const struct {
        uint32_t rank;
        int64_t shape[4];
        bool fits;
    } shapes[] = {{1, {6}, true},          {2, {3, 2}, true},        {4, {1, 1, 3, 2}, true}, {1, {7}, false},
                  {2, {2, 3}, false},      {3, {3, 2, 1}, false},    {3, {2, 3, 2}, false}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct xent_data_spec other = spec;
        other.rank = shapes[i].rank;
        memcpy(other.shape, shapes[i].shape, sizeof shapes[i].shape);
        enum xent_status status = xent_dataset_load_idx(&other, scratch("images"), scratch("labels"), &d, &error);
        CHECK_ERROR(status, shapes[i].fits ? XENT_OK : XENT_ERROR_DATA, &error,
                    "images are [3, 2], but the input is [");
        if (!status)
            xent_dataset_destroy(d);
    }
    CHECK_OK(xent_dataset_load_inputs(&spec, scratch("images"), 0, &d, &error));
    CU_ASSERT(d->examples == COUNT && !d->classes && d->spec.target == XENT_TARGET_NONE);
    xent_dataset_destroy(d);

    /* gzip members in a row are one file */
    struct bytes first = {.size = 9}, second = {.size = x.size - 9};
    memcpy(first.at, x.at, 9);
    memcpy(second.at, x.at + 9, second.size);
    struct bytes a = packed(&first), b = packed(&second);
    memcpy(a.at + a.size, b.at, b.size);
    a.size += b.size;
    put_file("images", &a);
    CHECK_OK(load(&d, &error));
    check_dataset(d);
    xent_dataset_destroy(d);
}

static void wrong(void) {
    const struct {
        struct bytes images, labels;
        const char *part;
    } cases[] = {
        {{.size = 0}, good_labels(), "images: 0 bytes are no idx file"},
        {images(0x801, COUNT, ROWS, COLUMNS, DATA), good_labels(),
         "images: magic 0x00000801: these are labels; an idx file of images begins with 0x00000803: "
         "unsigned bytes in 3 dimensions"},
        {images(0xd03, COUNT, ROWS, COLUMNS, DATA), good_labels(),
         "images: magic 0x00000d03: floats in 3 dimensions; an idx file"},
        {images(0x01000803, COUNT, ROWS, COLUMNS, DATA), good_labels(),
         "images: magic 0x01000803: no idx file; an idx file of images"},
        {images(0x80f, COUNT, ROWS, COLUMNS, DATA), good_labels(),
         "images: magic 0x0000080f: unsigned bytes in 15 dimensions; an idx file"},
        {{.at = {0, 0, 8, 3, 0, 0}, .size = 6}, good_labels(), "the file ends in its header, after 6 of 16 bytes"},
        {images(0x804, COUNT, ROWS, COLUMNS, DATA), good_labels(), "images: magic 0x00000804: 4 dimensions: "},
        {good_images(), labels(0x802, COUNT, COUNT, 9),
         "labels: magic 0x00000802: unsigned bytes in 2 dimensions; an idx"},
        {images(0x803, COUNT, ROWS, COLUMNS, DATA - 1), good_labels(),
         "images: magic 0x00000803: 3 dimensions: 45 bytes, but its header (5 images) wants 46"},
        {images(0x803, COUNT, ROWS, COLUMNS, DATA + 1), good_labels(),
         "images: magic 0x00000803: 3 dimensions: 47 bytes, but its header"},
        {images(0x803, COUNT + 1, ROWS, COLUMNS, DATA), good_labels(), "its header (6 images) wants 52"},
        {images(0x803, ~0u, ROWS, COLUMNS, DATA), good_labels(), "wants 25769803786"},
        {images(0x803, ~0u, ~0u, ~0u, DATA), good_labels(), "the header's dimensions overflow"},
        {images(0x803, 0, ROWS, COLUMNS, 0), good_labels(), "images: 0 examples"},
        {images(0x803, COUNT, COLUMNS, ROWS, DATA), good_labels(), "images are [2, 3], but the input is [1, 3, 2]"},
        {images(0x803, COUNT, 0, COLUMNS, 0), good_labels(), "images are [0, 2]"},
        {good_images(), labels(0x803, COUNT, COUNT, 9),
         "labels: magic 0x00000803: these are images; an idx file of labels begins with 0x00000801: "
         "unsigned bytes in 1 dimension"},
        {good_images(), labels(0x801, COUNT, COUNT - 1, 9),
         "labels: magic 0x00000801: 1 dimension: 12 bytes, but its header (5 labels) wants 13"},
        {good_images(), labels(0x801, COUNT + 1, COUNT + 1, 9), "labels: 6 labels, but"},
        {good_images(), labels(0x801, COUNT, COUNT, 10),
         "labels: example 4 (counted from 0) has class 10, which is outside 0 to 9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int gz = 0; gz < 2; gz++) {
            struct bytes x = gz ? packed(&cases[i].images) : cases[i].images;
            struct bytes y = gz ? packed(&cases[i].labels) : cases[i].labels;
            struct xent_dataset *d;
            struct xent_error error;
            put_file("images", &x);
            put_file("labels", &y);
            enum xent_status status = load(&d, &error);
            /* what the unpacking finds is said in other words */
            bool size = strstr(cases[i].part, "bytes") || strstr(cases[i].part, "wants");
            CHECK_ERROR(status, XENT_ERROR_DATA, &error, gz && size ? "" : cases[i].part);
        }
}

static void wrong_gzip(void) {
    struct bytes x = good_images(), y = good_labels(), gz = packed(&x);
    struct xent_dataset *d;
    struct xent_error error;
    put_file("labels", &y);
    for (size_t size = 2; size < gz.size; size++) {
        write_file(scratch("images"), gz.at, size);
        CHECK_ERROR(load(&d, &error), XENT_ERROR_DATA, &error, "gzip: ends in the middle");
    }
    for (size_t i = 0; i < gz.size; i++) { /* every bit may fall, but for those of the gzip header that mean nothing */
        if (i >= 4 && i < 10)
            continue;
        struct bytes bad = gz;
        bad.at[i] ^= 4;
        put_file("images", &bad);
        CHECK_ERROR(load(&d, &error), XENT_ERROR_DATA, &error, "images: ");
    }
    gz.at[gz.size++] = 0;
    put_file("images", &gz);
    CHECK_ERROR(load(&d, &error), XENT_ERROR_DATA, &error, "1 bytes of something else follow the gzip data");

    struct bytes longer = images(0x803, COUNT, ROWS, COLUMNS, DATA + 1), shorter = {.size = 3};
    gz = packed(&longer);
    put_file("images", &gz);
    CHECK_ERROR(load(&d, &error), XENT_ERROR_DATA, &error, "unpacks to more than the 46 bytes of its header");
    gz = packed(&shorter);
    put_file("images", &gz);
    CHECK_ERROR(load(&d, &error), XENT_ERROR_DATA, &error, "unpacks to 3 bytes");
    struct bytes bomb = images(0x803, 1000000000, ROWS, COLUMNS, 10);
    gz = packed(&bomb);
    put_file("images", &gz);
    CHECK_ERROR(load(&d, &error), XENT_ERROR_DATA, &error, "packed ones cannot hold");
}

static void wrong_models(void) {
    struct bytes x = good_images(), y = good_labels();
    struct xent_dataset *d;
    struct xent_error error;
    put_file("images", &x);
    put_file("labels", &y);
    struct xent_data_spec other = spec;
    other.dtype = XENT_F32;
    CHECK_ERROR(xent_dataset_load_idx(&other, scratch("images"), scratch("labels"), &d, &error), XENT_ERROR_DATA,
                &error, "idx files hold u8, but the input is f32[1, 3, 2]");
    other = spec;
    other.target = XENT_TARGET_PROB;
    CHECK_ERROR(xent_dataset_load_idx(&other, scratch("images"), scratch("labels"), &d, &error), XENT_ERROR_DATA,
                &error, "the target is prob[10]");
    CHECK_ERROR(xent_dataset_load_idx(&spec, scratch("images"), scratch("absent"), &d, &error), XENT_ERROR_IO, &error,
                "absent: cannot open: no such file");
}

/* The one entry of the cache that is as large as wanted. */
static bool find_entry(char path[600], size_t size) {
    char folder[512];
    snprintf(folder, sizeof folder, "%s", scratch("cache/xent/unpacked"));
    DIR *directory = opendir(folder);
    bool found = false;
    for (struct dirent *entry; directory && !found && (entry = readdir(directory));) {
        struct stat status;
        snprintf(path, 600, "%.300s/%.255s", folder, entry->d_name);
        found = stat(path, &status) == 0 && S_ISREG(status.st_mode) && (size_t)status.st_size == size;
    }
    if (directory)
        closedir(directory);
    return found;
}

static void cache(void) {
    struct bytes x = good_images(), y = good_labels(), gz = packed(&x);
    struct xent_dataset *d;
    struct xent_error error;
    char entry[600];
    put_file("labels", &y);
    put_file("images", &gz);
    CHECK_OK(load(&d, &error));
    xent_dataset_destroy(d);
    CU_ASSERT_FATAL(find_entry(entry, 64 + x.size));
    size_t size;
    char *good = read_file(entry, &size);
    /* cut at every length, each byte spoilt: found out, and mended */
    for (size_t i = 0; i < 2 * size; i++) {
        char *bad = malloc(size);
        memcpy(bad, good, size);
        if (i < size)
            bad[i] ^= 1;
        write_file(entry, bad, i < size ? size : i - size);
        free(bad);
        CHECK_OK(load(&d, &error));
        check_dataset(d);
        xent_dataset_destroy(d);
        size_t now;
        char *mended = read_file(entry, &now);
        CU_ASSERT(now == size && !memcmp(mended, good, size));
        free(mended);
    }
    free(good);
    /* another file of the same length under the same name */
    x.at[20] ^= 1;
    gz = packed(&x);
    unlink(scratch("images"));
    put_file("images", &gz);
    CHECK_OK(load(&d, &error));
    CU_ASSERT_EQUAL(((const unsigned char *)d->inputs)[4], 28 ^ 1);
    xent_dataset_destroy(d);
    /* no cache at all */
    static const char *const places[] = {"/proc/none", "/dev/null", "relative"};
    for (int i = 0; i < 3; i++) {
        char home[512];
        const char *old = getenv("HOME");
        snprintf(home, sizeof home, "%s", old ? old : "/");
        setenv("XDG_CACHE_HOME", places[i], 1);
        setenv("HOME", "/proc/none", 1);
        CHECK_OK(load(&d, &error));
        xent_dataset_destroy(d);
        setenv("HOME", home, 1);
    }
    setenv("XDG_CACHE_HOME", scratch("cache"), 1);
}

static void sources(void) {
    struct bytes x = good_images(), y = good_labels(), gx = packed(&x);
    struct xent_dataset *d;
    struct xent_error error;
    char folder[4096], data[512], home[512], *environment = getenv("XENT_DATA");
    char *saved = environment ? strdup(environment) : NULL;
    const char *old = getenv("HOME");
    snprintf(home, sizeof home, "%s", old ? old : "/");
    unsetenv("XENT_DATA");
    setenv("HOME", scratch("home"), 1);
    snprintf(data, sizeof data, "%s", scratch("data"));
    CHECK_ERROR(xent_source_folder(XENT_SOURCE_MNIST, data, folder, sizeof folder, &error), XENT_ERROR_DATA, &error,
                "MNIST not found: looked in ");
    CU_ASSERT(strstr(error.message, "data/mnist; put train-images-idx3-ubyte") != NULL);
    CHECK_ERROR(xent_source_folder(XENT_SOURCE_MNIST, NULL, folder, sizeof folder, &error), XENT_ERROR_DATA, &error,
                "home/.cache/xent/mnist");
    mkdir(scratch("data"), 0777);
    mkdir(scratch("data/mnist"), 0777);
    put_file("data/mnist/train-images-idx3-ubyte.gz", &gx);
    put_file("data/mnist/t10k-labels-idx1-ubyte", &y);
    CHECK_OK(xent_source_folder(XENT_SOURCE_MNIST, data, folder, sizeof folder, &error));
    CU_ASSERT(!strcmp(folder, scratch("data/mnist")));
    CHECK_ERROR(xent_dataset_load_source(&spec, XENT_SOURCE_MNIST, XENT_SPLIT_TRAIN, data, &d, &error),
                XENT_ERROR_DATA, &error, "data/mnist/train-labels-idx1-ubyte: missing, and there is no");
    CHECK_ERROR(xent_dataset_load_source(&spec, XENT_SOURCE_MNIST, XENT_SPLIT_TEST, data, &d, &error), XENT_ERROR_DATA,
                &error, "data/mnist/t10k-images-idx3-ubyte: missing");
    put_file("data/mnist/train-labels-idx1-ubyte", &y);
    CHECK_OK(xent_dataset_load_source(&spec, XENT_SOURCE_MNIST, XENT_SPLIT_TRAIN, data, &d, &error));
    check_dataset(d);
    xent_dataset_destroy(d);
    setenv("XENT_DATA", data, 1);
    CHECK_OK(xent_dataset_load_source(&spec, XENT_SOURCE_MNIST, XENT_SPLIT_TRAIN, NULL, &d, &error));
    xent_dataset_destroy(d);
    setenv("XENT_DATA", scratch("data/mnist"), 1);
    CHECK_OK(xent_source_folder(XENT_SOURCE_MNIST, NULL, folder, sizeof folder, &error));
    if (xent_source_folder(XENT_SOURCE_FASHION_MNIST, NULL, folder, sizeof folder, &error) == XENT_OK)
        CU_ASSERT(!strcmp(folder, "/usr/share/datasets/fashion-mnist")); /* never MNIST's */
    if (saved)
        setenv("XENT_DATA", saved, 1);
    else
        unsetenv("XENT_DATA");
    setenv("HOME", home, 1);
    free(saved);
}

static void real_data(void) {
    static const struct xent_data_spec mnist = {.dtype = XENT_U8, .rank = 3, .shape = {1, 28, 28},
                                                .target = XENT_TARGET_CLASS, .classes = 10, .ignore_index = -100};
    struct xent_dataset *d;
    struct xent_error error;
    char folder[4096];
    if (xent_source_folder(XENT_SOURCE_MNIST, NULL, folder, sizeof folder, &error) != XENT_OK) {
        puts("    (skipped: no MNIST; set XENT_DATA)");
        return;
    }
    for (int again = 0; again < 2; again++) {
        CHECK_OK(xent_dataset_load_source(&mnist, XENT_SOURCE_MNIST, XENT_SPLIT_TEST, NULL, &d, &error));
        CU_ASSERT(d->examples == 10000 && d->classes[0] == 7 && d->classes[9999] == 6);
        xent_dataset_destroy(d);
    }
}

CU_ErrorCode add_idx(void) {
    static const struct case_of cases[] = {{"right files", right},
                                           {"wrong files", wrong},
                                           {"wrong gzip data", wrong_gzip},
                                           {"other models", wrong_models},
                                           {"the cache", cache},
                                           {"named sources", sources},
                                           {"MNIST itself", real_data}};
    return add_suite("idx", cases, sizeof cases / sizeof *cases);
}
