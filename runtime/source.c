/* Named data sets: where their files are, and which. Also tells idx from CSV for inputs that are to be predicted. */
#include "internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name, *subfolder[2], *system, *help;
} sources[] = {
    [XENT_SOURCE_MNIST] = {"MNIST", {"mnist", NULL}, NULL,
                           "put train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and "
                           "t10k-labels-idx1-ubyte (plain or .gz) into ~/.cache/xent/mnist, or name their folder with "
                           "--data or XENT_DATA; or use source = fashion_mnist (apt install dataset-fashion-mnist)"},
    [XENT_SOURCE_FASHION_MNIST] = {"Fashion-MNIST", {"fashion-mnist", "fashion_mnist"},
                                   "/usr/share/datasets/fashion-mnist",
                                   "apt install dataset-fashion-mnist, or name the folder of its four idx files with "
                                   "--data"},
};

static const char *const prefix[] = {[XENT_SPLIT_TRAIN] = "train", [XENT_SPLIT_TEST] = "t10k"};

/* folder/prefix-kind, or the same with .gz; false: neither is there, `path` is the plain one. */
static bool find_file(const char *folder, const char *name, const char *kind, char path[PATH_MAX]) {
    int length = snprintf(path, PATH_MAX, "%s/%s-%s.gz", folder, name, kind);
    if (length >= PATH_MAX)
        return false;
    path[length - 3] = 0;
    if (access(path, F_OK) == 0)
        return true;
    path[length - 3] = '.';
    if (access(path, F_OK) == 0)
        return true;
    path[length - 3] = 0;
    return false;
}

struct search {
    enum xent_source source;
    char *folder;
    size_t size;
    struct rt_list seen;
};

/* Whether this folder has one of the four files. */
static bool look_in(struct search *search, const char *folder) {
    char path[PATH_MAX];
    rt_list_add(&search->seen, ", ", "%s", folder);
    for (int split = 0; split < 2; split++)
        if (find_file(folder, prefix[split], "images-idx3-ubyte", path) ||
            find_file(folder, prefix[split], "labels-idx1-ubyte", path))
            return (size_t)snprintf(search->folder, search->size, "%s", folder) < search->size;
    return false;
}

static bool look_below(struct search *search, const char *folder) {
    for (int i = 0; i < 2; i++) {
        char below[PATH_MAX];
        const char *name = sources[search->source].subfolder[i];
        if (name && snprintf(below, sizeof below, "%s/%s", folder, name) < PATH_MAX && look_in(search, below))
            return true;
    }
    return false;
}

static bool search_all(struct search *search, const char *data) {
    if (data)
        return look_in(search, data) || look_below(search, data);
    const char *environment = getenv("XENT_DATA"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char folder[PATH_MAX];
    if (environment && *environment) {
        if (search->source == XENT_SOURCE_MNIST && look_in(search, environment))
            return true;
        if (look_below(search, environment))
            return true;
    }
    if (cache && *cache == '/' && snprintf(folder, sizeof folder, "%s/xent", cache) < PATH_MAX &&
        look_below(search, folder))
        return true;
    if (home && *home && snprintf(folder, sizeof folder, "%s/.cache/xent", home) < PATH_MAX &&
        look_below(search, folder))
        return true;
    return sources[search->source].system && look_in(search, sources[search->source].system);
}

enum xent_status xent_source_folder(enum xent_source source, const char *data, char *folder, size_t size,
                                    struct xent_error *error) {
    struct search search = {.source = source, .folder = folder, .size = size};
    if (search_all(&search, data))
        return XENT_OK;
    return rt_fail(error, XENT_ERROR_DATA, "%s not found: looked in %s; %s", sources[source].name, search.seen.text,
                   sources[source].help);
}

enum xent_status xent_dataset_load_source(const struct xent_data_spec *spec, enum xent_source source,
                                          enum xent_split split, const char *data, struct xent_dataset **out,
                                          struct xent_error *error) {
    char folder[PATH_MAX], images[PATH_MAX], labels[PATH_MAX];
    enum xent_status status = xent_source_folder(source, data, folder, sizeof folder, error);
    if (status)
        return status;
    const char *missing = NULL;
    if (!find_file(folder, prefix[split], "images-idx3-ubyte", images))
        missing = images;
    if (!find_file(folder, prefix[split], "labels-idx1-ubyte", labels) && !missing &&
        spec->target != XENT_TARGET_NONE)
        missing = labels;
    if (missing)
        return rt_fail(error, XENT_ERROR_DATA, "%s: missing, and there is no %s.gz either", missing, missing);
    return xent_dataset_load_idx(spec, images, labels, out, error);
}

enum xent_status xent_dataset_load_inputs(const struct xent_data_spec *spec, const char *path, unsigned flags,
                                          struct xent_dataset **out, struct xent_error *error) {
    struct xent_data_spec inputs = *spec;
    inputs.target = XENT_TARGET_NONE;
    inputs.classes = 0;
    unsigned char first[4];
    size_t size;
    enum xent_status status = rt_file_peek(path, first, &size, error);
    if (status)
        return status;
    bool idx = size >= 2 && ((first[0] == 0x1f && first[1] == 0x8b) || (!first[0] && !first[1]));
    if (idx)
        return xent_dataset_load_idx(&inputs, path, NULL, out, error);
    return xent_dataset_load_csv(&inputs, path, flags, out, error);
}
