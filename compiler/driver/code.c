/* From kernel programs to something that runs: one LLVM module for all entries, or an interpreter for each. */
#include "compile.h"

#include <stdlib.h>

static enum xent_status failed(struct xent_compilation *c, char *message)
{
    if (!message)
        return XENT_ERROR_MEMORY;
    diag_error(&c->diags, (struct span){0}, "%s", arena_strdup(&c->arena, message));
    free(message);
    return XENT_ERROR_ARGUMENT;
}

/* The interpreter runs on one thread; the others of the call wait for it at the end of the entry. */
static void run_interpreter(const struct xent_entry *self, const struct xent_call *call, uint32_t thread, uint32_t threads)
{
    const struct compiled_entry *entry = self->context;
    if (thread == 0)
        kernel_interpret(entry->interpreter, call->arena, call->data, call->scalar);
    if (threads > 1)
        call->barrier(call->barrier_context, thread);
}

static enum xent_status interpreters(struct xent_compilation *c, struct xent_entry *entry)
{
    for (size_t i = 0; i < c->count; i++) {
        c->entries[i].interpreter = kernel_interpreter_create(c->entries[i].context.program);
        if (!c->entries[i].interpreter)
            return XENT_ERROR_MEMORY;
        entry[i].run = run_interpreter;
        entry[i].context = &c->entries[i];
    }
    return XENT_OK;
}

static enum xent_status machine_code(struct xent_compilation *c, struct xent_entry *entry)
{
    char *message = NULL;
    if (!codegen_target_runs_here(c->target)) {
        diag_error(&c->diags, (struct span){0}, "this machine cannot run code for %s",
                   codegen_target_describe(c->target));
        return XENT_ERROR_ARGUMENT;
    }
    const struct kprogram *programs[ENTRY_COUNT];
    for (size_t i = 0; i < c->count; i++)
        programs[i] = c->entries[i].context.program;
    size_t size = 0;
    struct codegen_module *module = codegen_build(c->target, programs, c->count, &message);
    unsigned char *object = module ? codegen_object(module, &size, &message) : NULL;
    codegen_destroy(module);
    c->code = object ? codegen_load(c->target, object, size, &message) : NULL;
    free(object);
    if (!c->code)
        return failed(c, message);
    for (size_t i = 0; i < c->count; i++) {
        entry[i].run = codegen_find(c->code, programs[i]->name);
        if (!entry[i].run)
            return failed(c, NULL);
    }
    return XENT_OK;
}

enum xent_status compile_code(struct xent_compilation *c, bool interpret)
{
    struct xent_entry *entry = ARENA_ARRAY(&c->arena, struct xent_entry, c->count);
    for (size_t i = 0; i < c->count; i++)
        entry[i] = c->model.entry[i];
    enum xent_status status = interpret ? interpreters(c, entry) : machine_code(c, entry);
    c->model.entry = entry;
    c->ready = status == XENT_OK;
    return status;
}
