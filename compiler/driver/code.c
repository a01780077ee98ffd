/* From kernel programs to something that runs: machine code from two LLVM modules (or the objects that an earlier run
 * made of them), or an interpreter for each entry. */
#include "compile.h"

#include "cache.h"

#include <pthread.h>
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

/* One LLVM module: the training step's, or that of all other entries, which share kernels. */
struct part {
    const struct codegen_target *target;
    const struct kprogram *programs[ENTRY_COUNT];
    size_t count;
    const struct object_cache *cache;
    struct codegen_code *code;
    bool cached;
    char *message; /* after a failure; NULL: out of memory */
};

static bool find_in_cache(struct part *part, const struct object_key *key)
{
    size_t size = 0;
    unsigned char *object = object_cache_find(part->cache, key, &size);
    if (!object)
        return false;
    part->code = codegen_load(part->target, object, size, &part->message);
    free(object);
    bool complete = part->code != NULL;
    for (size_t i = 0; i < part->count && complete; i++)
        complete = codegen_find(part->code, part->programs[i]->name) != NULL;
    if (complete)
        return true;
    codegen_unload(part->code);
    part->code = NULL;
    free(part->message);
    part->message = NULL;
    return false;
}

static void *compile_part(void *context)
{
    struct part *part = context;
    struct object_key key;
    bool keyed = part->cache->folder >= 0 && object_key(part->target, part->programs, part->count, &key);
    part->cached = keyed && find_in_cache(part, &key);
    if (part->cached)
        return NULL;
    size_t size = 0;
    struct codegen_module *module = codegen_build(part->target, part->programs, part->count, &part->message);
    unsigned char *object = module ? codegen_object(module, &size, &part->message) : NULL;
    codegen_destroy(module);
    part->code = object ? codegen_load(part->target, object, size, &part->message) : NULL;
    if (part->code && keyed)
        object_cache_store(part->cache, &key, object, size);
    free(object);
    return NULL;
}

/* Both modules at once: the step takes most of the time, and nothing else has to wait for it. */
static void compile_parts(struct part part[2])
{
    pthread_t thread;
    bool apart = part[0].count && part[1].count && pthread_create(&thread, NULL, compile_part, &part[1]) == 0;
    for (int i = 0; i < (apart ? 1 : 2); i++)
        if (part[i].count)
            compile_part(&part[i]);
    if (apart)
        pthread_join(thread, NULL);
}

static enum xent_status machine_code(struct xent_compilation *c, bool no_cache, struct xent_entry *entry)
{
    if (!codegen_target_runs_here(c->target)) {
        char *missing = codegen_target_missing(c->target);
        diag_error(&c->diags, (struct span){0}, "this machine cannot run code for %s%s%s",
                   codegen_target_describe(c->target), missing && *missing ? ": it has no " : "",
                   missing ? arena_strdup(&c->arena, missing) : "");
        free(missing);
        return XENT_ERROR_ARGUMENT;
    }
    struct object_cache cache = {.folder = -1};
    if (!no_cache)
        cache = object_cache_open(true);
    struct part part[2] = {{.target = c->target, .cache = &cache}, {.target = c->target, .cache = &cache}};
    for (size_t i = 0; i < c->count; i++) {
        struct part *its = &part[c->entries[i].kind != ENTRY_STEP];
        its->programs[its->count++] = c->entries[i].context.program;
    }
    compile_parts(part);
    object_cache_close(&cache);
    bool good = true;
    c->cached = true;
    for (int i = 0; i < 2; i++) {
        c->code[i] = part[i].code;
        good = good && (part[i].code || !part[i].count);
        c->cached = c->cached && (part[i].cached || !part[i].count);
    }
    if (!good) {
        char *message = part[0].message ? part[0].message : part[1].message;
        if (part[0].message)
            free(part[1].message);
        return failed(c, message);
    }
    for (size_t i = 0; i < c->count; i++) {
        entry[i].run = codegen_find(c->code[c->entries[i].kind != ENTRY_STEP], c->entries[i].context.program->name);
        if (!entry[i].run)
            return failed(c, NULL);
    }
    return XENT_OK;
}

enum xent_status compile_code(struct xent_compilation *c, bool interpret, bool no_cache)
{
    struct xent_entry *entry = ARENA_ARRAY(&c->arena, struct xent_entry, c->count);
    for (size_t i = 0; i < c->count; i++)
        entry[i] = c->model.entry[i];
    enum xent_status status = interpret ? interpreters(c, entry) : machine_code(c, no_cache, entry);
    c->model.entry = entry;
    c->ready = status == XENT_OK;
    return status;
}
