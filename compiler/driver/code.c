/* From kernel programs to something that runs: machine code of two parts (or the objects that an earlier run made of
 * them), or an interpreter for each entry. */
#include "compile.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

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

static enum xent_status interpreters(struct xent_compilation *c)
{
    for (size_t i = 0; i < c->count; i++) {
        c->entries[i].interpreter = kernel_interpreter_create(c->entries[i].context.program);
        if (!c->entries[i].interpreter)
            return XENT_ERROR_MEMORY;
        c->entry[i].run = run_interpreter;
        c->entry[i].context = &c->entries[i];
    }
    return XENT_OK;
}

/* What is loaded and kept by itself: the training step, or all other entries. */
struct part {
    const struct codegen_target *target;
    const struct kprogram *programs[ENTRY_COUNT];
    size_t entry[ENTRY_COUNT]; /* of the compilation, that a program belongs to */
    size_t count;
    uint64_t *places; /* of one entry behind the other; in the cache in front of the code */
    size_t places_bytes;
    const char *basis; /* of the places */
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
    part->keyed = part->cache->folder >= 0 &&
                  object_key(part->target, part->programs, part->count, part->basis, &part->key);
    unsigned char *kept = part->keyed ? object_cache_find(part->cache, &part->key, &size) : NULL;
    if (kept && size > part->places_bytes) {
        memcpy(part->places, kept, part->places_bytes);
        part->code = codegen_load(part->target, kept + part->places_bytes, size - part->places_bytes, &part->message);
    }
    free(kept);
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

static void keep(const struct part *part)
{
    unsigned char *kept = malloc(part->places_bytes + part->size);
    if (!kept)
        return;
    memcpy(kept, part->places, part->places_bytes);
    memcpy(kept + part->places_bytes, part->object, part->size);
    object_cache_store(part->cache, &part->key, kept, part->places_bytes + part->size);
    free(kept);
}

static void *load_and_keep(void *context)
{
    struct part *part = context;
    if (!part->object)
        return NULL;
    part->code = codegen_load(part->target, part->object, part->size, &part->message);
    if (part->code && part->keyed)
        keep(part);
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
    bool good = codegen_compile(part[0].target, missing, count, processors(), &message);
    for (uint32_t i = 0; i < count && good; i++) {
        of[i]->object = missing[i].code;
        of[i]->size = missing[i].size;
    }
    of[0]->message = message;
}

static void note_places(const struct xent_compilation *c, struct part *part)
{
    uint64_t *at = part->places;
    for (size_t i = 0; i < part->count; i++) {
        places_get(c, part->entry[i], at);
        at += places_count(&c->entry[part->entry[i]]);
    }
}

static void take_places(struct xent_compilation *c, const struct part *part)
{
    const uint64_t *at = part->places;
    for (size_t i = 0; i < part->count; i++) {
        places_set(c, part->entry[i], at);
        at += places_count(&c->entry[part->entry[i]]);
    }
}

/* False: after a message, the programs cannot be scheduled. */
static bool compile_parts(struct xent_compilation *c, struct part part[PARTS])
{
    on_parts(part, find_in_cache);
    for (int i = 0; i < PARTS; i++)
        c->code[i] = part[i].code;
    c->cached = (part[0].cached || !part[0].count) && (part[1].cached || !part[1].count);
    if (c->cached) {
        c->model.arena_bytes = 0;
        take_places(c, &part[0]);
        take_places(c, &part[1]);
        return true;
    }
    if (!compile_schedule(c))
        return false;
    compile_join(c);
    note_places(c, &part[0]);
    note_places(c, &part[1]);
    make_parts(part);
    on_parts(part, load_and_keep);
    return true;
}

/* The step's part, and that of all other entries. */
static void divide(struct xent_compilation *c, struct part part[PARTS])
{
    for (int p = 0; p < PARTS; p++) {
        struct text basis;
        size_t places = 0;
        part[p] = (struct part){.target = c->target, .cache = &c->cache};
        text_init(&basis, &c->arena);
        for (size_t i = 0; i < c->count; i++)
            if ((c->entries[i].kind != ENTRY_STEP) == p) {
                part[p].programs[part[p].count] = c->entries[i].context.program;
                part[p].entry[part[p].count++] = i;
                places += places_count(&c->entry[i]);
                places_explain(&c->entries[i], &basis);
            }
        part[p].places = ARENA_ARRAY(&c->arena, uint64_t, places);
        part[p].places_bytes = places * sizeof *part[p].places;
        part[p].basis = text_string(&basis);
    }
}

static enum xent_status machine_code(struct xent_compilation *c, bool no_cache)
{
    if (!codegen_target_runs_here(c->target)) {
        char *missing = codegen_target_missing(c->target);
        diag_error(&c->diags, (struct span){0}, "this machine cannot run code for %s%s%s",
                   codegen_target_describe(c->target), missing && *missing ? ": it has no " : "",
                   missing ? arena_strdup(&c->arena, missing) : "");
        free(missing);
        return XENT_ERROR_ARGUMENT;
    }
    struct part part[PARTS];
    if (!no_cache)
        c->cache = object_cache_open(true);
    divide(c, part);
    bool good = compile_parts(c, part);
    object_cache_close(&c->cache);
    if (!good)
        return XENT_ERROR_DATA;
    for (int i = 0; i < PARTS; i++) {
        c->code[i] = part[i].code;
        good = good && (part[i].code || !part[i].count);
    }
    if (!good) {
        char *message = part[0].message ? part[0].message : part[1].message;
        if (part[0].message)
            free(part[1].message);
        return failed(c, message);
    }
    for (size_t i = 0; i < c->count; i++) {
        c->entry[i].run = codegen_find(c->code[c->entries[i].kind != ENTRY_STEP], c->entries[i].context.program->name);
        if (!c->entry[i].run)
            return failed(c, NULL);
    }
    return XENT_OK;
}

enum xent_status compile_code(struct xent_compilation *c, bool interpret, bool no_cache)
{
    enum xent_status status = interpret ? interpreters(c) : machine_code(c, no_cache);
    c->ready = status == XENT_OK;
    return status;
}
