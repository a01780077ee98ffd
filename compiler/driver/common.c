/* What subcommands that run a model share: compiling it, and a session with its weights. */
#include "commands.h"

#include "pass.h"
#include "text.h"

#include <xent/checkpoint.h>
#include <xent/compiler.h>
#include <xent/session.h>

#include <string.h>

int unknown_pass(const struct options *options, const char *name)
{
    const char *names[64];
    size_t count = 0;
    for (; count < pass_count && count < sizeof names / sizeof *names; count++)
        names[count] = pass_table[count].name;
    const char *near = nearest_name(name, names, count);
    return help_usage(options, "there is no pass \"%s\"%s%s%s", name, near ? "; did you mean \"" : "", near ? near : "",
                      near ? "\"?" : "");
}

int check_passes(const struct options *options)
{
    for (size_t i = 0; i < options->print_after.count; i++)
        if (strcmp(options->print_after.at[i], "all") != 0 && !pass_named(options->print_after.at[i]))
            return unknown_pass(options, options->print_after.at[i]);
    if (options->stop_after && !pass_named(options->stop_after))
        return unknown_pass(options, options->stop_after);
    return EXIT_OK;
}

int compile_model(const struct options *options, struct xent_compile_options *compile, struct xent_compilation **out)
{
    for (size_t i = 0; i < options->set.count; i++)
        if (!strchr(options->set.at[i], '='))
            return help_usage(options, "--set must be KEY=VALUE, not \"%s\"", options->set.at[i]);
    compile->batch = compile->batch ? compile->batch : (uint32_t)options->batch;
    compile->cpu = options->cpu;
    compile->features = options->features;
    compile->interpret = options->interpret;
    compile->schedules = options->schedules;
    compile->no_cache = options->no_cache;
    compile->set = options->set.at;
    compile->set_count = (uint32_t)options->set.count;
    enum xent_status status = xent_compile_file(options->arguments.at[0], compile, out);
    if (status == XENT_ERROR_MEMORY)
        return report_no_memory();
    print_messages(xent_compilation_messages(*out));
    if (status == XENT_ERROR_ARGUMENT)
        return EXIT_USAGE;
    return status == XENT_OK ? EXIT_OK : EXIT_WRONG;
}

void note_threads(const struct options *options, const struct xent_session *session)
{
    uint32_t threads = xent_session_threads(session);
    if (!options->interpret && options->threads > threads)
        report_note("this process may use %u core%s: %u thread%s, not %d", threads, threads == 1 ? "" : "s",
                    threads, threads == 1 ? "" : "s", (int)options->threads);
}

int open_session(const struct options *options, const struct xent_compilation *compilation, const char *weights,
                 struct xent_session **out)
{
    const struct xent_model *model = xent_compilation_model(compilation);
    struct xent_session_options how = {.threads = options->interpret ? 1 : (uint32_t)options->threads};
    struct xent_error error;
    if (xent_session_create(model, &how, out, &error) != XENT_OK)
        return report_error(&error);
    note_threads(options, *out);
    if (weights && xent_parameters_load(*out, weights, &error) != XENT_OK)
        return report_error(&error);
    return EXIT_OK;
}
