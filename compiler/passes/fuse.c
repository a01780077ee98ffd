/* Needs: the entry's graph, differentiated and with its updates. Leaves behind: every node that computes something in a
 * kernel (`in NAME`), and the copies that kernels need as nodes (fuse_prepare.c). Fused are
 *
 *   - an elementwise op into what computes its input, where nothing else reads that: bias, activation, mask;
 *   - pooling whose windows do not overlap into what computes the image;
 *   - an update into its weight's gradient, which then never exists in memory;
 *   - a loss and its gradient, which share the softmax;
 *   - everything that only loads the batch, into one kernel.
 *
 * Two groups become one only if no third stands between them. */
#include "fuse.h"
#include "lowered.h"
#include "map.h"

#include <string.h>

struct nodes_behind {
    VEC(uint32_t) nodes;
};

struct fuser {
    struct arena *arena;
    struct graph *graph;
    size_t count;
    uint32_t *group;             /* of each node; that of its first node */
    uint32_t *next;              /* another node of its group; `count`: none */
    struct nodes_behind *behind; /* of each node: those that must come behind it */
    struct pointer_map at;       /* node -> its place + 1, as a pointer */
    bool *seen;
};

static size_t place_of(const struct fuser *f, const struct node *node)
{
    return (size_t)(uintptr_t)map_get(&f->at, node) - 1;
}

/* Readers of what an update overwrites come first. */
static void add_overwrite_edges(struct fuser *f, size_t update)
{
    const struct node *node = f->graph->nodes.at[update];
    for (uint32_t k = 0; k < node->outputs; k++)
        for (size_t i = 0; i < f->count; i++)
            for (uint32_t j = 0; i != update && j < f->graph->nodes.at[i]->inputs; j++)
                if (f->graph->nodes.at[i]->input[j] == node->input[k])
                    vec_push(f->arena, &f->behind[i].nodes, (uint32_t)update);
}

static void init(struct fuser *f, struct arena *arena, struct graph *graph)
{
    *f = (struct fuser){.arena = arena, .graph = graph, .count = graph->nodes.count};
    f->group = ARENA_ARRAY(arena, uint32_t, f->count);
    f->next = ARENA_ARRAY(arena, uint32_t, f->count);
    f->behind = ARENA_ARRAY(arena, struct nodes_behind, f->count);
    f->seen = ARENA_ARRAY(arena, bool, f->count);
    map_init(&f->at, arena);
    for (size_t i = 0; i < f->count; i++) {
        const struct node *node = graph->nodes.at[i];
        f->group[i] = (uint32_t)i;
        f->next[i] = (uint32_t)f->count;
        map_set(&f->at, node, (void *)(uintptr_t)(i + 1));
        for (uint32_t k = 0; k < node->inputs; k++)
            vec_push(arena, &f->behind[place_of(f, node->input[k]->node)].nodes, (uint32_t)i);
    }
    for (size_t i = 0; i < f->count; i++)
        if (graph->nodes.at[i]->op->flags & OP_IN_PLACE)
            add_overwrite_edges(f, i);
}

/* ---- groups ---- */

/* From group `a`, is group `to` reached by way of a third one? */
static bool walk(struct fuser *f, uint32_t a, uint32_t to, uint32_t from)
{
    for (uint32_t i = a; i < f->count; i = f->next[i])
        for (size_t j = 0; j < f->behind[i].nodes.count; j++) {
            uint32_t group = f->group[f->behind[i].nodes.at[j]];
            if (group == from || f->seen[group] || group == a)
                continue;
            if (group == to) {
                if (a != from)
                    return true;
                continue;
            }
            f->seen[group] = true;
            if (walk(f, group, to, from))
                return true;
        }
    return false;
}

static bool between(struct fuser *f, uint32_t from, uint32_t to)
{
    memset(f->seen, 0, f->count * sizeof *f->seen);
    return walk(f, from, to, from);
}

static void join(struct fuser *f, size_t a, size_t b)
{
    uint32_t first = f->group[a], second = f->group[b];
    if (first == second || between(f, first, second) || between(f, second, first))
        return;
    uint32_t low = first < second ? first : second, high = first < second ? second : first, last = low;
    while (f->next[last] < f->count)
        last = f->next[last];
    f->next[last] = high;
    for (uint32_t i = high; i < f->count; i = f->next[i])
        f->group[i] = low;
}

/* ---- what belongs together ---- */

static bool computes(const struct node *node)
{
    return !(node->op->flags & (OP_LEAF | OP_VIEW));
}

static bool is_copy(const struct node *node)
{
    return op_is(node, "gather") || op_is(node, "relayout");
}

static bool loads_batch(const struct node *node)
{
    return (node->op->flags & OP_ELEMENTWISE) && node->inputs == 1 && fuse_is_data(fuse_root(node->input[0])->node);
}

/* Computes each element of its result on its own, so that more can be done to it there. */
static bool has_epilogue(const struct node *node)
{
    static const char *const names[] = {"linear",    "conv2d",    "linear_zeros", "conv2d_zeros",
                                        "linear_dx", "conv2d_dx", "max_pool2d",   "max_pool2d_dx"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (op_is(node, names[i]))
            return true;
    return (node->op->flags & OP_ELEMENTWISE) && !is_copy(node);
}

static bool windows_apart(const struct node *pool)
{
    const struct attr *kernel = node_attr(pool, "kernel"), *stride = node_attr(pool, "stride");
    const struct attr *padding = node_attr(pool, "padding");
    for (uint32_t i = 0; padding->set && i < padding->count; i++)
        if (padding->ints[i] != 0)
            return false;
    for (uint32_t i = 0; stride->set && i < 2; i++)
        if (stride->ints[stride->count == 1 ? 0 : i] < kernel->ints[kernel->count == 1 ? 0 : i])
            return false;
    return true;
}

static bool same_loss(const struct node *a, const struct node *b)
{
    if (!(a->op->flags & OP_LOSS) || b->inputs != 2 || a->input[0] != b->input[0] || a->input[1] != b->input[1] ||
        a->op->attrs != b->op->attrs || b->op->attrs == 0)
        return false;
    for (uint32_t i = 0; i < a->op->attrs; i++)
        if (strcmp(a->op->attr[i].name, b->op->attr[i].name) != 0 ||
            !attr_equal(&a->op->attr[i], &a->attr[i], &b->attr[i]))
            return false;
    return true;
}

/* Node i with what computes its inputs. */
static void join_producers(struct fuser *f, size_t i)
{
    struct node *node = f->graph->nodes.at[i];
    for (uint32_t k = 0; k < node->inputs; k++) {
        const struct node *producer = node->input[k]->node;
        if (!computes(producer) || graph_count_uses(f->graph, node->input[k]) != 1)
            continue;
        bool fits = false;
        if (node->op->flags & OP_IN_PLACE)
            fits = k + 1 == node->inputs;
        else if ((node->op->flags & OP_ELEMENTWISE) && !is_copy(node))
            fits = has_epilogue(producer);
        else if (op_is(node, "max_pool2d"))
            fits = windows_apart(node) && (op_is(producer, "conv2d") || op_is(producer, "conv2d_zeros") ||
                                           ((producer->op->flags & OP_ELEMENTWISE) && !is_copy(producer) &&
                                            !loads_batch(producer)));
        else if (op_is(node, "conv2d_shift_dw"))
            fits = k == 0;
        if (fits)
            join(f, place_of(f, producer), i);
    }
}

static void join_batch(struct fuser *f)
{
    size_t first = f->count;
    for (size_t i = 0; i < f->count; i++) {
        const struct node *node = f->graph->nodes.at[i];
        bool copied = op_is(node, "relayout") && loads_batch(node->input[0]->node);
        if (!computes(node) || !(loads_batch(node) || copied))
            continue;
        if (first == f->count)
            first = i;
        else
            join(f, first, i);
    }
}

bool pass_fuse(struct pass_context *context)
{
    struct fuser f;
    fuse_prepare(context->graph, lower_plan(context).features, context->target);
    init(&f, context->arena, context->graph);
    join_batch(&f);
    for (size_t i = 0; i < f.count; i++)
        if (computes(f.graph->nodes.at[i]))
            join_producers(&f, i);
    for (size_t i = 0; i < f.count; i++)
        for (size_t j = 0; j < f.count; j++)
            if (same_loss(f.graph->nodes.at[i], f.graph->nodes.at[j]))
                join(&f, i, j);
    fuse_name(f.graph, f.group);
    return true;
}
