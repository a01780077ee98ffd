/* Verification of programs: declarations, calls, and the order of calls. Every error of the text is reported; a program
 * that passes reads only what exists and was written, and its threads never race. */
#include "verify.h"
#include "math_functions.h"
#include "syntax.h"

#include <stdarg.h>
#include <string.h>

void kverify_error(struct kverifier *v, struct span span, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *message = arena_vprintf(v->arena, format, args);
    va_end(args);
    if (v->kernel || v->function) {
        const char *name = v->kernel ? v->kernel->name : v->function->name;
        diag_error(v->diags, span, "%s %s: %s", v->kernel ? "kernel" : "function",
                   diag_escape(v->arena, name, strlen(name)), message);
    } else {
        diag_error(v->diags, span, "%s", message);
    }
}

static const char *escaped(struct kverifier *v, const char *name)
{
    return diag_escape(v->arena, name, strlen(name));
}

/* ---- shapes ---- */

/* The digits of one dimension, by growing divisor, must be its mixed radix digits: each begins where the last ended. */
static bool digits_cover(const struct klayout *layout, uint32_t dim, int64_t extent)
{
    int64_t reach = 1; /* the digits seen so far tell values below this apart */
    for (uint32_t used = 0; used <= layout->count; used++) {
        const struct kdigit *next = NULL;
        for (uint32_t i = 0; i < layout->count; i++)
            if (layout->digit[i].dim == dim && layout->digit[i].div == reach &&
                (layout->digit[i].mod != 1 || extent == 1))
                next = &layout->digit[i];
        if (extent != KERNEL_UNKNOWN && reach >= extent)
            return true;
        if (!next)
            return false;
        if (next->mod == 0)
            return true;
        if (__builtin_mul_overflow(reach, (int64_t)next->mod, &reach))
            return false;
    }
    return false;
}

static int64_t digit_values(const struct kdigit *digit, int64_t extent)
{
    if (extent == KERNEL_UNKNOWN)
        return INT64_MAX;
    int64_t values = (extent + digit->div - 1) / digit->div;
    return digit->mod && digit->mod < values ? digit->mod : values;
}

/* Sorted by stride, each digit steps over everything that the smaller ones reach. */
static bool strides_nest(const struct klayout *layout, const int64_t *extent)
{
    bool done[KERNEL_MAX_DIGITS] = {false};
    int64_t reach = 1;
    for (uint32_t n = 0; n < layout->count; n++) {
        uint32_t least = layout->count;
        for (uint32_t i = 0; i < layout->count; i++)
            if (!done[i] && (least == layout->count || layout->digit[i].stride < layout->digit[least].stride))
                least = i;
        done[least] = true;
        const struct kdigit *digit = &layout->digit[least];
        int64_t values = digit_values(digit, extent[digit->dim]), span;
        if (values == 1)
            continue;
        if (digit->stride < reach)
            return false;
        if (values == INT64_MAX)
            reach = INT64_MAX;
        else if (__builtin_mul_overflow(values - 1, digit->stride, &span) ||
                 __builtin_add_overflow(reach, span, &reach))
            return false;
    }
    return true;
}

bool kverify_shape(struct kverifier *v, struct span span, const char *name, uint32_t rank, const int64_t *extent,
                   const struct klayout *layout, bool unknown_allowed)
{
    name = escaped(v, name);
    if (rank > KERNEL_MAX_RANK || layout->count > KERNEL_MAX_DIGITS) {
        kverify_error(v, span, "%s has more than %d dimensions or %d digits", name, KERNEL_MAX_RANK, KERNEL_MAX_DIGITS);
        return false;
    }
    for (uint32_t d = 0; d < rank; d++) {
        bool unknown = extent[d] == KERNEL_UNKNOWN && d == 0 && unknown_allowed;
        if (!unknown && (extent[d] < 1 || extent[d] > INT32_MAX)) {
            if (extent[d] == KERNEL_UNKNOWN)
                kverify_error(v, span, "%s: only the first extent of a data set is unknown", name);
            else
                kverify_error(v, span, "%s: the extent %lld is not between 1 and %d", name, (long long)extent[d],
                              INT32_MAX);
            return false;
        }
    }
    struct klayout complete = *layout;
    if (!klayout_complete(&complete, rank, extent) || complete.elements != layout->elements ||
        complete.elements > INT64_MAX / 4) {
        kverify_error(v, span, "%s is too large, or its layout is not complete", name);
        return false;
    }
    bool distinct = strides_nest(layout, extent);
    for (uint32_t d = 0; d < rank; d++)
        distinct = distinct && digits_cover(layout, d, extent[d]);
    if (!distinct)
        kverify_error(v, span, "the layout of %s puts two elements in one place", name);
    return distinct;
}

/* ---- declarations ---- */

static bool check_table(struct kverifier *v, const struct kvar *var)
{
    struct klayout dense = klayout_dense(var->rank, var->extent);
    if (var->type == KT_F32 && var->value && var->layout.count == dense.count &&
        memcmp(var->layout.digit, dense.digit, dense.count * sizeof *dense.digit) == 0)
        return true;
    kverify_error(v, var->span, "%s: a const is f32, its rows dense, and has a value for each element",
                  escaped(v, var->name));
    return false;
}

static bool check_var(struct kverifier *v, const struct kvar *var)
{
    const char *name = escaped(v, var->name);
    int64_t end;
    if (!kverify_shape(v, var->span, var->name, var->rank, var->extent, &var->layout, var->place == KP_DATA))
        return false;
    if (var->type == KT_BOOL) {
        kverify_error(v, var->span, "%s: there are no buffers of bool", name);
        return false;
    }
    if (var->place == KP_CONST)
        return check_table(v, var);
    if (var->place == KP_DATA)
        return true;
    if (var->offset < 0 || var->offset % 4 != 0 || __builtin_add_overflow(var->offset, kvar_bytes(var), &end) ||
        end > v->program->arena_bytes) {
        kverify_error(v, var->span, "%s does not lie in the %lld bytes of memory, or not at a multiple of 4", name,
                      (long long)v->program->arena_bytes);
        return false;
    }
    return true;
}

static void check_vars(struct kverifier *v)
{
    bool fits = true;
    for (size_t i = 0; i < v->program->vars.count; i++)
        fits &= check_var(v, v->program->vars.at[i]);
    for (size_t i = 0; fits && i < v->program->vars.count; i++) {
        const struct kvar *a = v->program->vars.at[i];
        for (size_t j = 0; j < v->program->vars.count; j++) {
            const struct kvar *b = v->program->vars.at[j];
            if (i != j && (j > i || b->place != KP_STATE) && a->place == KP_STATE && kvar_overlap(a, b))
                kverify_error(v, b->span, "%s overlaps the state %s", escaped(v, b->name), escaped(v, a->name));
        }
    }
}

static void check_scalars(struct kverifier *v)
{
    for (size_t i = 0; i < v->program->scalars.count; i++) {
        const struct kscalar *s = v->program->scalars.at[i];
        if (s->type == KT_U8)
            kverify_error(v, (struct span){0}, "%s: there are no scalars of u8", escaped(v, s->name));
        if (s->limit && (s->type != KT_I32 || s->limit < 1 || s->limit > INT32_MAX))
            kverify_error(v, (struct span){0}, "%s: a limit is for i32 and between 1 and %d", escaped(v, s->name),
                          INT32_MAX);
        if (s->number != i)
            kverify_error(v, (struct span){0}, "%s has the number %u, but is scalar %zu", escaped(v, s->name),
                          s->number, i);
    }
}

/* The text refers by name. */
static void check_names(struct kverifier *v, const char *what, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(names[i], names[j]) == 0)
                kverify_error(v, (struct span){0}, "two %s are called %s", what, escaped(v, names[i]));
}

#define CHECK_NAMES(v, what, vec)                                                                                      \
    do {                                                                                                               \
        const char **names_ = ARENA_ARRAY((v)->arena, const char *, (vec).count);                                      \
        for (size_t i_ = 0; i_ < (vec).count; i_++)                                                                    \
            names_[i_] = (vec).at[i_]->name;                                                                           \
        check_names((v), (what), names_, (vec).count);                                                                 \
    } while (0)

/* ---- calls ---- */

static bool same_place(const struct kbuffer *formal, const struct kvar *actual)
{
    if (formal->type != actual->type || formal->rank != actual->rank || formal->layout.count != actual->layout.count)
        return false;
    for (uint32_t d = 0; d < formal->rank; d++)
        if (formal->extent[d] != actual->extent[d])
            return false;
    return memcmp(formal->layout.digit, actual->layout.digit, formal->layout.count * sizeof *formal->layout.digit) == 0;
}

static bool check_arguments(struct kverifier *v, const struct kcall *call)
{
    const struct kernel *kernel = call->kernel;
    const char *name = escaped(v, kernel->name);
    bool fits = true;
    for (size_t i = 0; i < kernel->buffers.count; i++) {
        const struct kbuffer *formal = kernel->buffers.at[i];
        const struct kvar *actual = call->argument[i];
        if (!same_place(formal, actual)) {
            kverify_error(v, call->span, "call of %s: %s does not have the type, extents and layout of %s", name,
                          escaped(v, actual->name), escaped(v, formal->name));
            fits = false;
        }
        if (formal->access != KA_IN && !kvar_in_arena(actual)) {
            kverify_error(v, call->span, "call of %s: the %s %s cannot be written", name,
                          actual->place == KP_DATA ? "data set" : "const", escaped(v, actual->name));
            fits = false;
        }
        for (size_t j = 0; fits && j < kernel->buffers.count; j++) {
            if (j == i || formal->access == KA_IN || !kvar_overlap(actual, call->argument[j]))
                continue;
            kverify_error(v, call->span, "call of %s: %s is written and overlaps %s", name, escaped(v, actual->name),
                          escaped(v, call->argument[j]->name));
            fits = false;
        }
    }
    for (size_t i = 0; i < kernel->scalars.count; i++) {
        const struct kscalar *formal = kernel->scalars.at[i], *actual = call->scalar[i];
        if (formal->type == actual->type && (!formal->limit || (actual->limit && actual->limit <= formal->limit)))
            continue;
        kverify_error(v, call->span, "call of %s: %s does not fit %s", name, escaped(v, actual->name),
                      escaped(v, formal->name));
        fits = false;
    }
    return fits;
}

enum { UNWRITTEN, WRITTEN, OVERWRITTEN };
struct flow {
    bool *own;                                 /* [vars]: some call writes to it, so it is no view */
    uint8_t *content;                          /* [vars]: UNWRITTEN .. */
    VEC(const struct kvar *) read, written;    /* since the last barrier */
    VEC(const struct kernel *) reader, writer; /* the kernels that did */
};

static size_t var_number(const struct kprogram *program, const struct kvar *var)
{
    size_t i = 0;
    while (i < program->vars.count && program->vars.at[i] != var)
        i++;
    return i;
}

/* One memory in two shapes: what is written to the one is read from the other, to which no call writes. Of two that
 * calls write to, the one written later has taken the other's memory, however alike they are. */
static bool same_view(const struct kvar *a, const struct kvar *b)
{
    int64_t elements[2] = {1, 1};
    for (uint32_t d = 0; d < a->rank; d++)
        elements[0] *= a->extent[d];
    for (uint32_t d = 0; d < b->rank; d++)
        elements[1] *= b->extent[d];
    return a->place == KP_ARENA && b->place == KP_ARENA && a->offset == b->offset && a->type == b->type &&
           a->layout.elements == b->layout.elements && elements[0] == elements[1];
}

/* Threads meet only at barriers: what one call writes, no other call may touch before the next, but where one thread
 * runs both. */
static void check_races(struct kverifier *v, const struct flow *flow, const struct kcall *call)
{
    const char *name = escaped(v, call->kernel->name);
    bool alone = kernel_is_alone(call->kernel);
    for (size_t i = 0; i < call->kernel->buffers.count; i++) {
        const struct kvar *var = call->argument[i];
        bool writes = call->kernel->buffers.at[i]->access != KA_IN;
        for (size_t j = 0; j < flow->written.count; j++)
            if (!(alone && kernel_is_alone(flow->writer.at[j])) && kvar_overlap(var, flow->written.at[j]))
                kverify_error(v, call->span, "call of %s: no barrier since %s wrote %s, which %s %s", name,
                              escaped(v, flow->writer.at[j]->name), escaped(v, flow->written.at[j]->name),
                              writes ? "shares memory with" : "is read as", escaped(v, var->name));
        for (size_t j = 0; writes && j < flow->read.count; j++)
            if (!(alone && kernel_is_alone(flow->reader.at[j])) && kvar_overlap(var, flow->read.at[j]))
                kverify_error(v, call->span, "call of %s: no barrier since %s read %s, where %s is written", name,
                              escaped(v, flow->reader.at[j]->name), escaped(v, flow->read.at[j]->name),
                              escaped(v, var->name));
    }
}

static void check_reads(struct kverifier *v, const struct flow *flow, const struct kcall *call)
{
    for (size_t i = 0; i < call->kernel->buffers.count; i++) {
        const struct kvar *var = call->argument[i];
        uint8_t content = flow->content[var_number(v->program, var)];
        if (call->kernel->buffers.at[i]->access == KA_OUT || content == WRITTEN)
            continue;
        kverify_error(v, call->span, "call of %s: %s is read, but %s", escaped(v, call->kernel->name),
                      escaped(v, var->name),
                      content == OVERWRITTEN ? "its memory was used for another buffer" : "nothing was written to it");
    }
}

static void record(struct kverifier *v, struct flow *flow, const struct kcall *call)
{
    for (size_t i = 0; i < call->kernel->buffers.count; i++) {
        const struct kvar *var = call->argument[i];
        if (call->kernel->buffers.at[i]->access == KA_IN) {
            vec_push(v->arena, &flow->read, var);
            vec_push(v->arena, &flow->reader, call->kernel);
            continue;
        }
        vec_push(v->arena, &flow->written, var);
        vec_push(v->arena, &flow->writer, call->kernel);
        for (size_t j = 0; j < v->program->vars.count; j++)
            if (v->program->vars.at[j] == var || (!flow->own[j] && same_view(var, v->program->vars.at[j])))
                flow->content[j] = WRITTEN;
            else if (kvar_overlap(var, v->program->vars.at[j]) && flow->content[j] == WRITTEN)
                flow->content[j] = OVERWRITTEN;
    }
}

static void find_own(struct kverifier *v, struct flow *flow, const struct kcall *call)
{
    for (size_t i = 0; call->kernel && i < call->kernel->buffers.count; i++)
        if (call->kernel->buffers.at[i]->access != KA_IN)
            flow->own[var_number(v->program, call->argument[i])] = true;
}

static void check_calls(struct kverifier *v)
{
    struct flow flow = {.content = ARENA_ARRAY(v->arena, uint8_t, v->program->vars.count),
                        .own = ARENA_ARRAY(v->arena, bool, v->program->vars.count)};
    for (size_t i = 0; i < v->program->vars.count; i++)
        flow.content[i] = v->program->vars.at[i]->place == KP_ARENA ? UNWRITTEN : WRITTEN;
    bool fits = true;
    for (size_t i = 0; i < v->program->calls.count; i++)
        if (v->program->calls.at[i].kernel)
            fits &= check_arguments(v, &v->program->calls.at[i]);
    for (size_t i = 0; fits && i < v->program->calls.count; i++)
        find_own(v, &flow, &v->program->calls.at[i]);
    for (size_t i = 0; fits && i < v->program->calls.count; i++) {
        const struct kcall *call = &v->program->calls.at[i];
        if (!call->kernel) {
            flow.read.count = flow.reader.count = flow.written.count = flow.writer.count = 0;
            continue;
        }
        check_reads(v, &flow, call);
        check_races(v, &flow, call);
        record(v, &flow, call);
    }
}

bool kernel_verify(const struct kprogram *program, struct diag_list *diags)
{
    size_t errors = diags->errors;
    struct kverifier v = {.arena = diags->arena, .diags = diags, .program = program};
    CHECK_NAMES(&v, "buffers", program->vars);
    CHECK_NAMES(&v, "scalars", program->scalars);
    CHECK_NAMES(&v, "kernels", program->kernels);
    CHECK_NAMES(&v, "functions", program->functions);
    check_scalars(&v);
    check_vars(&v);
    for (size_t i = 0; i < program->functions.count; i++) {
        v.function = program->functions.at[i];
        if (!kernel_is_builtin(v.function->name))
            kverify_function(&v);
    }
    v.function = NULL;
    for (size_t i = 0; i < program->kernels.count; i++) {
        v.kernel = program->kernels.at[i];
        kverify_kernel(&v);
    }
    v.kernel = NULL;
    if (diags->errors == errors)
        check_calls(&v);
    return diags->errors == errors;
}
