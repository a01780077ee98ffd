/* Outputs are no inputs and not each other. What is compared is files, not spellings: links and ./ are seen through. */
#include "commands.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct place {
    const char *option, *path; /* path NULL: not given */
};

/* The file's path without links; where it is yet to be made, its folder's. False: there is no such folder. */
static bool whole_path(const char *path, char out[PATH_MAX])
{
    if (realpath(path, out))
        return true;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    bool found = folder && realpath(folder, out);
    free(folder);
    size_t length = found ? strlen(out) : 0;
    if (!found || length + 1 + strlen(name) >= PATH_MAX)
        return false;
    out[length] = '/';
    strcpy(out + length + 1, name);
    return true;
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat first, second;
    bool exists[] = {stat(a, &first) == 0, stat(b, &second) == 0};
    if (exists[0] && exists[1])
        return first.st_dev == second.st_dev && first.st_ino == second.st_ino && S_ISREG(first.st_mode);
    char whole[2][PATH_MAX];
    return !exists[0] && !exists[1] && whole_path(a, whole[0]) && whole_path(b, whole[1]) &&
           !strcmp(whole[0], whole[1]);
}

static int clash(const struct options *options, const struct place *output, const struct place *other, bool is_output)
{
    if (!other->path || !is_same_file(output->path, other->path))
        return EXIT_OK;
    if (is_output)
        return help_usage(options, "%s %s and %s %s are the same file", output->option, output->path, other->option,
                          other->path);
    return help_usage(options, "%s %s would overwrite %s%s%s", output->option, output->path, other->option,
                      *other->option ? " " : "", other->path);
}

int check_paths(const struct options *options, const char *save, const char *data)
{
    const struct place outputs[] = {
        {"--save", save}, {"--step-log", options->step_log}, {"--dump", options->dump}, {"-o", options->output}};
    const struct place inputs[] = {{"the data set", data}, {"--weights", options->weights}, {"--init", options->init},
                                   {"--schedules", options->schedules}};
    int status = EXIT_OK;
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        const struct place *output = &outputs[i];
        bool saves = i == 0, standard = output->path && !strcmp(output->path, "-");
        if (!output->path || (standard && output->path == options->output))
            continue;
        if (standard)
            return help_usage(options, "%s cannot be \"-\": it writes whole files; ./- is a file of this name",
                              output->option);
        for (size_t k = i + 1; k < sizeof outputs / sizeof *outputs && status == EXIT_OK; k++)
            status = clash(options, output, &outputs[k], true);
        for (size_t k = 0; k < options->arguments.count && status == EXIT_OK; k++)
            status = clash(options, output, &(struct place){"", options->arguments.at[k]}, false);
        for (size_t k = 0; k < options->input.count && status == EXIT_OK; k++) {
            const char *equals = strchr(options->input.at[k], '=');
            status = clash(options, output, &(struct place){"--input", equals ? equals + 1 : NULL}, false);
        }
        /* To go on training under the same name is fine: the new file takes the old one's place when it is whole. */
        for (size_t k = 0; k < sizeof inputs / sizeof *inputs && status == EXIT_OK; k++)
            if (!saves || inputs[k].path != options->init)
                status = clash(options, output, &inputs[k], false);
        if (status != EXIT_OK)
            return status;
    }
    return EXIT_OK;
}
