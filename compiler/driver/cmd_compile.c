/* `xentc model.net`: check and compile; a table, or the stages that were asked for. */
#include "commands.h"
#include "compile.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    enum xent_stage stage;
} stages[] = {
    {"ast", XENT_STAGE_AST},
    {"graph", XENT_STAGE_GRAPH},
    {"kernels", XENT_STAGE_KERNELS},
    {"schedules", XENT_STAGE_SCHEDULES},
    {"loops", XENT_STAGE_LOOPS},
    {"llvm", XENT_STAGE_LLVM},
    {"asm", XENT_STAGE_ASM},
    {"obj", XENT_STAGE_OBJECT},
};

static bool is_wanted(const struct options *options, const char *pass)
{
    for (size_t i = 0; i < options->print_after.count; i++)
        if (!strcmp(options->print_after.at[i], "all") || !strcmp(options->print_after.at[i], pass))
            return true;
    return options->stop_after && !strcmp(options->stop_after, pass) && !options->emit;
}

static void on_pass(void *context, const struct xent_pass_report *report_)
{
    const struct options *options = context;
    if (options->time_passes)
        fprintf(stderr, "%-10s %-16s %9.3f ms%s\n", report_->entry, report_->pass, 1e3 * report_->seconds,
                report_->changed ? "" : "  (no change)");
    if (report_->text && is_wanted(options, report_->pass))
        printf("# ---- %s: after %s%s\n%s\n", report_->entry, report_->pass, report_->changed ? "" : " (no change)",
               report_->text);
}

static int emit(struct xent_compilation *compilation, const struct options *options)
{
    enum xent_stage stage = XENT_STAGE_AST;
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        if (!strcmp(stages[i].name, options->emit))
            stage = stages[i].stage;
    if (stage == XENT_STAGE_OBJECT && !options->output && isatty(STDOUT_FILENO))
        return help_usage(options, "an object is no text for a terminal: say -o FILE");
    char *bytes;
    size_t size;
    struct xent_error error;
    if (xent_compilation_emit(compilation, stage, options->entry, &bytes, &size, &error) != XENT_OK)
        return report_error(&error);
    int status = write_stage(options->output, bytes, size);
    free(bytes);
    return status;
}

/* Machine code is of all entries, texts are of one. */
static uint32_t wanted_entries(const struct options *options, bool table)
{
    const char *name = options->entry, *emit = options->emit;
    for (uint32_t kind = 0; name && kind < ENTRY_COUNT; kind++)
        if (!strcmp(entry_names[kind], name))
            return 1u << kind;
    bool code = emit && (!strcmp(emit, "llvm") || !strcmp(emit, "asm") || !strcmp(emit, "obj"));
    return table || code ? 0 : XENT_WANT_LAST;
}

int cmd_compile(const struct options *options)
{
    int status = one_argument(options, "MODEL.net");
    if (status == EXIT_OK)
        status = check_passes(options);
    if (status == EXIT_OK && options->output && !options->emit)
        status = help_usage(options, "-o needs --emit");
    if (status == EXIT_OK)
        status = check_paths(options, NULL, NULL);
    struct xent_error error;
    if (status == EXIT_OK && options->output && strcmp(options->output, "-") != 0 &&
        xent_check_writable(options->output, &error) != XENT_OK)
        status = report_error(&error);
    if (status != EXIT_OK)
        return status;

    bool texts = options->print_after.count || (options->stop_after && !options->emit);
    bool table = !texts && !options->emit;
    struct xent_compile_options compile = {
        .wanted = wanted_entries(options, table),
        .lower_only = !table,
        .stop_after = options->stop_after,
        .on_pass = texts || options->time_passes ? on_pass : NULL,
        .pass_texts = texts,
        .context = (void *)options,
    };
    struct xent_compilation *compilation = NULL;
    status = compile_model(options, &compile, &compilation);
    if (status == EXIT_OK && options->emit)
        status = emit(compilation, options);
    else if (status == EXIT_OK && table && !table_print(compilation, stdout))
        status = report_no_memory();
    xent_compilation_destroy(compilation);
    return status;
}
