/* `xentc opt FILE.xir --passes=a,b`: passes on a textual graph, or on a textual kernel program (the passes behind
 * `lower`). With no passes it only reads, verifies and prints. */
#include "commands.h"
#include "compile.h"
#include "schedule.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct opt {
    const struct options *options;
    struct arena arena;
    jmp_buf on_failure;
    struct source_map map;
    struct diag_list diags;
    struct codegen_target *target;
    struct pass_context context;
};

/* Whether the text's first word, behind blanks and comments, is `graph`. */
static bool is_graph(const char *text)
{
    for (;;) {
        text += strspn(text, " \t\r\n");
        if (*text != '#')
            break;
        text += strcspn(text, "\n");
    }
    return !strncmp(text, "graph", 5) && !isalnum((unsigned char)text[5]);
}

static int load(struct opt *opt)
{
    const char *error = NULL;
    uint32_t file = source_load(&opt->map, opt->options->arguments.at[0], &error);
    if (!file)
        return report("%s", error);
    if (!diag_check_file(&opt->diags, file))
        return report_diagnostics(&opt->diags);
    if (is_graph(source_file(&opt->map, file)->text))
        opt->context.graph = graph_parse(&opt->arena, &opt->diags, op_set(), file);
    else
        opt->context.program = kernel_parse(&opt->arena, &opt->diags, file);
    return opt->context.graph || opt->context.program ? EXIT_OK : report_diagnostics(&opt->diags);
}

static int load_schedules(struct opt *opt)
{
    const char *error = NULL;
    uint32_t file = source_load(&opt->map, opt->options->schedules, &error);
    if (!file)
        return report("%s", error);
    opt->context.schedules = kernel_schedules_parse(&opt->arena, &opt->diags, file);
    return opt->context.schedules ? EXIT_OK : report_diagnostics(&opt->diags);
}

/* The comma-separated list as passes. */
static int find_passes(struct opt *opt, const struct pass **out, size_t *out_count)
{
    for (const char *at = opt->options->passes; at && *at;) {
        size_t length = strcspn(at, ",");
        const char *name = arena_strndup(&opt->arena, at, length);
        const struct pass *pass = pass_named(name);
        if (!pass)
            return unknown_pass(opt->options, name);
        out[(*out_count)++] = pass;
        at += length + (at[length] == ',');
    }
    return EXIT_OK;
}

static int find_optimizer(struct opt *opt)
{
    static const struct {
        const char *name;
        size_t field;
    } terms[] = {
        {"momentum", offsetof(struct optimizer_config, momentum)},
        {"dampening", offsetof(struct optimizer_config, dampening)},
        {"weight_decay", offsetof(struct optimizer_config, weight_decay)},
        {"nesterov", offsetof(struct optimizer_config, nesterov)},
    };
    for (const char *at = opt->options->optimizer; at && *at;) {
        size_t length = strcspn(at, ","), i = 0, count = sizeof terms / sizeof *terms;
        while (i < count && (strlen(terms[i].name) != length || memcmp(terms[i].name, at, length) != 0))
            i++;
        if (i == count)
            return help_usage(opt->options,
                              "--optimizer is a list of momentum, dampening, weight_decay and nesterov, not \"%s\"",
                              at);
        *(bool *)((char *)&opt->context.optimizer + terms[i].field) = true;
        at += length + (at[length] == ',');
    }
    return EXIT_OK;
}

static void print_state(struct opt *opt, const struct pass_context *state, struct text *out)
{
    text_init(out, &opt->arena);
    if (state->program)
        kernel_print_program(state->program, out);
    else
        graph_print(state->graph, out);
}

static bool is_wanted(const struct options *options, const char *pass)
{
    for (size_t i = 0; i < options->print_after.count; i++)
        if (!strcmp(options->print_after.at[i], "all") || !strcmp(options->print_after.at[i], pass))
            return true;
    return false;
}

static void after_pass(void *context, const struct pass *pass, const struct pass_context *state, bool changed,
                       double seconds)
{
    struct opt *opt = context;
    if (opt->options->time_passes)
        fprintf(stderr, "%-16s %9.3f ms%s\n", pass->name, 1e3 * seconds, changed ? "" : "  (no change)");
    if (!is_wanted(opt->options, pass->name))
        return;
    struct text text;
    print_state(opt, state, &text);
    printf("# ---- after %s%s\n%s\n", pass->name, changed ? "" : " (no change)", text_string(&text));
}

static int run(struct opt *opt)
{
    const struct options *options = opt->options;
    size_t most = options->passes ? strlen(options->passes) + 1 : 1, count = 0;
    const struct pass **passes = ARENA_ARRAY(&opt->arena, const struct pass *, most);
    int status = find_passes(opt, passes, &count);
    if (status == EXIT_OK)
        status = find_optimizer(opt);
    if (status == EXIT_OK)
        status = load(opt);
    if (status == EXIT_OK && options->schedules)
        status = load_schedules(opt);
    if (status != EXIT_OK)
        return status;
    char *message = NULL;
    opt->target = codegen_target_create(options->cpu, options->features, &message);
    if (!opt->target) {
        status = message ? help_usage(options, "%s", message) : report_no_memory();
        free(message);
        return status;
    }
    opt->context.arena = &opt->arena;
    opt->context.diags = &opt->diags;
    opt->context.entry = ENTRY_STEP;
    for (uint32_t kind = 0; options->entry && kind < ENTRY_COUNT; kind++)
        if (!strcmp(entry_names[kind], options->entry))
            opt->context.entry = (enum entry_kind)kind;
    opt->context.learns = opt->context.entry == ENTRY_STEP || opt->context.entry == ENTRY_GRADIENT;
    opt->context.batch = options->batch ? options->batch : 64;
    opt->context.target = codegen_target_facts(opt->target);
    struct pass_hooks hooks = {opt, after_pass, .hurried = false};
    if (!pass_run(&opt->context, passes, count, options->stop_after, &hooks) ||
        (options->schedules && !kernel_schedules_used(opt->context.schedules, &opt->diags)))
        return report_diagnostics(&opt->diags);
    struct text text;
    print_state(opt, &opt->context, &text);
    return options->print_after.count ? EXIT_OK : write_stage(options->output, text_string(&text), text.count);
}

int cmd_opt(const struct options *options)
{
    int status = one_argument(options, "FILE.xir");
    if (status == EXIT_OK && !options->passes)
        status = help_usage(options, "--passes is missing: --passes=A,B,… or --passes= for none");
    if (status == EXIT_OK)
        status = check_passes(options);
    if (status == EXIT_OK)
        status = check_paths(options, NULL, NULL);
    if (status != EXIT_OK)
        return status;
    struct opt *opt = calloc(1, sizeof *opt);
    if (!opt)
        return report_no_memory();
    opt->options = options;
    arena_init(&opt->arena, &opt->on_failure);
    if (setjmp(opt->on_failure)) {
        status = report_no_memory();
    } else {
        source_map_init(&opt->map, &opt->arena);
        diag_init(&opt->diags, &opt->arena, &opt->map);
        status = run(opt);
    }
    codegen_target_destroy(opt->target);
    arena_deinit(&opt->arena);
    free(opt);
    return status;
}
