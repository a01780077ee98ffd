#include "settings.h"
#include "build.h"

#include <float.h>
#include <stddef.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define MOST ((double)FLT_MAX)

static const struct setting_info csv_args[] = {
    {"train", SET_PATH, .required = true, .offset = offsetof(struct data_config, train)},
    {"test", SET_PATH, .offset = offsetof(struct data_config, test)},
    {"header", SET_BOOL, .offset = offsetof(struct data_config, header)},
};
static const struct call_info sources[] = {
    {"mnist", DATA_MNIST, NULL, 0},
    {"fashion_mnist", DATA_FASHION_MNIST, NULL, 0},
    {"csv", DATA_CSV, csv_args, COUNT(csv_args)},
};
static const struct setting_info data_settings[] = {
    {"source", SET_CALL, .required = true, .calls = sources, .call_count = COUNT(sources)},
};

static const struct setting_info sgd_args[] = {
    {"lr", SET_NUMBER, .low = 0, .high = MOST, .offset = offsetof(struct train_config, lr)},
    {"momentum", SET_NUMBER, .low = 0, .high = MOST, .offset = offsetof(struct train_config, momentum)},
    {"dampening", SET_NUMBER, .low = -MOST, .high = MOST, .offset = offsetof(struct train_config, dampening)},
    {"weight_decay", SET_NUMBER, .low = 0, .high = MOST, .offset = offsetof(struct train_config, weight_decay)},
    {"nesterov", SET_BOOL, .offset = offsetof(struct train_config, nesterov)},
};
static const struct call_info optimizers[] = {
    {"sgd", 0, sgd_args, COUNT(sgd_args)},
};
static const struct setting_info train_settings[] = {
    {"optimizer", SET_CALL, .calls = optimizers, .call_count = COUNT(optimizers)},
    {"batch", SET_INT, .low = 1, .high = MOST_BATCH, .offset = offsetof(struct train_config, batch)},
    {"epochs", SET_INT, .low = 1, .high = 1e9, .offset = offsetof(struct train_config, epochs)},
    {"shuffle", SET_BOOL, .offset = offsetof(struct train_config, shuffle)},
    {"seed", SET_INT, .low = 0, .high = 9007199254740991.0, .offset = offsetof(struct train_config, seed)},
    {"log_every", SET_INT, .low = 1, .high = 1e9, .offset = offsetof(struct train_config, log_every)},
};

const struct section_info data_section = {"data", data_settings, COUNT(data_settings)};
const struct section_info train_section = {"train", train_settings, COUNT(train_settings)};

const struct setting_info *find_setting(const struct setting_info *settings, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(settings[i].name, name) == 0)
            return &settings[i];
    return NULL;
}

const struct call_info *find_call(const struct setting_info *setting, const char *name)
{
    for (size_t i = 0; i < setting->call_count; i++)
        if (strcmp(setting->calls[i].name, name) == 0)
            return &setting->calls[i];
    return NULL;
}

const char **setting_names(struct arena *arena, const struct setting_info *settings, size_t count)
{
    const char **names = ARENA_ARRAY(arena, const char *, count);
    for (size_t i = 0; i < count; i++)
        names[i] = settings[i].name;
    return names;
}

const char **call_names(struct arena *arena, const struct setting_info *setting)
{
    const char **names = ARENA_ARRAY(arena, const char *, setting->call_count);
    for (size_t i = 0; i < setting->call_count; i++)
        names[i] = setting->calls[i].name;
    return names;
}

const char *join_names(struct arena *arena, const char *const *names, size_t count)
{
    struct text text;
    text_init(&text, arena);
    for (size_t i = 0; i < count; i++)
        text_printf(&text, "%s%s", i ? ", " : "", names[i]);
    return text_string(&text);
}
