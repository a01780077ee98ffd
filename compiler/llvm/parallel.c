/* Machine code on several threads. Kernels are independent, so each thread takes a share of them, balanced by how much
 * there is to generate, through modules of its own; a function's code does not depend on the module that it is in. What
 * several parts need is generated once and goes into the object bytes of each. */
#include "module.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    THREADS_MAX = 16,
    PARTS_MAX = 8,
    SHARE_LEAST = 1000, /* of unit.cost: less is not worth a module of its own */
};

struct bin { /* one module */
    VEC(const struct unit *) units;
    uint32_t parts;
    size_t cost, size;
    unsigned char *object;
    char *message;
};

struct work {
    const struct codegen_target *target;
    module_lower lower;
    struct arena arena; /* of the calling thread */
    jmp_buf out_of_memory;
    struct units units;
    struct bin *bin;
    size_t bins;
    atomic_size_t next; /* unit to lower, then bin to generate */
    struct lowering {
        struct arena arena;
        jmp_buf out_of_memory;
        size_t failed; /* the unit that `message` is of */
        char *message; /* NULL behind a failure: out of memory */
    } lowering[THREADS_MAX];
    atomic_uint arrived;
};

/* ---- threads ---- */

/* Runs `body` on this thread and `threads` - 1 others, or as many as there can be: each takes work until none is
 * left. */
static void on_threads(struct work *work, uint32_t threads, void *(*body)(void *)) {
    pthread_t others[THREADS_MAX];
    uint32_t started = 0;
    work->next = 0;
    work->arrived = 0;
    while (started + 1 < threads && pthread_create(&others[started], NULL, body, work) == 0)
        started++;
    body(work);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(others[i], NULL);
}

/* ---- loops ---- */

/* The arena's jump ends here: a frame of its own, in which no variable changes. */
static __attribute__((noinline)) void lower_units(struct work *work, struct lowering *mine) {
    if (setjmp(mine->out_of_memory))
        return;
    while ((mine->failed = work->next++) < work->units.list.count) {
        struct unit *unit = work->units.list.at[mine->failed];
        mine->message = module_lower_unit(&mine->arena, work->target, unit, work->lower);
        if (mine->message)
            return;
        unit_weigh(unit);
    }
}

static void *lower_thread(void *context) {
    struct work *work = context;
    lower_units(work, &work->lowering[work->arrived++]);
    return NULL;
}

/* The message of the first unit that has one, whichever thread had it. */
static bool lowered(struct work *work, char **out_message) {
    struct lowering *first = NULL;
    for (uint32_t t = 0; t < THREADS_MAX; t++)
        if (work->lowering[t].failed < work->units.list.count &&
            (!first || work->lowering[t].failed < first->failed))
            first = &work->lowering[t];
    if (!first)
        return true;
    *out_message = first->message ? first->message : codegen_message("out of memory while generating code");
    first->message = NULL;
    return false;
}

/* ---- shares ---- */

static int by_cost(const void *a, const void *b) {
    const struct unit *const *x = a, *const *y = b;
    return (*x)->cost != (*y)->cost ? ((*x)->cost < (*y)->cost) - ((*x)->cost > (*y)->cost)
                                    : strcmp((*x)->name, (*y)->name);
}

static int by_bin_cost(const void *a, const void *b) {
    const struct bin *x = a, *y = b;
    return (x->cost < y->cost) - (x->cost > y->cost);
}

/* Costs of the units that the same parts need, and how many modules that is worth. */
struct group {
    size_t cost;
    uint32_t modules;
    struct bin *bin[THREADS_MAX]; /* by thread */
};

/* The least loaded thread that may have units of this group. */
static uint32_t thread_for(const struct group *group, const size_t *load, uint32_t threads) {
    uint32_t best = THREADS_MAX;
    for (uint32_t t = 0; t < threads; t++)
        if ((group->bin[t] || group->modules) && (best == THREADS_MAX || load[t] < load[best]))
            best = t;
    return best;
}

/* Deals the units out to the threads, the dearest first, each to the one that has least to do; what a thread gets of
 * units that the same parts need becomes one module. */
static void deal(struct work *work, uint32_t threads) {
    size_t count = work->units.list.count, load[THREADS_MAX] = {0};
    struct unit **unit = ARENA_ARRAY(&work->arena, struct unit *, count + 1);
    struct group *groups = ARENA_ARRAY(&work->arena, struct group, 1u << PARTS_MAX);
    work->bin = ARENA_ARRAY(&work->arena, struct bin, count + 1);
    for (size_t i = 0; i < count; i++) {
        unit[i] = work->units.list.at[i];
        groups[unit[i]->parts].cost += unit[i]->cost;
    }
    for (uint32_t parts = 0; parts < 1u << PARTS_MAX; parts++) {
        size_t most = groups[parts].cost / SHARE_LEAST + 1;
        groups[parts].modules = most < threads ? (uint32_t)most : threads;
    }
    qsort(unit, count, sizeof *unit, by_cost);
    for (size_t i = 0; i < count; i++) {
        struct group *group = &groups[unit[i]->parts];
        uint32_t t = thread_for(group, load, threads);
        if (!group->bin[t]) {
            group->bin[t] = &work->bin[work->bins++];
            group->bin[t]->parts = unit[i]->parts;
            group->modules--;
        }
        group->bin[t]->cost += unit[i]->cost;
        load[t] += unit[i]->cost;
        vec_push(&work->arena, &group->bin[t]->units, unit[i]);
    }
    qsort(work->bin, work->bins, sizeof *work->bin, by_bin_cost);
}

/* ---- code ---- */

/* The arena's jump ends here: a frame of its own, in which no variable changes. */
static __attribute__((noinline)) bool fill(struct codegen_module *module, struct bin *bin) {
    if (setjmp(module->out_of_memory)) {
        bin->message = codegen_message("out of memory while generating code");
        return false;
    }
    for (int programs = 0; programs < 2; programs++) /* their kernels first */
        for (size_t i = 0; i < bin->units.count; i++)
            if ((bin->units.at[i]->kernel ? 0 : 1) == programs)
                module_add(module, bin->units.at[i], true);
    bin->message = module_verify(module);
    return !bin->message;
}

static void *generate_thread(void *context) {
    struct work *work = context;
    for (size_t i; (i = work->next++) < work->bins;) {
        struct bin *bin = &work->bin[i];
        struct codegen_module *module = module_create(work->target, &bin->message);
        if (module && fill(module, bin))
            bin->object = module_finish(module, &bin->size, &bin->message);
        codegen_destroy(module);
    }
    return NULL;
}

static bool generated(struct work *work, char **out_message) {
    for (size_t i = 0; i < work->bins; i++)
        if (!work->bin[i].object) {
            *out_message = work->bin[i].message;
            work->bin[i].message = NULL;
            return false;
        }
    return true;
}

/* ---- parts ---- */

/* Each object behind its size; codegen_load reads it. */
static bool join(const struct work *work, uint32_t number, struct codegen_part *part) {
    part->size = 0;
    for (size_t i = 0; i < work->bins; i++)
        if (work->bin[i].parts & 1u << number)
            part->size += sizeof(uint64_t) + work->bin[i].size;
    unsigned char *at = part->code = malloc(part->size);
    for (size_t i = 0; i < work->bins && at; i++)
        if (work->bin[i].parts & 1u << number) {
            uint64_t size = work->bin[i].size;
            memcpy(at, &size, sizeof size);
            memcpy(at + sizeof size, work->bin[i].object, work->bin[i].size);
            at += sizeof size + work->bin[i].size;
        }
    return at != NULL;
}

static bool join_all(const struct work *work, struct codegen_part *parts, uint32_t count, char **out_message) {
    for (uint32_t p = 0; p < count; p++)
        if (!join(work, p, &parts[p])) {
            for (uint32_t made = 0; made < p; made++) {
                free(parts[made].code);
                parts[made].code = NULL;
            }
            *out_message = codegen_message("out of memory while generating code");
            return false;
        }
    return true;
}

/* ---- entry ---- */

/* The calling thread's arena jumps to here. */
static __attribute__((noinline)) bool compile_all(struct work *work, struct codegen_part *parts, uint32_t count,
                                                  uint32_t threads, char **out_message) {
    if (setjmp(work->out_of_memory)) {
        *out_message = codegen_message("out of memory while generating code");
        return false;
    }
    for (uint32_t p = 0; p < count; p++)
        units_add(&work->units, parts[p].programs, parts[p].count, p);
    on_threads(work, threads, lower_thread);
    if (!lowered(work, out_message))
        return false;
    deal(work, threads);
    on_threads(work, threads, generate_thread);
    return generated(work, out_message) && join_all(work, parts, count, out_message);
}

static struct work *create(const struct codegen_target *target, module_lower lower) {
    struct work *work = calloc(1, sizeof *work);
    if (!work)
        return NULL;
    work->target = target;
    work->lower = lower;
    work->units.arena = &work->arena;
    arena_init(&work->arena, &work->out_of_memory);
    for (uint32_t t = 0; t < THREADS_MAX; t++) {
        arena_init(&work->lowering[t].arena, &work->lowering[t].out_of_memory);
        work->lowering[t].failed = SIZE_MAX;
    }
    return work;
}

static void destroy(struct work *work) {
    for (uint32_t t = 0; t < THREADS_MAX; t++) {
        arena_deinit(&work->lowering[t].arena);
        free(work->lowering[t].message);
    }
    for (size_t i = 0; i < work->bins; i++) {
        free(work->bin[i].object);
        free(work->bin[i].message);
    }
    arena_deinit(&work->arena);
    free(work);
}

bool parallel_compile(const struct codegen_target *target, struct codegen_part *parts, uint32_t count,
                      uint32_t threads, module_lower lower, char **out_message) {
    struct work *work = create(target, lower);
    assert(count <= PARTS_MAX);
    *out_message = NULL;
    if (!work)
        return false;
    threads = threads < 1 ? 1 : threads < THREADS_MAX ? threads : THREADS_MAX;
    bool good = compile_all(work, parts, count, threads, out_message);
    destroy(work);
    return good;
}
