/* From kernel programs to something that runs: machine code of two parts (or the objects that an earlier run made of
 * them), or an interpreter for each entry. */
#include "compile.h"

#include "cache.h"

#include <pthread.h>
#include <sched.h>
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
static void run_interpreter(const struct xent_entry *self, const struct xent_call *call, uint32_t thread,
                            uint32_t threads)
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

/* What is loaded and kept by itself: the training step, or all other entries. */
struct part {
    const struct codegen_target *target;
    const struct kprogram *programs[ENTRY_COUNT];
    size_t count;
    const struct object_cache *cache;
    bool keyed, cached;
    struct object_key key;
    unsigned char *object; /* newly made */
    size_t size;
    struct codegen_code *code;
    char *message; /* after a failure; NULL: out of memory */
};
enum { PARTS = 2 };

static void *find_in_cache(void *context)
{
    struct part *part = context;
    size_t size = 0;
    part->keyed = part->cache->folder >= 0 && object_key(part->target, part->programs, part->count, &part->key);
    unsigned char *object = part->keyed ? object_cache_find(part->cache, &part->key, &size) : NULL;
    if (!object)
        return NULL;
    part->code = codegen_load(part->target, object, size, &part->message);
    free(object);
    part->cached = part->code != NULL;
    for (size_t i = 0; i < part->count && part->cached; i++)
        part->cached = codegen_find(part->code, part->programs[i]->name) != NULL;
    if (part->cached)
        return NULL;
    codegen_unload(part->code);
    part->code = NULL;
    free(part->message);
    part->message = NULL;
    return NULL;
}

static void *load_and_keep(void *context)
{
    struct part *part = context;
    if (!part->object)
        return NULL;
    part->code = codegen_load(part->target, part->object, part->size, &part->message);
    if (part->code && part->keyed)
        object_cache_store(part->cache, &part->key, part->object, part->size);
    free(part->object);
    return NULL;
}

/* On all parts that there are, at once. */
static void on_parts(struct part part[PARTS], void *(*body)(void *))
{
    pthread_t thread;
    bool apart = part[0].count && part[1].count && pthread_create(&thread, NULL, body, &part[1]) == 0;
    for (int i = 0; i < (apart ? 1 : PARTS); i++)
        if (part[i].count)
            body(&part[i]);
    if (apart)
        pthread_join(thread, NULL);
}

static uint32_t processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;
}

/* Makes what the cache did not have. */
static void make_parts(struct part part[PARTS])
{
    struct codegen_part missing[PARTS];
    struct part *of[PARTS];
    uint32_t count = 0;
    char *message = NULL;
    for (int i = 0; i < PARTS; i++)
        if (part[i].count && !part[i].cached) {
            missing[count] = (struct codegen_part){.programs = part[i].programs, .count = part[i].count};
            of[count++] = &part[i];
        }
    if (count == 0)
        return;
    bool good = codegen_compile(part[0].target, missing, count, processors(), &message);
    for (uint32_t i = 0; i < count && good; i++) {
        of[i]->object = missing[i].code;
        of[i]->size = missing[i].size;
    }
    of[0]->message = message;
}

static void compile_parts(struct part part[PARTS])
{
    on_parts(part, find_in_cache);
    make_parts(part);
    on_parts(part, load_and_keep);
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
    struct part part[PARTS] = {{.target = c->target, .cache = &cache}, {.target = c->target, .cache = &cache}};
    for (size_t i = 0; i < c->count; i++) {
        struct part *its = &part[c->entries[i].kind != ENTRY_STEP];
        its->programs[its->count++] = c->entries[i].context.program;
    }
    compile_parts(part);
    object_cache_close(&cache);
    bool good = true;
    c->cached = true;
    for (int i = 0; i < PARTS; i++) {
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
