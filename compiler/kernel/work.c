/* Work of a kernel, from its text alone: the schedule does not matter. Counts are doubles while they are multiplied up:
 * exact to 2^53, and without overflow. */
#include "work.h"

#include <math.h>
#include <string.h>

enum { GROUP_INDICES = 8, GROUP_POINTS = 1 << 20 };

/* ---- conditions: how many of the terms there are ---- */

/* Conditions that share indices, to be counted together: those of an image's rows, or of its columns. */
struct group {
    struct kindex *index[GROUP_INDICES];
    int64_t value[GROUP_INDICES];
    uint32_t count;
    double points;
    bool countable;
};

static int place_in(const struct group *group, const struct kindex *index)
{
    for (uint32_t i = 0; i < group->count; i++)
        if (group->index[i] == index)
            return (int)i;
    return -1;
}

static void collect(struct group *group, const struct kexpr *expr)
{
    switch (expr->op) {
    case KX_CONST_I32: return;
    case KX_INDEX:
        if (place_in(group, expr->index) >= 0)
            return;
        group->points *= (double)expr->index->extent;
        group->countable = group->countable && group->count < GROUP_INDICES && group->points <= GROUP_POINTS;
        if (group->countable)
            group->index[group->count++] = expr->index;
        return;
    case KX_NEG:
    case KX_ADD:
    case KX_SUB:
    case KX_MUL:
    case KX_DIV:
    case KX_MOD:
        for (uint32_t i = 0; i < expr->count; i++)
            collect(group, expr->arg[i]);
        return;
    default: group->countable = false; /* depends on data */
    }
}

static bool touches(const struct group *group, const struct kexpr *expr)
{
    if (expr->op == KX_INDEX)
        return place_in(group, expr->index) >= 0;
    for (uint32_t i = 0; i < expr->count; i++)
        if (touches(group, expr->arg[i]))
            return true;
    return false;
}

static int64_t evaluate(const struct group *group, const struct kexpr *expr)
{
    if (expr->op == KX_CONST_I32)
        return expr->i32;
    if (expr->op == KX_INDEX)
        return group->value[place_in(group, expr->index)];
    int64_t a = evaluate(group, expr->arg[0]), b = expr->count > 1 ? evaluate(group, expr->arg[1]) : 0;
    switch (expr->op) {
    case KX_NEG: return -a;
    case KX_ADD: return a + b;
    case KX_SUB: return a - b;
    case KX_MUL: return a * b;
    case KX_DIV: return b ? a / b : 0;
    default: return b ? a % b : 0;
    }
}

static bool holds(const struct group *group, const struct kreduce *reduce, const bool *member)
{
    for (uint32_t c = 0; c < reduce->conditions; c++) {
        if (!member[c])
            continue;
        int64_t value = evaluate(group, reduce->condition[c].value);
        if (value < 0 || value >= reduce->condition[c].limit)
            return false;
    }
    return true;
}

/* The part of the group's points at which its conditions hold. */
static double part_of(struct group *group, const struct kreduce *reduce, const bool *member)
{
    double good = 0;
    for (;;) {
        good += holds(group, reduce, member);
        uint32_t i = 0;
        while (i < group->count && ++group->value[i] == group->index[i]->extent)
            group->value[i++] = 0;
        if (i == group->count)
            return good / group->points;
    }
}

/* The part of a reduction's terms that are present. Conditions that cannot be counted are taken to hold. */
static double present(const struct kreduce *reduce)
{
    enum { CONDITIONS = 16 };
    bool done[CONDITIONS] = {false};
    double part = 1;
    if (reduce->conditions > CONDITIONS)
        return 1;
    for (uint32_t first = 0; first < reduce->conditions; first++) {
        if (done[first])
            continue;
        bool member[CONDITIONS] = {false}, grown = true;
        struct group group = {.points = 1, .countable = true};
        member[first] = true;
        collect(&group, reduce->condition[first].value);
        while (grown) {
            grown = false;
            for (uint32_t c = first + 1; c < reduce->conditions; c++)
                if (!member[c] && touches(&group, reduce->condition[c].value)) {
                    member[c] = grown = true;
                    collect(&group, reduce->condition[c].value);
                }
        }
        for (uint32_t c = first; c < reduce->conditions; c++)
            done[c] = done[c] || member[c];
        if (group.countable)
            part *= part_of(&group, reduce, member);
    }
    return part;
}

/* ---- expressions ---- */

static double expr_flops(const struct kexpr *expr, double points, const struct kernel_batch *batch);

static bool is_batch(const struct kindex *index, const struct kernel_batch *batch)
{
    return index->bound || (batch->index && strcmp(index->name, batch->index) == 0);
}

static int64_t extent_of(const struct kindex *index, const struct kernel_batch *batch)
{
    return is_batch(index, batch) && batch->live < index->extent ? batch->live : index->extent;
}

static double reduce_flops(const struct kreduce *reduce, double points, const struct kernel_batch *batch)
{
    double terms = points;
    for (uint32_t i = 0; i < reduce->indices; i++)
        terms *= (double)extent_of(reduce->index[i], batch);
    if (reduce->kind == KR_LIST) /* looks at each once for a whole row */
        return expr_flops(reduce->term[0], terms / (double)(reduce->index[0]->extent + 1), batch);
    terms *= present(reduce);
    double flops = reduce->kind == KR_SUM_FMA || reduce->kind == KR_SUM_BLOCKS ? 2 * terms : terms;
    for (int i = 0; i < 2; i++)
        flops += reduce->term[i] ? expr_flops(reduce->term[i], terms, batch) : 0;
    return flops + (reduce->from ? expr_flops(reduce->from, points, batch) : 0);
}

static double function_flops(const struct kfunction *function, double points, const struct kernel_batch *batch)
{
    double flops = expr_flops(function->body, points, batch);
    for (uint32_t i = 0; i < function->lets; i++)
        flops += expr_flops(function->let[i]->value, points, batch);
    return flops;
}

static double own_flops(const struct kexpr *expr)
{
    if (expr->type != KT_F32)
        return 0;
    switch (expr->op) {
    case KX_FMA: return 2;
    case KX_ADD:
    case KX_SUB:
    case KX_MUL:
    case KX_DIV:
    case KX_MAX:
    case KX_SQRT: return 1;
    default: return 0;
    }
}

static double expr_flops(const struct kexpr *expr, double points, const struct kernel_batch *batch)
{
    double flops = own_flops(expr) * points;
    switch (expr->op) {
    case KX_LOAD: /* subscripts are integers; a let counts where it is defined, a position with its maximum */
    case KX_LET:
    case KX_POSITION: return 0;
    case KX_REDUCE: return reduce_flops(expr->reduce, points, batch);
    case KX_WHERE: {
        double yes = expr_flops(expr->arg[1], points, batch), no = expr_flops(expr->arg[2], points, batch);
        return expr_flops(expr->arg[0], points, batch) + (yes > no ? yes : no);
    }
    case KX_CALL: flops = function_flops(expr->function, points, batch); break;
    default: break;
    }
    for (uint32_t i = 0; i < expr->count; i++)
        flops += expr_flops(expr->arg[i], points, batch);
    return flops;
}

static double points_of(uint32_t rank, struct kindex *const *index, const struct kernel_batch *batch)
{
    double points = 1;
    for (uint32_t i = 0; i < rank; i++)
        points *= (double)extent_of(index[i], batch);
    return points;
}

int64_t kernel_flops(const struct kernel *kernel, const struct kernel_batch *batch)
{
    double flops = 0;
    for (size_t i = 0; i < kernel->statements.count; i++) {
        const struct kstatement *statement = kernel->statements.at[i];
        if (statement->kind == KS_LET)
            flops += expr_flops(statement->let->value, points_of(statement->let->rank, statement->let->index, batch),
                                batch);
        else
            flops += expr_flops(statement->value, points_of(statement->rank, statement->index, batch), batch);
    }
    return flops < 0x1p62 ? (int64_t)(flops + 0.5) : INT64_MAX;
}

/* ---- bytes ---- */

/* The part of the buffer's elements that belong to the batch's examples, where `expr` subscripts it by their index. */
static double live_part(const struct kexpr *expr, const struct kbuffer *buffer, const struct kernel_batch *batch)
{
    if (expr->op == KX_LOAD && expr->buffer == buffer) {
        for (uint32_t d = 0; d < expr->count; d++)
            if (expr->arg[d]->op == KX_INDEX && is_batch(expr->arg[d]->index, batch))
                return (double)extent_of(expr->arg[d]->index, batch) / (double)expr->arg[d]->index->extent;
        return 1;
    }
    double least = 1;
    for (uint32_t i = 0; i < expr->count; i++)
        least = fmin(least, live_part(expr->arg[i], buffer, batch));
    if (expr->op == KX_REDUCE) {
        const struct kreduce *r = expr->reduce;
        if (r->from)
            least = fmin(least, live_part(r->from, buffer, batch));
        for (int i = 0; i < 2; i++)
            if (r->term[i])
                least = fmin(least, live_part(r->term[i], buffer, batch));
    }
    return least;
}

static double live_part_of_kernel(const struct kernel *kernel, const struct kbuffer *buffer,
                                  const struct kernel_batch *batch)
{
    double least = 1;
    for (size_t i = 0; i < kernel->statements.count; i++) {
        const struct kstatement *s = kernel->statements.at[i];
        for (uint32_t d = 0; s->kind == KS_STORE && (s->buffer == buffer || s->buffer2 == buffer) && d < s->rank; d++)
            least = fmin(least, (double)extent_of(s->index[d], batch) / (double)s->index[d]->extent);
        least = fmin(least, live_part(s->kind == KS_LET ? s->let->value : s->value, buffer, batch));
    }
    return least;
}

double kernel_buffer_bytes(const struct kernel *kernel, const struct kbuffer *buffer, const struct kernel_batch *batch)
{
    double size = (double)buffer->layout.elements * (buffer->type == KT_U8 ? 1 : 4);
    if (buffer->rank && buffer->extent[0] == KERNEL_UNKNOWN)
        return size * (double)batch->live;
    return size * live_part_of_kernel(kernel, buffer, batch);
}

int64_t kernel_bytes(const struct kernel *kernel, const struct kernel_batch *batch)
{
    double bytes = 0;
    for (size_t i = 0; i < kernel->buffers.count; i++)
        bytes += kernel_buffer_bytes(kernel, kernel->buffers.at[i], batch);
    return bytes < 0x1p62 ? (int64_t)bytes : INT64_MAX;
}
