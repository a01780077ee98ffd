/* Which index runs: an estimate of what each choice costs. Neighbours in memory are cheap, and a long run spreads the
 * cost of visiting a node. The choice changes no bit. */
#include "interpret.h"

const struct kdigit *interpret_plain_digit(const struct klayout *layout, uint32_t dim)
{
    const struct kdigit *found = NULL;
    for (uint32_t i = 0; i < layout->count; i++) {
        if (layout->digit[i].dim != dim)
            continue;
        if (found)
            return NULL;
        found = &layout->digit[i];
    }
    return found && found->div == 1 && found->mod == 0 ? found : NULL;
}

int64_t interpret_unit(const struct klayout *layout, uint32_t dim)
{
    for (uint32_t i = 0; i < layout->count; i++)
        if (layout->digit[i].dim == dim && layout->digit[i].div == 1 && layout->digit[i].stride == 1 &&
            layout->digit[i].mod > 0)
            return layout->digit[i].mod;
    return 1;
}

bool interpret_depends_on(const struct kexpr *expr, const struct kindex *index)
{
    if (expr->op == KX_REDUCE) {
        const struct kreduce *r = expr->reduce;
        for (uint32_t i = 0; i < r->conditions; i++)
            if (interpret_depends_on(r->condition[i].value, index))
                return true;
        return (r->from && interpret_depends_on(r->from, index)) || interpret_depends_on(r->term[0], index) ||
               (r->term[1] && interpret_depends_on(r->term[1], index));
    }
    for (uint32_t i = 0; i < expr->count; i++)
        if (interpret_depends_on(expr->arg[i], index))
            return true;
    return expr->op == KX_INDEX && expr->index == index;
}

/* The change of the address along `run`; 0 where it stands still, 2 for anything but neighbours. */
static int step_along(const struct klayout *layout, uint32_t rank, struct kexpr *const *subscript,
                      const struct kindex *run)
{
    int step = 0;
    for (uint32_t d = 0; d < rank; d++) {
        struct kaffine sum;
        if (!interpret_depends_on(subscript[d], run))
            continue;
        const struct kdigit *digit = interpret_plain_digit(layout, d);
        int64_t stride = digit ? digit->stride : interpret_unit(layout, d) > 1 ? 1 : 2;
        bool neighbours = kaffine_of(subscript[d], &sum) && stride == 1 && kaffine_coefficient(&sum, run) == 1;
        step += neighbours ? 1 : 2;
    }
    return step;
}

static double place_cost(const struct klayout *layout, uint32_t rank, struct kexpr *const *subscript,
                         const struct kindex *run, double visit)
{
    int step = run ? step_along(layout, rank, subscript, run) : 0;
    return visit + (step == 0 ? 0 : step == 1 ? 0.3 : 2);
}

static double cost(const struct kexpr *expr, const struct kindex *run);

static double reduce_cost(const struct kreduce *r, const struct kindex *run)
{
    double terms = 1, each = 0, across = 0;
    for (uint32_t i = 0; i < r->indices; i++)
        terms *= (double)r->index[i]->extent;
    for (uint32_t i = 0; i < r->conditions; i++)
        each += cost(r->condition[i].value, run);
    for (int t = 0; t < 2 && r->term[t]; t++) {
        each += cost(r->term[t], run);
        across += r->kind == KR_SUM_TREE ? cost(r->term[t], r->index[0]) : 0;
    }
    if (r->kind == KR_SUM_TREE && across < each)
        each = across;
    return terms * each + (r->from ? cost(r->from, run) : 0);
}

static double cost(const struct kexpr *expr, const struct kindex *run)
{
    double length = !run ? 1 : run->extent < RUN ? (double)run->extent : RUN, visit = 15 / length, sum = 0;
    for (uint32_t i = 0; i < expr->count; i++)
        sum += cost(expr->arg[i], run);
    switch (expr->op) {
    case KX_CONST_F32:
    case KX_CONST_I32:
    case KX_CONST_BOOL:
    case KX_INDEX:
    case KX_SCALAR: return 0;
    case KX_LOAD: return sum + place_cost(&expr->buffer->layout, expr->count, expr->arg, run, visit);
    case KX_LET: {
        int64_t extent[KERNEL_MAX_RANK];
        for (uint32_t i = 0; i < expr->count; i++)
            extent[i] = expr->let->index[i]->extent;
        struct klayout dense = klayout_dense(expr->count, extent);
        return sum + place_cost(&dense, expr->count, expr->arg, run, visit);
    }
    case KX_REDUCE: return sum + reduce_cost(expr->reduce, run);
    case KX_CALL: return sum + 20 * (visit + 0.4);
    default: return sum + visit + 0.4;
    }
}

bool interpret_choose_across(const struct kreduce *reduce, const struct kindex *run)
{
    return reduce->kind == KR_SUM_TREE && reduce->term[0]->type == KT_F32 &&
           cost(reduce->term[0], reduce->index[0]) < cost(reduce->term[0], run);
}

/* The last of equals: lets are dense, and so are most buffers. */
uint32_t interpret_choose_run(const struct kexpr *value, struct kindex *const *index, uint32_t rank)
{
    uint32_t best = NO_RUN;
    double least = 0;
    for (uint32_t i = rank; i-- > 0;) {
        double here = cost(value, index[i]);
        if (best == NO_RUN || here < least) {
            best = i;
            least = here;
        }
    }
    return best;
}
