/* A compilation from text to model: source, tree, graph, passes over each entry, code. All of it lies in one arena; an
 * allocation that fails anywhere jumps back to the public function that was called. */
#include "compile.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *const entry_names[ENTRY_COUNT] = {
    [ENTRY_FORWARD] = "forward",
    [ENTRY_EVAL] = "eval",
    [ENTRY_GRADIENT] = "gradient",
    [ENTRY_STEP] = "step",
};

static const struct span nowhere;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* ---- text to graph ---- */

static enum xent_status front_end(struct xent_compilation *c, uint32_t file, const struct xent_compile_options *options)
{
    c->ast = lang_parse(&c->arena, &c->diags, &c->names, file);
    if (!c->ast)
        return XENT_ERROR_DATA;
    bool good = true;
    for (uint32_t i = 0; i < options->set_count; i++)
        good = build_override(&c->arena, &c->diags, &c->map, &c->names, c->ast, options->set[i]) && good;
    if (!good)
        return XENT_ERROR_DATA;
    if (options->ignore_train)
        c->ast->train = NULL;
    c->ir = build_model(&c->arena, &c->diags, c->ast, op_set());
    return c->ir && c->diags.errors == 0 ? XENT_OK : XENT_ERROR_DATA;
}

static bool has_role(const struct model_ir *ir, enum result_role role)
{
    return graph_result(ir->graph, role) != NULL;
}

/* The entries that are wanted and possible; 0 after an error. */
static uint32_t choose_entries(struct xent_compilation *c, uint32_t wanted)
{
    const struct model_ir *ir = c->ir;
    const struct ast_model *model = c->ast->model;
    bool loss = has_role(ir, RESULT_LOSS), output = has_role(ir, RESULT_OUTPUT) || has_role(ir, RESULT_LOGITS);
    bool optimizer = ir->train.has_optimizer;
    if (!wanted || wanted == XENT_WANT_LAST) {
        bool last = wanted;
        wanted = (output ? XENT_WANT_FORWARD : 0u) | (loss ? XENT_WANT_EVAL : 0u) |
                 (loss && optimizer ? XENT_WANT_STEP : 0u);
        if (!wanted)
            diag_error(&c->diags, model->name_span, "model %s has neither an output nor a loss", model->name);
        for (uint32_t bit = XENT_WANT_STEP; last && bit; bit >>= 1)
            if (wanted & bit)
                return bit;
        return wanted;
    }
    if ((wanted & ~(uint32_t)XENT_WANT_FORWARD) && !loss) {
        diag_error(&c->diags, model->name_span, "model %s has no loss", model->name);
        diag_help(&c->diags, "add one, such as: loss cross_entropy(logits, target)");
        return 0;
    }
    if ((wanted & XENT_WANT_GRADIENT) && ir->input->type.dtype != DT_F32) {
        wanted &= ~(uint32_t)XENT_WANT_GRADIENT;
        if (!wanted)
            diag_error(&c->diags, ir->input->span, "the input %s is not f32: there is no gradient over it",
                       ir->input->name);
    }
    if (wanted == XENT_WANT_FORWARD && !output) {
        diag_error(&c->diags, model->name_span, "model %s has no output", model->name);
        return 0;
    }
    if ((wanted & XENT_WANT_STEP) && !optimizer) {
        diag_error(&c->diags, c->ast->train ? c->ast->train->span : model->name_span, "training needs an optimizer");
        diag_help(&c->diags, "say: train { optimizer = sgd(lr = 0.01) }, or: --set \"train.optimizer=sgd(lr = 0.01)\"");
        return 0;
    }
    return wanted;
}

/* ---- passes ---- */

struct observer {
    struct xent_compilation *compilation;
    const struct xent_compile_options *options;
    const char *entry;
};

static void after_pass(void *context, const struct pass *pass, const struct pass_context *state, bool changed,
                       double seconds)
{
    const struct observer *observer = context;
    struct xent_pass_report report = {observer->entry, pass->name, changed, seconds, NULL};
    if (observer->options->pass_texts) {
        struct text text;
        text_init(&text, &observer->compilation->arena);
        if (state->program)
            kernel_print_program(state->program, &text);
        else
            graph_print(state->graph, &text);
        report.text = text_string(&text);
    }
    observer->options->on_pass(observer->options->context, &report);
}

static bool run_passes(struct xent_compilation *c, enum entry_kind kind, uint32_t wanted,
                       const struct xent_compile_options *options)
{
    const struct train_config *train = &c->ir->train;
    struct compiled_entry *entry = &c->entries[c->count];
    entry->kind = kind;
    entry->context = (struct pass_context){
        .arena = &c->arena,
        .diags = &c->diags,
        .entry = kind,
        .optimizer = {train->momentum != 0, train->dampening != 0, train->weight_decay != 0, train->nesterov},
        .learns = wanted & (XENT_WANT_STEP | XENT_WANT_GRADIENT),
        .batch = c->batch,
        .target = codegen_target_facts(c->target),
        .schedules = c->schedules,
        .graph = c->ir->graph,
    };
    struct observer observer = {c, options, entry_names[kind]};
    struct pass_hooks hooks = {&observer, options->on_pass ? after_pass : NULL, .hurried = !options->on_pass};
    if (!pass_run_all(&entry->context, NULL, c->scheduled ? options->stop_after : "lower", &hooks))
        return false;
    c->count++;
    return true;
}

/* Where the machine code may be an earlier run's, it is looked for before kernels have schedules: these follow from
 * what the code is found by. */
static bool schedules_late(const struct xent_compile_options *options)
{
    return !options->on_pass && !options->stop_after && !options->schedules && !options->lower_only &&
           !options->interpret && !options->no_cache;
}

bool compile_schedule(struct xent_compilation *c)
{
    static const struct pass_hooks hooks = {.hurried = true};
    for (size_t i = 0; i < c->count && !c->scheduled; i++)
        if (!pass_run_all(&c->entries[i].context, "lower", NULL, &hooks))
            return false;
    c->scheduled = true;
    return true;
}

static enum xent_status make_target(struct xent_compilation *c, const struct xent_compile_options *options)
{
    char *message = NULL;
    c->target = codegen_target_create(options->cpu, options->features, &message);
    if (c->target)
        return XENT_OK;
    if (!message)
        return XENT_ERROR_MEMORY;
    diag_error(&c->diags, nowhere, "%s", arena_strdup(&c->arena, message));
    free(message);
    return XENT_ERROR_ARGUMENT;
}

static enum xent_status read_schedules(struct xent_compilation *c, const char *path)
{
    const char *error = NULL;
    uint32_t file = source_load(&c->map, path, &error);
    if (!file) {
        diag_error(&c->diags, nowhere, "%s", error);
        return XENT_ERROR_IO;
    }
    c->schedules = kernel_schedules_parse(&c->arena, &c->diags, file);
    return c->schedules ? XENT_OK : XENT_ERROR_DATA;
}

static enum xent_status check_options(struct xent_compilation *c, const struct xent_compile_options *options)
{
    if (options->stop_after && !pass_named(options->stop_after)) {
        const char **names = ARENA_ARRAY(&c->arena, const char *, pass_count);
        for (size_t i = 0; i < pass_count; i++)
            names[i] = pass_table[i].name;
        diag_error(&c->diags, nowhere, "there is no pass \"%s\"",
                   diag_escape(&c->arena, options->stop_after, strlen(options->stop_after)));
        diag_did_you_mean(&c->diags, options->stop_after, names, pass_count);
        return XENT_ERROR_ARGUMENT;
    }
    if (options->batch > MOST_BATCH) {
        diag_error(&c->diags, nowhere, "a batch has at most %u examples, not %u", MOST_BATCH, (unsigned)options->batch);
        return XENT_ERROR_ARGUMENT;
    }
    return XENT_OK;
}

static enum xent_status compile(struct xent_compilation *c, uint32_t file, const struct xent_compile_options *options)
{
    double start = now();
    enum xent_status status = check_options(c, options);
    if (status == XENT_OK)
        status = front_end(c, file, options);
    if (status != XENT_OK)
        return status;
    uint32_t wanted = choose_entries(c, options->wanted);
    if (!wanted)
        return XENT_ERROR_DATA;
    c->batch = options->batch ? options->batch : (uint32_t)c->ir->train.batch;
    status = make_target(c, options);
    if (status == XENT_OK && options->schedules)
        status = read_schedules(c, options->schedules);
    if (status != XENT_OK)
        return status;
    c->scheduled = !schedules_late(options);
    for (uint32_t kind = 0; kind < ENTRY_COUNT; kind++)
        if ((wanted & 1u << kind) && !run_passes(c, (enum entry_kind)kind, wanted, options))
            return XENT_ERROR_DATA;
    if (c->schedules && !kernel_schedules_used(c->schedules, &c->diags))
        return XENT_ERROR_DATA;
    if (options->stop_after && strcmp(options->stop_after, pass_table[pass_count - 1].name) != 0)
        return XENT_OK;
    compile_join(c);
    if (!options->lower_only)
        status = compile_code(c, options->interpret, options->no_cache);
    c->seconds = now() - start;
    return status;
}

static const char *render(struct xent_compilation *c)
{
    struct text text;
    text_init(&text, &c->arena);
    diag_render(&c->diags, &text);
    return text_string(&text);
}

static enum xent_status start(const char *name, const char *bytes, size_t length,
                              const struct xent_compile_options *options, struct xent_compilation **out)
{
    static const struct xent_compile_options standard;
    *out = NULL;
    struct xent_compilation *c = calloc(1, sizeof *c);
    if (!c)
        return XENT_ERROR_MEMORY;
    c->cache.folder = -1;
    arena_init(&c->arena, &c->on_failure);
    if (setjmp(c->on_failure)) {
        xent_compilation_destroy(c);
        return XENT_ERROR_MEMORY;
    }
    source_map_init(&c->map, &c->arena);
    interner_init(&c->names, &c->arena);
    diag_init(&c->diags, &c->arena, &c->map);
    const char *error = NULL;
    uint32_t file = bytes ? source_add(&c->map, arena_strdup(&c->arena, name),
                                       arena_strndup(&c->arena, bytes, length), length)
                          : source_load(&c->map, name, &error);
    enum xent_status status = XENT_ERROR_IO;
    if (file)
        status = compile(c, file, options ? options : &standard);
    else
        diag_error(&c->diags, nowhere, "%s", error);
    if (status == XENT_ERROR_MEMORY) {
        xent_compilation_destroy(c);
        return status;
    }
    c->messages = render(c);
    *out = c;
    return status;
}

enum xent_status xent_compile(const char *name, const char *text, size_t length,
                              const struct xent_compile_options *options, struct xent_compilation **out)
{
    return start(name, text ? text : "", text ? length : 0, options, out);
}

enum xent_status xent_compile_file(const char *path, const struct xent_compile_options *options,
                                   struct xent_compilation **out)
{
    return start(path, NULL, 0, options, out);
}

void xent_compilation_destroy(struct xent_compilation *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < ENTRY_COUNT; i++)
        kernel_interpreter_destroy(c->entries[i].interpreter);
    object_cache_close(&c->cache);
    codegen_unload(c->code[0]);
    codegen_unload(c->code[1]);
    codegen_target_destroy(c->target);
    arena_deinit(&c->arena);
    free(c);
}

const char *xent_compilation_messages(const struct xent_compilation *c)
{
    return c->messages;
}

const struct xent_model *xent_compilation_model(const struct xent_compilation *c)
{
    return c->ready ? &c->model : NULL;
}

const char *xent_version(void)
{
    return XENT_VERSION;
}

const char *xent_llvm_version(void)
{
    return codegen_version();
}
