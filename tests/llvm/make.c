#include "make.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void make_init(struct make *m, struct arena *arena, const char *name, enum karith arith, uint32_t lanes) {
    *m = (struct make){.arena = arena};
    m->program = ARENA_NEW(arena, struct kprogram);
    m->program->name = name;
    m->program->arith = arith;
    m->program->arena = arena;
    m->made = ARENA_NEW(arena, struct make_kernel);
    m->made->kernel.name = name;
    m->made->loops.kernel = &m->made->kernel;
    m->made->loops.lanes = lanes;
    m->block[0] = &m->made->loops.body;
    m->call.kernel = &m->made->kernel;
    m->call.argument = ARENA_ARRAY(arena, const struct kvar *, MAKE_BUFFERS);
    m->call.scalar = ARENA_ARRAY(arena, const struct kscalar *, XENT_MAX_SCALARS);
    vec_push(arena, &m->program->kernels, &m->made->kernel);
}

static struct kbuffer *buffer_and_var(struct make *m, const char *name, enum ktype type, enum kaccess access,
                                      int64_t elements, struct kvar var) {
    struct kernel *kernel = &m->made->kernel;
    struct kbuffer *buffer = ARENA_NEW(m->arena, struct kbuffer);
    /* Their text is what kernels are compared by, and these have no statements in it. */
    const char *own_name = arena_printf(m->arena, "%s.%s", kernel->name, name);
    *buffer = (struct kbuffer){.name = own_name, .type = type, .access = access, .rank = 1,
                               .number = (uint32_t)kernel->buffers.count, .extent = {elements}};
    buffer->layout.elements = elements;
    var.name = name;
    var.type = type;
    var.rank = 1;
    var.extent[0] = elements;
    var.layout.elements = elements;
    struct kvar *copy = ARENA_NEW(m->arena, struct kvar);
    *copy = var;
    m->call.argument[buffer->number] = copy;
    vec_push(m->arena, &kernel->buffers, buffer);
    vec_push(m->arena, &m->program->vars, copy);
    return buffer;
}

struct kbuffer *make_buffer(struct make *m, const char *name, enum ktype type, enum kaccess access, int64_t elements) {
    int64_t offset = m->arena_bytes;
    m->arena_bytes += (elements * emit_bytes(type) + 63) / 64 * 64;
    return buffer_and_var(m, name, type, access, elements, (struct kvar){.place = KP_ARENA, .offset = offset});
}

struct kbuffer *make_data(struct make *m, const char *name, enum ktype type, int64_t elements) {
    return buffer_and_var(m, name, type, KA_IN, elements, (struct kvar){.place = KP_DATA, .slot = m->data++});
}

struct kbuffer *make_table(struct make *m, const char *name, const float *value, int64_t elements) {
    return buffer_and_var(m, name, KT_F32, KA_IN, elements, (struct kvar){.place = KP_CONST, .value = value});
}

int64_t make_offset(const struct make *m, const struct kbuffer *buffer) {
    return m->call.argument[buffer->number]->offset;
}

struct kscalar *make_scalar(struct make *m, const char *name, enum ktype type) {
    struct kscalar *scalar = ARENA_NEW(m->arena, struct kscalar);
    *scalar = (struct kscalar){.name = name, .type = type, .number = (uint32_t)m->program->scalars.count};
    m->call.scalar[scalar->number] = scalar;
    vec_push(m->arena, &m->program->scalars, scalar);
    vec_push(m->arena, &m->made->kernel.scalars, scalar);
    return scalar;
}

struct llocal *make_local(struct make *m, const char *name, enum ktype type, int64_t elements) {
    struct llocal *local = ARENA_NEW(m->arena, struct llocal);
    *local = (struct llocal){.name = name, .type = type, .elements = elements,
                             .number = (uint32_t)m->made->loops.locals.count};
    vec_push(m->arena, &m->made->loops.locals, local);
    return local;
}

/* ---- integers ---- */

struct laffine make_number(int64_t constant) { return (struct laffine){.constant = constant}; }

struct laffine make_affine(struct make *m, int64_t constant, const struct lterm *a, int64_t fa, const struct lterm *b,
                           int64_t fb, const struct lterm *c, int64_t fc) {
    struct lproduct *products = ARENA_ARRAY(m->arena, struct lproduct, 3);
    uint32_t count = 0;
    if (a)
        products[count++] = (struct lproduct){a, fa};
    if (b)
        products[count++] = (struct lproduct){b, fb};
    if (c)
        products[count++] = (struct lproduct){c, fc};
    return (struct laffine){constant, count, products};
}

enum { ANYTHING = 1 << 30 };

const struct lterm *make_divided(struct make *m, enum lterm_kind kind, struct laffine of, int64_t divisor) {
    struct lterm *term = ARENA_NEW(m->arena, struct lterm);
    *term = (struct lterm){.kind = kind, .of = of, .divisor = divisor, .most = kind == LT_MOD ? divisor - 1 : ANYTHING};
    return term;
}

const struct lterm *make_of_scalar(struct make *m, const struct kscalar *scalar) {
    struct lterm *term = ARENA_NEW(m->arena, struct lterm);
    *term = (struct lterm){.kind = LT_SCALAR, .scalar = scalar, .most = ANYTHING};
    return term;
}

const struct lterm *make_of_value(struct make *m, const struct lvalue *value) {
    struct lterm *term = ARENA_NEW(m->arena, struct lterm);
    *term = (struct lterm){.kind = LT_VALUE, .value = value, .most = ANYTHING};
    return term;
}

/* ---- registers ---- */

struct lvalue *make_value(struct make *m, enum lop op, enum ktype type, uint32_t width) {
    struct lvalue *value = ARENA_NEW(m->arena, struct lvalue);
    value->op = op;
    value->type = type;
    value->width = width;
    value->number = m->made->loops.values++;
    return value;
}

struct lvalue *make_f32(struct make *m, float f32, uint32_t width) {
    struct lvalue *value = make_value(m, LO_CONST, KT_F32, width);
    value->f32 = f32;
    return value;
}

struct lvalue *make_i32(struct make *m, int32_t i32, uint32_t width) {
    struct lvalue *value = make_value(m, LO_CONST, KT_I32, width);
    value->i32 = i32;
    return value;
}

static struct lstatement *add(struct make *m, enum lstatement_kind kind) {
    struct lstatement *statement = ARENA_NEW(m->arena, struct lstatement);
    statement->kind = kind;
    vec_push(m->arena, &m->block[m->depth]->list, statement);
    return statement;
}

void make_define(struct make *m, struct lvalue *value) { add(m, LS_DEFINE)->value = value; }

struct lvalue *make_op(struct make *m, enum kop op, enum ktype type, const struct lvalue *a, const struct lvalue *b,
                       const struct lvalue *c) {
    struct lvalue *value = make_value(m, LO_KOP, type, a->width);
    const struct lvalue **args = ARENA_ARRAY(m->arena, const struct lvalue *, 3);
    value->kop = op;
    args[value->args++] = a;
    if (b)
        args[value->args++] = b;
    if (c)
        args[value->args++] = c;
    value->arg = args;
    make_define(m, value);
    return value;
}

struct lvalue *make_splat(struct make *m, const struct lvalue *of, uint32_t width) {
    struct lvalue *value = make_value(m, LO_SPLAT, of->type, width);
    const struct lvalue **args = ARENA_ARRAY(m->arena, const struct lvalue *, 1);
    args[0] = of;
    value->arg = args;
    value->args = 1;
    make_define(m, value);
    return value;
}

struct lvalue *make_load(struct make *m, const struct kbuffer *buffer, struct laffine element, uint32_t width,
                         int64_t stride) {
    return make_load_masked(m, buffer, element, width, stride, NULL, NULL);
}

struct lvalue *make_load_masked(struct make *m, const struct kbuffer *buffer, struct laffine element, uint32_t width,
                                int64_t stride, const struct lvalue *index, const struct lvalue *mask) {
    struct lvalue *value = make_value(m, LO_LOAD, buffer->type, width);
    value->place = (struct lplace){.buffer = buffer, .element = element};
    value->stride = stride;
    value->index = index;
    value->mask = mask;
    make_define(m, value);
    return value;
}

struct lstatement *make_store(struct make *m, const struct kbuffer *buffer, struct laffine element,
                              const struct lvalue *value, int64_t stride, const struct lvalue *mask) {
    struct lstatement *store = add(m, LS_STORE);
    store->place = (struct lplace){.buffer = buffer, .element = element};
    store->value = value;
    store->stride = stride;
    store->mask = mask;
    return store;
}

/* ---- statements ---- */

static const struct laffine *kept(struct make *m, struct laffine affine) {
    struct laffine *copy = ARENA_NEW(m->arena, struct laffine);
    *copy = affine;
    return copy;
}

struct lstatement *make_for(struct make *m, const char *name, struct laffine lo, struct laffine hi, int64_t step,
                            const struct lterm **out_var) {
    struct lstatement *loop = add(m, LS_FOR);
    struct lvar *var = ARENA_NEW(m->arena, struct lvar);
    struct lterm *term = ARENA_NEW(m->arena, struct lterm);
    *var = (struct lvar){name, m->made->loops.vars++};
    *term = (struct lterm){.kind = LT_VAR, .var = var, .most = ANYTHING};
    loop->var = var;
    loop->los = loop->his = 1;
    loop->lo = kept(m, lo);
    loop->hi = kept(m, hi);
    loop->step = step;
    *out_var = term;
    m->block[++m->depth] = &loop->body;
    return loop;
}

struct lstatement *make_if(struct make *m, const struct lvalue *condition) {
    struct lstatement *branch = add(m, LS_IF);
    branch->value = condition;
    m->block[++m->depth] = &branch->body;
    return branch;
}

void make_else(struct make *m, struct lstatement *branch) { m->block[m->depth] = &branch->otherwise; }

struct lstatement *make_once(struct make *m) {
    struct lstatement *once = add(m, LS_ONCE);
    m->block[++m->depth] = &once->body;
    return once;
}

void make_carry(struct make *m, struct lstatement *s, struct lvalue *phi, const struct lvalue *first,
                const struct lvalue *next) {
    struct lcarried *all = arena_grow(m->arena, s->carried, s->carries * sizeof *all, (s->carries + 1) * sizeof *all);
    all[s->carries++] = (struct lcarried){phi, first, next};
    s->carried = all;
}

void make_end(struct make *m) { m->depth--; }

struct kprogram *make_program(struct make *m) {
    vec_push(m->arena, &m->program->calls, m->call);
    m->program->arena_bytes = m->arena_bytes;
    return m->program;
}

/* ---- running ---- */

struct guarded guarded_new(size_t bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), mapped = (bytes + page - 1) / page * page + page;
    struct guarded memory = {NULL, NULL, mapped};
    memory.map = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory.map == MAP_FAILED || mprotect(memory.map + mapped - page, page, PROT_NONE))
        abort();
    memory.at = memory.map + mapped - page - bytes;
    return memory;
}

void guarded_free(struct guarded *memory) { munmap(memory->map, memory->mapped); }

struct lkernel *make_lower(struct arena *arena, const struct kprogram *program, const struct kernel *kernel,
                           const struct ktarget *target) {
    (void)arena, (void)program, (void)target;
    return &((struct make_kernel *)kernel)->loops;
}

struct compiled compile(const char *cpu, const char *features, const struct kprogram *const *programs, size_t count) {
    struct compiled c = {0};
    size_t size;
    c.target = codegen_target_create(cpu, features, &c.message);
    if (c.target)
        c.module = module_build(c.target, programs, count, make_lower, &c.message);
    unsigned char *object = c.module ? codegen_object(c.module, &size, &c.message) : NULL;
    if (object)
        c.code = codegen_load(c.target, object, size, &c.message);
    free(object);
    return c;
}

void compiled_free(struct compiled *c) {
    codegen_unload(c->code);
    codegen_destroy(c->module);
    codegen_target_destroy(c->target);
    free(c->message);
}

#if defined(__x86_64__)
static const char *const names[] = {"x86-64-v4", "x86-64-v3", "x86-64"};
#else
static const char *const names[] = {NULL};
#endif

size_t test_targets(struct test_target *out, size_t room) {
    size_t count = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names && count < room; i++) {
        char *message = NULL;
        struct codegen_target *target = codegen_target_create(names[i], NULL, &message);
        if (target && codegen_target_runs_here(target)) {
            const struct ktarget *facts = codegen_target_facts(target);
            out[count++] = (struct test_target){names[i], facts->lanes, facts->fma ? KARITH_FMA : KARITH_MULADD};
        }
        codegen_target_destroy(target);
        free(message);
    }
    return count;
}
