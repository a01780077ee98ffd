/* How large expressions are with every let in the place of its uses. What makes code of a kernel walks over them so, by
 * recursion: a few lets that each use the last one twice would keep it busy for ever, a long chain of them would take
 * all of the stack. */
#include "verify.h"

static const int64_t most_nodes = 100000, most_depth = 5000;

const struct klet_state *kverify_let(const struct kverifier *v, const struct klet *let)
{
    for (size_t i = v->lets.count; i-- > 0;)
        if (v->lets.at[i].let == let)
            return &v->lets.at[i];
    return NULL;
}

/* One past the limit stands for everything beyond it. */
static int64_t least_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void add(const struct kverifier *v, const struct kexpr *expr, int64_t depth, struct kexpansion *sum);

static void add_expansion(struct kexpansion *sum, int64_t depth, const struct kexpansion *part)
{
    sum->nodes = least_of(sum->nodes + part->nodes, most_nodes + 1);
    if (depth + part->depth > sum->depth)
        sum->depth = least_of(depth + part->depth, most_depth + 1);
}

static void add_reduce(const struct kverifier *v, const struct kreduce *r, int64_t depth, struct kexpansion *sum)
{
    for (uint32_t i = 0; i < r->conditions; i++)
        add(v, r->condition[i].value, depth, sum);
    if (r->from)
        add(v, r->from, depth, sum);
    for (int t = 0; t < 2; t++)
        if (r->term[t])
            add(v, r->term[t], depth, sum);
}

static void add(const struct kverifier *v, const struct kexpr *expr, int64_t depth, struct kexpansion *sum)
{
    add_expansion(sum, depth, &(struct kexpansion){1, 1});
    for (uint32_t i = 0; i < expr->count; i++)
        add(v, expr->arg[i], depth + 1, sum);
    if (expr->op == KX_REDUCE)
        add_reduce(v, expr->reduce, depth + 1, sum);
    const struct klet_state *let = expr->op == KX_LET ? kverify_let(v, expr->let) : NULL;
    if (let)
        add_expansion(sum, depth + 1, &let->expansion);
}

bool kverify_size(struct kverifier *v, const struct kexpr *expr, struct kexpansion *out)
{
    *out = (struct kexpansion){0};
    add(v, expr, 0, out);
    if (out->nodes <= most_nodes && out->depth <= most_depth)
        return true;
    if (!v->too_large && out->nodes > most_nodes)
        kverify_error(v, expr->span, "with each let in the place of its uses this has more than %lld operands",
                      (long long)most_nodes);
    else if (!v->too_large)
        kverify_error(v, expr->span, "with each let in the place of its uses this is more than %lld levels deep",
                      (long long)most_depth);
    v->too_large = true;
    return false;
}
