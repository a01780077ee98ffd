/* Surveys a kernel: in which directions its stores extend, which memory the innermost loop touches how often, and along
 * which direction neighbours lie side by side there. */
#include "schedule_internal.h"

#include <string.h>

enum { LARGEST_WINDOW = 9, LARGEST_PERIOD = 4 };

/* What an index variable means here: which dims it moves with, and whether by exactly one step of one. */
struct meaning {
    const struct kindex *index;
    uint32_t dims;    /* depends on */
    uint32_t unit;    /* of these: moves by one when the dim does */
    bool along;       /* the innermost index of a sum of products, all of whose terms are present */
    const struct meaning *outer;
};

static const struct meaning *meaning_of(const struct meaning *m, const struct kindex *index)
{
    while (m && m->index != index)
        m = m->outer;
    return m;
}

static struct meaning *bind(struct survey *s, const struct meaning *outer, const struct kindex *index,
                                  uint32_t dims, uint32_t unit)
{
    struct meaning *m = ARENA_NEW(s->arena, struct meaning);
    *m = (struct meaning){.index = index, .dims = dims, .unit = unit, .outer = outer};
    return m;
}

static int find_dim(const struct survey *s, const char *name)
{
    for (uint32_t d = 0; d < s->dims; d++)
        if (strcmp(s->dim[d].name, name) == 0)
            return (int)d;
    return -1;
}

static int add_dim(struct survey *s, const char *name, int64_t extent, bool window)
{
    int d = find_dim(s, name);
    if (d >= 0 || s->dims == MAX_DIMS)
        return d;
    s->dim[s->dims] = (struct dim){name, extent, window, window ? extent : 1, 0, 1};
    return (int)s->dims++;
}

/* Notes that neighbours along the dims of `index` / `by` share what is read. */
static void note_period(struct survey *s, uint32_t dims, const struct kexpr *by)
{
    for (uint32_t d = 0; d < s->dims; d++)
        if (dims == 1u << d && by->op == KX_CONST_I32 && by->i32 > s->dim[d].period &&
            (by->i32 <= LARGEST_PERIOD || by->i32 == KERNEL_TREE_GROUP))
            s->dim[d].period = by->i32;
}

/* Dims that an index expression moves with; *unit: those that move it by one. */
static uint32_t dims_of(struct survey *s, const struct kexpr *expr, const struct meaning *m, uint32_t *unit)
{
    uint32_t u0 = 0, u1 = 0, d0, d1;
    switch (expr->op) {
    case KX_INDEX: {
        const struct meaning *found = meaning_of(m, expr->index);
        *unit = found ? found->unit : 0;
        return found ? found->dims : 0;
    }
    case KX_ADD:
        d0 = dims_of(s, expr->arg[0], m, &u0);
        d1 = dims_of(s, expr->arg[1], m, &u1);
        *unit = (u0 & ~d1) | (u1 & ~d0);
        return d0 | d1;
    case KX_SUB:
        d0 = dims_of(s, expr->arg[0], m, &u0);
        d1 = dims_of(s, expr->arg[1], m, &u1);
        *unit = u0 & ~d1;
        return d0 | d1;
    case KX_DIV:
        *unit = 0;
        d0 = dims_of(s, expr->arg[0], m, &u0);
        note_period(s, d0 & u0, expr->arg[1]);
        return d0;
    default: {
        uint32_t all = 0;
        for (uint32_t i = 0; i < expr->count; i++)
            all |= dims_of(s, expr->arg[i], m, &u0);
        *unit = 0;
        return all;
    }
    }
}

/* Of these dims, those on which it does not depend by the number of their period alone. */
static uint32_t dims_apart(struct survey *s, const struct kexpr *expr, const struct meaning *m)
{
    uint32_t dims = 0;
    if (expr->op == KX_INDEX) {
        const struct meaning *found = meaning_of(m, expr->index);
        return found ? found->dims : 0;
    }
    if (expr->op == KX_DIV && expr->arg[0]->op == KX_INDEX && expr->arg[1]->op == KX_CONST_I32)
        for (uint32_t d = 0; d < s->dims; d++)
            if (dims_apart(s, expr->arg[0], m) == 1u << d && s->dim[d].period == expr->arg[1]->i32)
                return 0;
    for (uint32_t i = 0; i < expr->count; i++)
        dims |= dims_apart(s, expr->arg[i], m);
    /* 2 * x + u by 2, where u is a window's position: x */
    for (uint32_t d = 0; d < s->dims && expr->op == KX_DIV; d++) {
        uint32_t unit = 0;
        if (s->dim[d].window && expr->arg[1]->op == KX_CONST_I32 && s->dim[d].extent <= expr->arg[1]->i32 &&
            dims_of(s, expr->arg[0], m, &unit) != 1u << d && unit == 1u << d)
            dims &= ~unit;
    }
    return dims;
}

/* Whether an index of a sum moves it. */
static bool moves_in_sum(const struct kexpr *expr, const struct meaning *m)
{
    if (expr->op == KX_INDEX) {
        const struct meaning *found = meaning_of(m, expr->index);
        return found && found->dims == 0;
    }
    for (uint32_t i = 0; i < expr->count; i++)
        if (moves_in_sum(expr->arg[i], m))
            return true;
    return false;
}

static void add_access(struct survey *s, const struct kbuffer *buffer, const uint32_t *dims, const uint32_t *unit,
                       uint32_t data, uint32_t apart, uint32_t rank, int64_t weight, bool store, uint32_t along)
{
    if (s->accesses == MAX_LOADS)
        return;
    struct access *a = &s->access[s->accesses];
    *a = (struct access){.apart = apart, .weight = weight, .store = store, .buffer = buffer, .along = along};
    a->term = s->inside > 0;
    for (uint32_t i = 0; i < rank; i++) {
        a->dims |= dims[i];
        a->by[i] = data >> i & 1 ? 0 : dims[i];
        if (buffer->extent[i] == KERNEL_UNKNOWN)
            s->gathered |= dims[i];
        bool contiguous = false;
        for (uint32_t k = 0; k < buffer->layout.count; k++) {
            const struct kdigit *g = &buffer->layout.digit[k];
            contiguous |= g->dim == i && g->stride == 1 && g->div <= 1;
        }
        for (uint32_t d = 0; d < s->dims; d++)
            if (dims[i] >> d & 1)
                a->step[d] = contiguous && (unit[i] >> d & 1) && a->step[d] == 0 ? 1 : 2;
    }
    for (uint32_t i = 0; i < s->accesses; i++) /* the same place twice costs once */
        if (s->access[i].buffer == buffer && s->access[i].store == store && s->access[i].weight == weight &&
            s->access[i].term == a->term && s->access[i].dims == a->dims)
            return;
    s->accesses++;
}

static bool is_window(const struct kreduce *r)
{
    int64_t positions = 1;
    for (uint32_t i = 0; i < r->indices; i++) {
        if (r->index[i]->bound || r->index[i]->extent > LARGEST_WINDOW)
            return false;
        positions *= r->index[i]->extent;
    }
    return r->kind == KR_MAX_AT && r->conditions == 0 && positions <= LARGEST_WINDOW;
}

/* Whether the value of `let` was seen before: its code is there once, however often it is used. */
static bool seen(struct survey *s, const struct klet *let)
{
    for (size_t i = 0; i < s->lets.count; i++)
        if (s->lets.at[i] == let)
            return true;
    vec_push(s->arena, &s->lets, let);
    return false;
}

/* Whether the condition lets through few of the values of an index of the sum. */
static bool is_narrow(const struct kreduce *r, const struct kcondition *condition)
{
    for (uint32_t i = 0; i < r->indices; i++)
        if (r->index[i]->extent > condition->limit && loops_mentions(condition->value, r->index[i]))
            return true;
    return false;
}

/* The longest of the sum's indices that the condition depends on. */
static int64_t longest_index(const struct kreduce *r, const struct kcondition *condition)
{
    int64_t longest = 0;
    for (uint32_t i = 0; i < r->indices; i++)
        if (r->index[i]->extent > longest && loops_mentions(condition->value, r->index[i]))
            longest = r->index[i]->extent;
    return longest;
}

/* How far the condition's value moves with an index of the sum: 2 in y + 1 - 2 * p. */
static int64_t stride_in(const struct kreduce *r, const struct kexpr *value)
{
    int64_t stride = 1;
    for (uint32_t i = 0; i < value->count; i++) {
        const struct kexpr *by = value->arg[i], *other = value->arg[value->count - 1 - i];
        if (value->op == KX_MUL && by->op == KX_CONST_I32)
            for (uint32_t k = 0; k < r->indices; k++)
                stride = loops_mentions(other, r->index[k]) ? by->i32 : stride;
        int64_t within = stride_in(r, by);
        stride = within > stride ? within : stride;
    }
    return stride;
}

static void look_at(struct survey *s, const struct kexpr *expr, const struct meaning *m, int64_t weight)
{
    s->operators++;
    switch (expr->op) {
    case KX_LOAD: {
        uint32_t dims[KERNEL_MAX_RANK], unit[KERNEL_MAX_RANK], along = 0, apart = 0, data = 0;
        for (uint32_t i = 0; i < expr->count; i++) {
            const struct meaning *found = expr->arg[i]->op == KX_INDEX ? meaning_of(m, expr->arg[i]->index) : NULL;
            if (found && found->along)
                along = i + 1;
            dims[i] = dims_of(s, expr->arg[i], m, &unit[i]);
            apart |= dims_apart(s, expr->arg[i], m);
            data |= (uint32_t)kexpr_has(expr->arg[i], KOP_BIT(LOAD)) << i;
            if (dims[i] && moves_in_sum(expr->arg[i], m))
                s->slides |= dims[i];
            if (expr->arg[i]->op != KX_INDEX)
                look_at(s, expr->arg[i], m, weight);
        }
        add_access(s, expr->buffer, dims, unit, data, apart, expr->count, weight, false, along);
        return;
    }
    case KX_LET: {
        const struct meaning *inner = NULL;
        for (uint32_t i = 0; i < expr->count; i++) {
            uint32_t unit, dims = dims_of(s, expr->arg[i], m, &unit);
            inner = bind(s, inner, expr->let->index[i], dims, unit);
        }
        int64_t operators = s->operators, terms = s->terms;
        bool again = seen(s, expr->let);
        look_at(s, expr->let->value, inner, weight);
        if (again) {
            s->operators = operators;
            s->terms = terms;
        }
        return;
    }
    case KX_REDUCE: {
        const struct kreduce *r = expr->reduce;
        int64_t inside = weight, taps = 1;
        bool window = is_window(r);
        if (r->from)
            look_at(s, r->from, m, weight);
        for (uint32_t i = 0; i < r->indices; i++) {
            uint32_t dims = 0;
            if (window) {
                dims = 1u << add_dim(s, r->index[i]->name, r->index[i]->extent, true);
            } else if (r->kind == KR_SUM_TREE) {
                s->tree = r->index[i]->name;
                s->tree_extent = r->index[i]->extent;
                dims = 1u << s->tree_dim;
            } else {
                inside *= r->index[i]->extent;
            }
            struct meaning *bound = bind(s, m, r->index[i], dims, dims);
            bound->along = r->kind == KR_SUM_FMA && i + 1 == r->indices && !r->index[i]->bound && r->conditions == 0;
            m = bound;
        }
        for (uint32_t i = 0; i < r->conditions; i++) {
            uint32_t unit, dims = dims_of(s, r->condition[i].value, m, &unit);
            const struct kexpr *value = r->condition[i].value;
            uint32_t apart = kexpr_has(value, KOP_BIT(LOAD)) ? dims_apart(s, value, m) : dims;
            s->conditioned |= apart;
            s->grouped |= dims & ~apart;
            if (is_narrow(r, &r->condition[i])) {
                int64_t stride = stride_in(r, value);
                s->narrow |= apart;
                taps *= (r->condition[i].limit + stride - 1) / stride;
            }
            if (dims & (dims - 1))
                s->tied |= dims;
            for (uint32_t d = 0; d < s->dims; d++)
                if (dims >> d & 1 && 2 * s->dim[d].extent < longest_index(r, &r->condition[i]))
                    s->brief |= 1u << d;
        }
        if (inside > s->heaviest) {
            s->heaviest = inside;
            s->taps = taps;
            s->terms = 0;
            s->picks = false;
            s->nested = r->indices > 1;
        }
        if (inside == s->heaviest && (inside > 1 || (s->tree && r->kind == KR_SUM_FMA)))
            s->terms++;
        s->inside++;
        for (int i = 0; i < 2; i++)
            if (r->term[i])
                look_at(s, r->term[i], m, inside);
        s->inside--;
        s->picks |= r->kind == KR_MAX_AT && !window && inside == s->heaviest;
        return;
    }
    default:
        for (uint32_t i = 0; i < expr->count; i++)
            look_at(s, expr->arg[i], m, weight);
    }
}

static void look_at_store(struct survey *s, const struct kstatement *store)
{
    const struct meaning *m = NULL;
    const struct kreduce *list = kstatement_list(store);
    uint32_t dims[KERNEL_MAX_RANK] = {0}, all = 0;
    s->scalar |= list != NULL;
    for (uint32_t i = 0; i < store->rank - (list != NULL); i++) {
        int d = add_dim(s, store->index[i]->name, store->index[i]->extent, false);
        dims[i] = d < 0 ? 0 : 1u << d;
        all |= dims[i];
        m = bind(s, m, store->index[i], dims[i], dims[i]);
    }
    look_at(s, store->value, m, 1);
    add_access(s, store->buffer, dims, dims, 0, all, store->rank, 1, true, 0);
    if (store->buffer2)
        add_access(s, store->buffer2, dims, dims, 0, all, store->rank, 1, true, 0);
}

bool survey_is_index(const struct survey *s, uint32_t d)
{
    return !s->dim[d].window && d != s->tree_dim;
}

bool survey_turns(const struct access *a, uint32_t lanes)
{
    return a->along && a->buffer->type == KT_F32 && lanes >= 4 &&
           klayout_has_runs(&a->buffer->layout, a->along - 1, lanes);
}

bool survey_adds(const struct survey *s)
{
    return s->heaviest > 1 || (s->tree && s->terms);
}

bool survey_is_inner(const struct survey *s, const struct access *a)
{
    return !a->store && a->weight == s->heaviest && (s->heaviest > 1 || a->term);
}

int64_t survey_lines(const struct survey *s, bool block)
{
    int64_t lines = 0;
    for (uint32_t i = 0; i < s->accesses; i++) {
        const struct access *a = &s->access[i];
        int64_t n = 1;
        for (uint32_t d = 0; d < s->dims; d++)
            if (a->dims >> d & 1 && !(s->slides >> d & 1) && d != s->tree_dim)
                n *= block ? s->dim[d].block : s->dim[d].tile;
        if (survey_is_inner(s, a))
            lines += n;
    }
    return lines;
}

void survey_unroll_windows(struct survey *s, const struct kexpr *expr, struct kschedule *out)
{
    if (expr->op == KX_REDUCE) {
        const struct kreduce *r = expr->reduce;
        for (uint32_t i = 0; is_window(r) && i < r->indices; i++) {
            int d = find_dim(s, r->index[i]->name);
            bool wanted = d < 0 || s->dim[d].tile >= s->dim[d].extent;
            if (wanted && !loops_lists(out->unroll.at, out->unroll.count, r->index[i]->name))
                vec_push(s->arena, &out->unroll, r->index[i]->name);
        }
        for (int i = 0; i < 2; i++)
            if (r->term[i])
                survey_unroll_windows(s, r->term[i], out);
    }
    if (expr->op == KX_LET)
        survey_unroll_windows(s, expr->let->value, out);
    for (uint32_t i = 0; i < expr->count; i++)
        survey_unroll_windows(s, expr->arg[i], out);
}

struct survey *survey_kernel(struct arena *arena, const struct kernel *kernel, bool *out_independent,
                             const struct kstatement ***out_stores, uint32_t *out_count)
{
    struct survey *s = ARENA_NEW(arena, struct survey);
    s->arena = arena;
    s->kernel = kernel;
    s->heaviest = s->taps = 1;
    s->tree_dim = MAX_DIMS - 1;
    const struct kstatement **store = ARENA_ARRAY(arena, const struct kstatement *, kernel->statements.count + 1);
    struct loops_nest *nest;
    uint32_t stores = 0, nests = loops_nests(arena, kernel, &nest);
    *out_independent = loops_are_independent(nest, nests);
    for (uint32_t i = 0; i < nests; i++)
        for (uint32_t k = 0; k < nest[i].stores; k++)
            store[stores++] = nest[i].store[k];
    /* dims of all stores first, so that meanings can name them */
    for (uint32_t i = 0; i < stores; i++)
        for (uint32_t k = 0; k < store[i]->rank - (kstatement_list(store[i]) != NULL); k++)
            add_dim(s, store[i]->index[k]->name, store[i]->index[k]->extent, false);
    s->tree_dim = s->dims;
    if (s->dims < MAX_DIMS)
        s->dim[s->dims++] = (struct dim){"(tree)", 1, false, 1, 0, 1};
    for (uint32_t i = 0; i < stores; i++)
        look_at_store(s, store[i]);
    *out_stores = store;
    *out_count = stores;
    return s;
}
