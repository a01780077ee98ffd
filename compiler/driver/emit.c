/* xent_compilation_emit: the stages of a compilation as text or bytes. */
#include "compile.h"
#include "loops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum xent_status fail(struct xent_error *error, enum xent_status status, const char *message)
{
    if (error) {
        error->status = status;
        snprintf(error->message, sizeof error->message, "%s", message);
    }
    return status;
}

static const struct compiled_entry *entry_named(const struct xent_compilation *c, const char *name)
{
    const struct compiled_entry *found = NULL;
    for (size_t i = 0; i < c->count; i++)
        if (!name || !strcmp(entry_names[c->entries[i].kind], name))
            found = &c->entries[i];
    return found;
}

static void text_of_entry(struct xent_compilation *c, enum xent_stage stage, const struct compiled_entry *entry,
                          struct text *out)
{
    const struct kprogram *program = entry->context.program;
    if (stage == XENT_STAGE_GRAPH)
        graph_print(entry->context.graph, out);
    else if (stage == XENT_STAGE_KERNELS)
        kernel_print_program(program, out);
    else if (stage == XENT_STAGE_SCHEDULES)
        kernel_print_schedules(program, out);
    else
        for (size_t i = 0; i < program->kernels.count; i++)
            loops_print(kernel_to_loops(&c->arena, program, program->kernels.at[i], codegen_target_facts(c->target)),
                        out);
}

static char *symbol_of(struct xent_compilation *c)
{
    return arena_printf(&c->arena, "xent_model_%s", c->model.name);
}

/* LLVM, ASM, OBJECT: of one entry or of all. */
static char *machine_stage(struct xent_compilation *c, enum xent_stage stage, const struct compiled_entry *only,
                           size_t *size, char **message)
{
    const struct kprogram *programs[ENTRY_COUNT];
    struct kprogram *named = ARENA_ARRAY(&c->arena, struct kprogram, ENTRY_COUNT);
    struct xent_entry *entries = ARENA_ARRAY(&c->arena, struct xent_entry, ENTRY_COUNT);
    struct xent_model model = c->model;
    size_t count = 0;
    for (size_t i = 0; i < c->count; i++)
        if (!only || only == &c->entries[i]) {
            entries[count] = c->model.entry[i];
            named[count] = *c->entries[i].context.program;
            if (stage == XENT_STAGE_OBJECT) /* its table of entries finds the code by the entry's name */
                named[count].name = entries[count].name;
            programs[count] = &named[count];
            count++;
        }
    model.entry = entries;
    model.entries = (uint32_t)count;
    if (stage == XENT_STAGE_OBJECT)
        return (char *)codegen_model_object(c->target, programs, count, &model, symbol_of(c), size, message);
    struct codegen_module *module = codegen_build(c->target, programs, count, message);
    char *text = NULL;
    if (module)
        text = stage == XENT_STAGE_LLVM ? codegen_ir_text(module) : codegen_asm_text(module, message);
    codegen_destroy(module);
    *size = text ? strlen(text) : 0;
    return text;
}

static enum xent_status emit(struct xent_compilation *c, enum xent_stage stage, const char *entry_name,
                             char **out_bytes, size_t *out_size, struct xent_error *error)
{
    const struct compiled_entry *entry = entry_named(c, entry_name);
    bool kernels = stage > XENT_STAGE_GRAPH;
    if (!c->ir || !entry || (kernels && !(entry->context.program && compile_schedule(c))))
        return fail(error, XENT_ERROR_ARGUMENT,
                    entry_name && !entry ? "this entry was not compiled" : "the compilation did not come that far");
    if (stage >= XENT_STAGE_LLVM) {
        char *message = NULL;
        *out_bytes = machine_stage(c, stage, entry_name ? entry : NULL, out_size, &message);
        if (*out_bytes)
            return XENT_OK;
        enum xent_status status = fail(error, message ? XENT_ERROR_ARGUMENT : XENT_ERROR_MEMORY,
                                       message ? message : "out of memory");
        free(message);
        return status;
    }
    struct text text;
    text_init(&text, &c->arena);
    if (stage == XENT_STAGE_AST)
        ast_print(c->ast, &text);
    else
        text_of_entry(c, stage, entry, &text);
    *out_bytes = strdup(text_string(&text));
    if (!*out_bytes)
        return fail(error, XENT_ERROR_MEMORY, "out of memory");
    *out_size = text.count;
    return XENT_OK;
}

enum xent_status xent_compilation_emit(struct xent_compilation *c, enum xent_stage stage, const char *entry_name,
                                       char **out_bytes, size_t *out_size, struct xent_error *error)
{
    *out_bytes = NULL;
    *out_size = 0;
    if (setjmp(c->on_failure))
        return fail(error, XENT_ERROR_MEMORY, "out of memory");
    return emit(c, stage, entry_name, out_bytes, out_size, error);
}
