/* The float32 interpreter: a program's calls in order, a kernel's statements in order, each over its whole index space.
 * Barriers mean nothing to one thread. */
#include "interpret.h"

#include <stdlib.h>

/* ---- one kernel ---- */

static void run_points(struct machine *m, struct prepared *s, size_t count)
{
    const void *value = interpret_eval(m, s->value, count);
    interpret_store(m, &s->target, value, s->value->uniform, count);
    if (s->two)
        interpret_store(m, &s->target2, s->value->reduction->position, s->value->uniform, count);
}

static void run_list(struct machine *m, struct prepared *s)
{
    struct list *list = s->list;
    int64_t extent = list->extent, members = 0;
    for (int64_t first = 0; first < extent; first += RUN) {
        m->slot[list->slot] = first;
        int64_t count = extent - first < RUN ? extent - first : RUN;
        const int32_t *holds = interpret_eval(m, s->value, (size_t)count);
        for (int64_t i = 0; i < count; i++) {
            bool in = holds[s->value->uniform ? 0 : i];
            list->row[in ? members + 1 : extent - (first + i - members)] = (int32_t)(first + i);
            members += in;
        }
    }
    list->row[0] = (int32_t)members;
    for (int64_t first = 0; first <= extent; first += RUN) {
        m->slot[s->index[s->run].slot] = first;
        interpret_store(m, &s->target, list->row + first, false,
                        extent + 1 - first < RUN ? (size_t)(extent + 1 - first) : RUN);
    }
}

/* Steps all indices but the run's, the last fastest; false when all are back at 0. */
static bool advance(struct machine *m, const struct prepared *s)
{
    for (uint32_t i = s->rank; i-- > 0;) {
        if (i == s->run)
            continue;
        int64_t *slot = &m->slot[s->index[i].slot];
        if (++*slot < s->index[i].extent)
            return true;
        *slot = 0;
    }
    return false;
}

static void run_statement(struct machine *m, struct prepared *s)
{
    for (uint32_t i = 0; i < s->rank; i++)
        m->slot[s->index[i].slot] = 0;
    if (s->run == NO_RUN) {
        run_points(m, s, 1);
        return;
    }
    do {
        if (s->list) {
            run_list(m, s);
            continue;
        }
        int64_t extent = s->index[s->run].extent;
        for (int64_t first = 0; first < extent; first += RUN) {
            m->slot[s->index[s->run].slot] = first;
            run_points(m, s, extent - first < RUN ? (size_t)(extent - first) : RUN);
        }
    } while (advance(m, s));
}

/* ---- the program ---- */

/* Four bytes an element, whole cache lines. */
static size_t let_bytes(const struct klet *let)
{
    size_t bytes = 4;
    for (uint32_t i = 0; i < let->rank; i++)
        bytes *= (size_t)let->index[i]->extent;
    return (bytes + 63) & ~(size_t)63;
}

/* Room for the kernel that needs most. */
static void allocate(struct kinterpreter *interpreter)
{
    struct arena *arena = &interpreter->arena;
    size_t slots = 0, banks = 0, scalars = 0, most = 0;
    for (size_t i = 0; i < interpreter->program->kernels.count; i++) {
        const struct prepared_kernel *k = &interpreter->kernels[i];
        size_t here = k->kernel->buffers.count + k->lets.count, bytes = 0;
        for (size_t l = 0; l < k->lets.count; l++)
            if (__builtin_add_overflow(bytes, let_bytes(k->lets.at[l]), &bytes))
                bytes = SIZE_MAX / 2; /* more than there is: the arena says so */
        most = bytes > most ? bytes : most;
        slots = k->slots > slots ? k->slots : slots;
        banks = here > banks ? here : banks;
        scalars = k->kernel->scalars.count > scalars ? k->kernel->scalars.count : scalars;
    }
    interpreter->machine.slot = ARENA_ARRAY(arena, int64_t, slots);
    interpreter->machine.base = ARENA_ARRAY(arena, char *, banks);
    interpreter->machine.scalar = ARENA_ARRAY(arena, const union xent_scalar *, scalars);
    interpreter->scratch = arena_alloc(arena, most);
}

struct kinterpreter *kernel_interpreter_create(const struct kprogram *program)
{
    struct kinterpreter *volatile interpreter = calloc(1, sizeof *interpreter);
    jmp_buf exhausted;
    if (!interpreter)
        return NULL;
    arena_init(&interpreter->arena, &exhausted);
    if (setjmp(exhausted)) {
        kernel_interpreter_destroy(interpreter);
        return NULL;
    }
    interpreter->program = program;
    interpret_prepare(interpreter);
    allocate(interpreter);
    interpreter->arena.on_failure = NULL;
    interpreter->machine.fma = interpret_choose_fma(program->arith == KARITH_MULADD);
    return interpreter;
}

void kernel_interpreter_destroy(struct kinterpreter *interpreter)
{
    if (!interpreter)
        return;
    arena_deinit(&interpreter->arena);
    free(interpreter);
}

static struct prepared_kernel *find_prepared(struct kinterpreter *interpreter, const struct kernel *kernel)
{
    size_t i = 0;
    while (interpreter->kernels[i].kernel != kernel)
        i++;
    return &interpreter->kernels[i];
}

static char *base_of(const struct kvar *var, void *arena, const void *const *data)
{
    switch (var->place) { /* data sets and tables are only read: kernel_verify sees to it */
    case KP_DATA: return (char *)(uintptr_t)data[var->slot];
    case KP_CONST: return (char *)(uintptr_t)var->value;
    case KP_STATE:
    case KP_ARENA: break;
    }
    return (char *)arena + var->offset;
}

static void run_call(struct kinterpreter *interpreter, const struct kcall *call, void *arena, const void *const *data,
                     const union xent_scalar *scalars)
{
    struct machine *m = &interpreter->machine;
    struct prepared_kernel *k = find_prepared(interpreter, call->kernel);
    size_t buffers = k->kernel->buffers.count, at = 0;
    for (size_t i = 0; i < buffers; i++)
        m->base[i] = base_of(call->argument[i], arena, data);
    for (size_t i = 0; i < k->lets.count; i++) {
        m->base[buffers + i] = interpreter->scratch + at;
        at += let_bytes(k->lets.at[i]);
    }
    for (size_t i = 0; i < k->kernel->scalars.count; i++)
        m->scalar[i] = &scalars[call->scalar[i]->number];
    for (size_t i = 0; i < k->statements.count; i++)
        run_statement(m, &k->statements.at[i]);
}

void kernel_interpret(struct kinterpreter *interpreter, void *arena, const void *const *data,
                      const union xent_scalar *scalars)
{
    for (size_t i = 0; i < interpreter->program->calls.count; i++)
        if (interpreter->program->calls.at[i].kernel)
            run_call(interpreter, &interpreter->program->calls.at[i], arena, data, scalars);
}
