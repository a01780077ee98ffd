/* Lists: one pass over the places of each row, without branches. What is in the list goes to its end, anything else to
 * the end of the row; either end moves on. */
#include "loops_internal.h"

static void store_at(struct builder *b, const struct kstatement *store, const struct point *point, struct lindex place,
                     const struct lvalue *value)
{
    struct lindex subscript[KERNEL_MAX_RANK];
    for (uint32_t i = 0; i + 1 < store->rank; i++)
        subscript[i] = env_find(point->env, store->index[i])->index;
    subscript[store->rank - 1] = place;
    struct laddress a = eval_address(b, store->buffer, subscript);
    loops_store(b, &a.place, value, 1, NULL, false);
}

/* Whether it is another value in every place, or a reduction. */
static bool varies(const struct kexpr *expr, const struct kindex *index)
{
    bool found = expr->op == KX_INDEX && expr->index == index;
    for (uint32_t i = 0; i < expr->count; i++)
        found = found || varies(expr->arg[i], index);
    return found || expr->op == KX_REDUCE || expr->op == KX_POSITION;
}

/* What is the same in every place is computed before the loop, and found again in it; reductions stay there. */
static void eval_ahead(struct builder *b, const struct kexpr *expr, const struct kindex *index,
                       const struct point *point)
{
    bool sometimes = expr->op == KX_WHERE || expr->op == KX_LAND || expr->op == KX_LOR;
    if (expr->count > 0 && !varies(expr, index)) {
        eval_one(b, expr, point);
        return;
    }
    for (uint32_t i = 0; i < (sometimes ? 1 : expr->count) && expr->op != KX_LOAD && expr->op != KX_LET; i++)
        eval_ahead(b, expr->arg[i], index, point);
}

static void fill_row(struct builder *b, const struct kstatement *store, const struct kreduce *list, struct point point)
{
    const struct kindex *index = list->index[0];
    const struct lterm *var = term_var(b, index->name, 0, index->extent - 1);
    struct laffine zero = affine_constant(0), end = affine_constant(index->extent), number = affine_term(b, var, 1);
    const struct lvalue *one = value_i32(b, 1), *members = value_i32(b, 0);
    eval_ahead(b, list->term[0], index, &point);
    struct frame frame = loop_open(b, var, &zero, 1, &end, 1);
    loop_carry(b, &frame, 1, &members);
    struct point inner = point;
    inner.env = env_index(b, point.env, index, (struct lindex){.base = number});
    const struct lvalue *in = eval_one(b, list->term[0], &inner);
    const struct lvalue *more = value_binary(b, KX_ADD, KT_I32, members, one);
    struct laffine left = affine_scale(b, &number, -1);
    left.constant += index->extent;
    const struct lvalue *back = value_binary(b, KX_ADD, KT_I32, value_integer(b, &left), members);
    const struct lvalue *place = value_kop(b, KX_SELECT, KT_I32, 3, (const struct lvalue *[]){in, more, back});
    store_at(b, store, &point, (struct lindex){.base = affine_term(b, term_value(b, place, 1, index->extent), 1)},
             value_integer(b, &number));
    members = value_kop(b, KX_SELECT, KT_I32, 3, (const struct lvalue *[]){in, more, members});
    loop_close(b, &frame);
    store_at(b, store, &point, (struct lindex){.base = affine_constant(0)}, members);
}

bool loops_list(struct builder *b, const struct kstatement *store)
{
    const struct kreduce *list = kstatement_list(store);
    if (!list)
        return false;
    struct point point = {.valid = b->lanes};
    struct frame frame[KERNEL_MAX_RANK];
    struct lblock *outer = b->block;
    size_t mark = scope_open(b);
    uint32_t rows = store->rank - 1;
    bool shared = rows > 0 && loops_shares(b, store->index[0]);
    if (!shared)
        b->block = &loops_emit(b, LS_ONCE)->body;
    for (uint32_t i = 0; i < rows; i++) {
        const struct kindex *index = store->index[i];
        const struct lterm *var = term_var(b, index->name, 0, index->extent - 1);
        struct laffine zero = affine_constant(0), end = affine_constant(index->extent);
        frame[i] = loop_open(b, var, &zero, 1, &end, 1);
        frame[i].statement->parallel = i == 0 && shared;
        point.env = env_index(b, point.env, index, (struct lindex){.base = affine_term(b, var, 1)});
    }
    fill_row(b, store, list, point);
    for (uint32_t i = rows; i-- > 0;)
        loop_close(b, &frame[i]);
    scope_close(b, mark);
    b->block = outer;
    return true;
}
