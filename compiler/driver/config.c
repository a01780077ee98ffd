/* What the text's `data` and `train` sections mean to the runtime. */
#include "compile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum xent_status fail(struct xent_error *error, enum xent_status status, const char *message, const char *what)
{
    if (error) {
        error->status = status;
        snprintf(error->message, sizeof error->message, "%s: %s", what, message);
    }
    return status;
}

static const char *model_path(const struct xent_compilation *c)
{
    return source_file(&c->map, c->ast->file)->name;
}

bool xent_compilation_has_split(const struct xent_compilation *c, enum xent_split split)
{
    const struct data_config *data = &c->ir->data;
    if (data->kind == DATA_CSV)
        return (split == XENT_SPLIT_TRAIN ? data->train : data->test).text != NULL;
    return data->kind != DATA_NONE;
}

/* A path of the text starts from the text's folder, one of an override from the current folder. malloc'ed. */
static char *resolve(const struct xent_compilation *c, const struct config_path *path)
{
    const char *model = model_path(c), *slash = strrchr(model, '/');
    char *out;
    if (path->from_override || *path->text == '/' || !slash)
        return strdup(path->text);
    return asprintf(&out, "%.*s/%s", (int)(slash - model), model, path->text) < 0 ? NULL : out;
}

enum xent_status xent_compilation_load_data(const struct xent_compilation *c, enum xent_split split, const char *folder,
                                            unsigned csv_flags, struct xent_dataset **out, struct xent_error *error)
{
    const struct data_config *data = &c->ir->data;
    struct xent_data_spec spec;
    *out = NULL;
    if (data->kind == DATA_NONE)
        return fail(error, XENT_ERROR_DATA,
                    "there is no data section; say: data { source = mnist }, or: --set data.source=mnist",
                    model_path(c));
    if (!xent_compilation_has_split(c, split))
        return fail(error, XENT_ERROR_DATA,
                    split == XENT_SPLIT_TEST
                        ? "data.source has no test set; say csv(train = …, test = …), or --split train"
                        : "data.source has no training set",
                    model_path(c));
    enum xent_status status = xent_data_spec_of(&c->model, &spec, error);
    if (status != XENT_OK)
        return status;
    if (data->kind == DATA_CSV && folder)
        return fail(error, XENT_ERROR_ARGUMENT,
                    "data.source = csv(…) names its own files: a folder of data (--data) is not used", model_path(c));
    if (data->kind != DATA_CSV)
        return xent_dataset_load_source(&spec, data->kind == DATA_MNIST ? XENT_SOURCE_MNIST : XENT_SOURCE_FASHION_MNIST,
                                        split, folder, out, error);
    char *path = resolve(c, split == XENT_SPLIT_TRAIN ? &data->train : &data->test);
    if (!path)
        return fail(error, XENT_ERROR_MEMORY, "out of memory", model_path(c));
    status = xent_dataset_load_csv(&spec, path, csv_flags | (data->header ? XENT_CSV_HEADER : 0u), out, error);
    free(path);
    return status;
}

void xent_compilation_train_options(const struct xent_compilation *c, struct xent_train_options *out)
{
    const struct train_config *train = &c->ir->train;
    *out = (struct xent_train_options){
        .epochs = (uint32_t)train->epochs,
        .batch = (uint32_t)train->batch,
        .shuffle = train->shuffle,
        .seed = (uint64_t)train->seed,
        .log_every = (uint32_t)train->log_every,
        .scalars = c->scalars,
        .scalar_count = c->scalar_count,
    };
}
