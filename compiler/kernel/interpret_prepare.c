/* Preparation: statements to trees of nodes, addresses to sums over slots. */
#include "interpret.h"

#include <string.h>

struct binding { /* a function's parameter or let, and the node that computes it */
    const void *key;
    struct node *step;
};
struct table {
    const struct klayout *layout;
    uint32_t dim;
    const int64_t *offset;
};
struct preparer {
    struct arena *arena;
    struct prepared_kernel *kernel;
    VEC(const struct kindex *) slots; /* of the kernel: slot i is for slots.at[i] */
    VEC(struct binding) bindings;
    VEC(struct table) tables;
    const struct kindex *run; /* of the tree that is being built; NULL: none */
};

static struct node *build(struct preparer *p, const struct kexpr *expr);

static uint32_t slot_of(struct preparer *p, const struct kindex *index)
{
    for (size_t i = 0; i < p->slots.count; i++)
        if (p->slots.at[i] == index)
            return (uint32_t)i;
    vec_push(p->arena, &p->slots, index);
    return (uint32_t)p->slots.count - 1;
}

static uint32_t run_slot(struct preparer *p)
{
    return p->run ? slot_of(p, p->run) : NO_RUN;
}

/* ---- places ---- */

static bool to_slot_sum(struct preparer *p, const struct kaffine *sum, struct slot_sum *out, int64_t factor)
{
    if (!kaffine_is_plain(sum))
        return false;
    out->constant += factor * sum->constant;
    for (uint32_t i = 0; i < sum->count; i++) {
        uint32_t slot = slot_of(p, sum->term[i].atom->index), t = 0;
        while (t < out->count && out->term[t].slot != slot)
            t++;
        if (t == KAFFINE_MAX_TERMS)
            return false;
        if (t == out->count)
            out->term[out->count++].slot = slot;
        out->term[t].factor += factor * sum->term[i].coefficient;
    }
    return true;
}

static const int64_t *table_of(struct preparer *p, const struct klayout *layout, uint32_t dim, int64_t extent)
{
    for (size_t i = 0; i < p->tables.count; i++)
        if (p->tables.at[i].layout == layout && p->tables.at[i].dim == dim)
            return p->tables.at[i].offset;
    int64_t *offset = ARENA_ARRAY(p->arena, int64_t, (size_t)extent), index[KERNEL_MAX_RANK] = {0};
    for (int64_t i = 0; i < extent; i++) {
        index[dim] = i;
        offset[i] = klayout_address(layout, index);
    }
    vec_push(p->arena, &p->tables, (struct table){layout, dim, offset});
    return offset;
}

static void add_special(struct preparer *p, struct place *place, const struct klayout *layout, uint32_t dim,
                        int64_t extent, const struct kexpr *subscript, const struct kaffine *sum)
{
    struct special *s = &place->special[place->specials++];
    const struct kdigit *digit = interpret_plain_digit(layout, dim);
    *s = (struct special){.extent = extent, .unit = 1, .uniform = true};
    if (sum && to_slot_sum(p, sum, &s->sum, 1)) {
        s->run_factor = p->run ? kaffine_coefficient(sum, p->run) : 0;
        s->uniform = s->run_factor == 0;
    } else {
        s->node = build(p, subscript);
        s->uniform = s->node->uniform;
    }
    if (digit) {
        s->stride = digit->stride;
    } else {
        s->table = table_of(p, layout, dim, extent);
        s->unit = interpret_unit(layout, dim);
    }
    place->varying += !s->uniform;
}

static void build_place(struct preparer *p, struct place *place, uint32_t bank, uint32_t bytes,
                        const struct klayout *layout, uint32_t rank, const int64_t *extent,
                        struct kexpr *const *subscript)
{
    *place = (struct place){.bank = bank, .bytes = bytes};
    place->special = ARENA_ARRAY(p->arena, struct special, rank);
    for (uint32_t d = 0; d < rank; d++) {
        struct kaffine sum;
        const struct kdigit *digit = interpret_plain_digit(layout, d);
        bool affine = kaffine_of(subscript[d], &sum);
        if (digit && affine && to_slot_sum(p, &sum, &place->address, digit->stride))
            place->step += p->run ? digit->stride * kaffine_coefficient(&sum, p->run) : 0;
        else
            add_special(p, place, layout, d, extent[d], subscript[d], affine ? &sum : NULL);
    }
    if (place->varying > 0)
        place->offset = ARENA_ARRAY(p->arena, int64_t, RUN);
}

static void build_buffer_place(struct preparer *p, struct place *place, const struct kbuffer *buffer,
                               struct kexpr *const *subscript)
{
    build_place(p, place, buffer->number, buffer->type == KT_U8 ? 1 : 4, &buffer->layout, buffer->rank, buffer->extent,
                subscript);
}

static uint32_t let_bank(const struct preparer *p, const struct klet *let)
{
    size_t i = 0;
    while (p->kernel->lets.at[i] != let)
        i++;
    return (uint32_t)(p->kernel->kernel->buffers.count + i);
}

static void build_let_place(struct preparer *p, struct place *place, const struct klet *let,
                            struct kexpr *const *subscript)
{
    int64_t extent[KERNEL_MAX_RANK];
    for (uint32_t i = 0; i < let->rank; i++)
        extent[i] = let->index[i]->extent;
    struct klayout dense = klayout_dense(let->rank, extent);
    build_place(p, place, let_bank(p, let), 4, &dense, let->rank, extent, subscript);
}

/* ---- nodes ---- */

static struct node *new_node(struct preparer *p, enum kop op, enum ktype type)
{
    struct node *node = ARENA_NEW(p->arena, struct node);
    node->op = op;
    node->type = type;
    node->run = run_slot(p);
    return node;
}

/* Once it is known whether it is uniform. */
static struct node *with_place(struct preparer *p, struct node *node)
{
    node->out = arena_array(p->arena, node->uniform ? 1 : RUN, 4);
    return node;
}

static struct node *build_constant(struct preparer *p, enum ktype type, int32_t bits)
{
    struct node *node = new_node(p, type == KT_F32 ? KX_CONST_F32 : KX_CONST_I32, type);
    node->uniform = true;
    node->bits = bits;
    return node;
}

static struct node *bound_step(const struct preparer *p, const void *key)
{
    for (size_t i = p->bindings.count; i-- > 0;)
        if (p->bindings.at[i].key == key)
            return p->bindings.at[i].step;
    return NULL;
}

static struct node *build_reference(struct preparer *p, struct node *step)
{
    struct node *node = new_node(p, KX_LET, step->type);
    node->uniform = step->uniform;
    node->refers = step;
    return node;
}

static struct node *build_call(struct preparer *p, const struct kexpr *expr)
{
    const struct kfunction *function = expr->function;
    struct node *node = new_node(p, KX_CALL, expr->type);
    size_t outside = p->bindings.count;
    node->step = ARENA_ARRAY(p->arena, struct node *, function->parameters + function->lets);
    for (uint32_t i = 0; i < function->parameters; i++)
        node->step[node->steps++] = build(p, expr->arg[i]);
    for (uint32_t i = 0; i < function->parameters; i++)
        vec_push(p->arena, &p->bindings, (struct binding){function->parameter[i], node->step[i]});
    for (uint32_t i = 0; i < function->lets; i++) {
        struct node *step = build(p, function->let[i]->value);
        node->step[node->steps++] = step;
        vec_push(p->arena, &p->bindings, (struct binding){function->let[i], step});
    }
    node->arg[0] = build(p, function->body);
    node->uniform = node->arg[0]->uniform;
    p->bindings.count = outside;
    return node;
}

/* && and || read their right side only where the left one does not decide: they are `where`. */
static struct node *build_operator(struct preparer *p, const struct kexpr *expr)
{
    bool logic = expr->op == KX_LAND || expr->op == KX_LOR;
    struct node *node = new_node(p, logic ? KX_WHERE : expr->op, expr->type);
    node->args = logic ? 3 : expr->count;
    node->uniform = true;
    for (uint32_t i = 0; i < expr->count; i++)
        node->arg[i] = build(p, expr->arg[i]);
    if (expr->op == KX_LAND) {
        node->arg[2] = build_constant(p, KT_BOOL, 0);
    } else if (expr->op == KX_LOR) {
        node->arg[2] = node->arg[1];
        node->arg[1] = build_constant(p, KT_BOOL, 1);
    }
    for (uint32_t i = 0; i < node->args; i++)
        node->uniform &= node->arg[i]->uniform;
    return with_place(p, node);
}

static struct node *build_read(struct preparer *p, const struct kexpr *expr)
{
    struct node *node = new_node(p, KX_LOAD, expr->type);
    if (expr->op == KX_LOAD)
        build_buffer_place(p, &node->place, expr->buffer, expr->arg);
    else
        build_let_place(p, &node->place, expr->let, expr->arg);
    node->uniform = node->place.step == 0 && node->place.varying == 0;
    return with_place(p, node);
}

/* ---- reductions ---- */

static bool build_conditions(struct preparer *p, const struct kreduce *from, struct reduction *r)
{
    bool uniform = true;
    r->condition = ARENA_ARRAY(p->arena, struct condition, from->conditions);
    r->conditions = from->conditions;
    for (uint32_t i = 0; i < from->conditions; i++) {
        struct condition *c = &r->condition[i];
        struct kaffine sum;
        c->limit = from->condition[i].limit;
        if (kaffine_of(from->condition[i].value, &sum) && to_slot_sum(p, &sum, &c->sum, 1)) {
            c->run_factor = p->run ? kaffine_coefficient(&sum, p->run) : 0;
            uniform &= c->run_factor == 0;
        } else {
            c->node = build(p, from->condition[i].value);
            uniform &= c->node->uniform;
        }
    }
    return uniform;
}

/* Whether every subscript that is no part of the address stands still while the slot changes. */
static bool has_pointer(const struct node *node, uint32_t slot)
{
    const struct place *place = &node->place;
    if (node->op != KX_LOAD || place->bytes != 4)
        return false;
    if (!node->uniform && !(place->varying == 0 && place->step == 1) && !(place->varying == 1 && place->step == 0))
        return false;
    for (uint32_t i = 0; i < place->specials; i++) {
        const struct special *s = &place->special[i];
        if (s->node || (!s->uniform && (!s->table || s->run_factor != 1)))
            return false;
        for (uint32_t t = 0; t < s->sum.count; t++)
            if (s->sum.term[t].slot == slot)
                return false;
    }
    return true;
}

static bool all_pointers(const struct reduction *r)
{
    if (!r->term[1])
        return false;
    for (uint32_t i = 0; i < r->conditions; i++)
        if (r->condition[i].node || r->condition[i].run_factor != 0)
            return false;
    uint32_t slot = r->index[r->indices - 1].slot;
    return has_pointer(r->term[0], slot) && has_pointer(r->term[1], slot);
}

/* Partial sums of the tree: one per bit of the number of leaves. */
static void build_joiner(struct preparer *p, struct reduction *r, bool uniform)
{
    size_t run = uniform ? 1 : RUN, leaf = r->kind == KR_SUM_BLOCKS ? KERNEL_SUM_BLOCK : KERNEL_TREE_GROUP;
    size_t width = r->kind == KR_SUM_BLOCKS ? run : r->across ? KERNEL_TREE_GROUP : KERNEL_TREE_GROUP * run;
    size_t leaves = ((size_t)r->index[0].extent + leaf - 1) / leaf, levels = 1;
    while (leaves >> levels)
        levels++;
    r->joiner.level = ARENA_ARRAY(p->arena, float, levels * width);
    if (r->kind == KR_SUM_TREE && !r->across)
        r->group = ARENA_ARRAY(p->arena, float, width);
}

static struct node *build_reduce(struct preparer *p, const struct kexpr *expr)
{
    const struct kreduce *from = expr->reduce;
    struct node *node = new_node(p, KX_REDUCE, expr->type);
    struct reduction *r = ARENA_NEW(p->arena, struct reduction);
    const struct kindex *run = p->run;
    node->reduction = r;
    r->kind = from->kind == KR_SUM_TREE && expr->type == KT_I32 ? KR_SUM : from->kind; /* integers: any order */
    r->run = node->run;
    r->indices = from->indices;
    for (uint32_t i = 0; i < from->indices; i++) {
        r->index[i].slot = slot_of(p, from->index[i]);
        r->index[i].extent = from->index[i]->extent;
        r->index[i].bound = from->index[i]->bound ? from->index[i]->bound->number : NO_RUN;
    }
    r->across = interpret_choose_across(from, p->run);
    node->uniform = build_conditions(p, from, r);
    r->from = from->from ? build(p, from->from) : NULL;
    node->uniform &= !r->from || r->from->uniform;
    p->run = r->across ? from->index[0] : run;
    for (int t = 0; t < 2 && from->term[t]; t++) {
        r->term[t] = build(p, from->term[t]);
        node->uniform &= r->across ? !run || !interpret_depends_on(from->term[t], run) : r->term[t]->uniform;
    }
    p->run = run;
    r->pointers = all_pointers(r);
    if (r->kind == KR_SUM_TREE || r->kind == KR_SUM_BLOCKS)
        build_joiner(p, r, node->uniform);
    for (int i = 0; i < 2; i++)
        r->segment[i] = ARENA_ARRAY(p->arena, struct segment, RUN);
    r->position = ARENA_ARRAY(p->arena, int32_t, RUN);
    return with_place(p, node);
}

static struct node *build(struct preparer *p, const struct kexpr *expr)
{
    struct node *step;
    struct node *node;
    switch (expr->op) {
    case KX_CONST_F32: {
        int32_t bits;
        memcpy(&bits, &expr->f32, sizeof bits);
        return build_constant(p, KT_F32, bits);
    }
    case KX_CONST_I32:
    case KX_CONST_BOOL: return build_constant(p, expr->type, expr->i32);
    case KX_INDEX:
        node = new_node(p, KX_INDEX, KT_I32);
        node->number = slot_of(p, expr->index);
        node->uniform = expr->index != p->run;
        return with_place(p, node);
    case KX_SCALAR:
        if ((step = bound_step(p, expr->scalar)))
            return build_reference(p, step);
        node = new_node(p, KX_SCALAR, expr->type);
        node->number = expr->scalar->number;
        node->uniform = true;
        return with_place(p, node);
    case KX_LET:
        if ((step = bound_step(p, expr->let)))
            return build_reference(p, step);
        return build_read(p, expr);
    case KX_LOAD: return build_read(p, expr);
    case KX_REDUCE: return build_reduce(p, expr);
    case KX_POSITION:
        node = new_node(p, KX_POSITION, KT_I32);
        node->arg[0] = build(p, expr->arg[0]);
        node->uniform = node->arg[0]->uniform;
        return node;
    case KX_CALL: return build_call(p, expr);
    default: return build_operator(p, expr);
    }
}

/* ---- statements ---- */

static struct list *build_list(struct preparer *p, const struct kreduce *from)
{
    struct list *list = ARENA_NEW(p->arena, struct list);
    list->slot = slot_of(p, from->index[0]);
    list->extent = from->index[0]->extent;
    list->row = ARENA_ARRAY(p->arena, int32_t, (size_t)list->extent + 1);
    return list;
}

static void prepare_statement(struct preparer *p, const struct kstatement *statement)
{
    bool is_let = statement->kind == KS_LET;
    struct kindex *const *index = is_let ? statement->let->index : statement->index;
    const struct kexpr *value = is_let ? statement->let->value : statement->value;
    struct prepared out = {.rank = is_let ? statement->let->rank : statement->rank};
    struct kexpr *subscript[KERNEL_MAX_RANK];
    const struct kreduce *list = kstatement_list(statement);
    out.run = list ? out.rank - 1 : interpret_choose_run(value, index, out.rank);
    p->run = out.run == NO_RUN ? NULL : index[out.run];
    for (uint32_t i = 0; i < out.rank; i++) {
        out.index[i].slot = slot_of(p, index[i]);
        out.index[i].extent = index[i]->extent;
        subscript[i] = kx_index(p->arena, index[i]);
    }
    if (list) {
        const struct kindex *row = p->run;
        p->run = list->index[0];
        out.list = build_list(p, list);
        out.value = build(p, list->term[0]);
        p->run = row;
    } else {
        out.value = build(p, value);
    }
    if (is_let) {
        vec_push(p->arena, &p->kernel->lets, statement->let);
        build_let_place(p, &out.target, statement->let, subscript);
    } else {
        build_buffer_place(p, &out.target, statement->buffer, subscript);
    }
    out.two = statement->buffer2 != NULL;
    if (out.two)
        build_buffer_place(p, &out.target2, statement->buffer2, subscript);
    vec_push(p->arena, &p->kernel->statements, out);
}

void interpret_prepare(struct kinterpreter *interpreter)
{
    const struct kprogram *program = interpreter->program;
    interpreter->kernels = ARENA_ARRAY(&interpreter->arena, struct prepared_kernel, program->kernels.count);
    for (size_t i = 0; i < program->kernels.count; i++) {
        struct preparer p = {.arena = &interpreter->arena, .kernel = &interpreter->kernels[i]};
        p.kernel->kernel = program->kernels.at[i];
        for (size_t s = 0; s < program->kernels.at[i]->statements.count; s++)
            prepare_statement(&p, program->kernels.at[i]->statements.at[s]);
        p.kernel->slots = (uint32_t)p.slots.count;
    }
}
