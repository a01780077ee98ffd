/* What the kernels of the losses share: softmax's lets, class targets and their weights, the sums over the batch. */
#include "loss.h"

static const struct klet *noted_let(struct lowering *l, const void *key, const char *name)
{
    const struct lower_note *note = lower_noted(l, key, name);
    return note ? note->let : NULL;
}

static const struct klet *let_over_batch(struct lowering *l, const void *key, const char *name, struct kindex *m,
                                         struct kexpr *value)
{
    const struct klet *let = lower_let(l, name, 1, &m, value);
    lower_note_let(l, key, name, let);
    return let;
}

static struct kexpr *shifted(struct lowering *l, const struct value *logits, const struct klet *top, struct kexpr *c,
                             struct kindex *m)
{
    struct kexpr *z = lower_read(l, logits, "Z", (struct kexpr *[]){c, lx_at(l, m)});
    return lx_binary(l, KX_SUB, z, lx_let(l, top, &m));
}

struct softmax_lets softmax_lets(struct lowering *l, const struct value *logits)
{
    struct softmax_lets s = {logits, noted_let(l, logits, "top"), noted_let(l, logits, "j"), noted_let(l, logits, "r"),
                             noted_let(l, logits, "ls")};
    if (s.ls)
        return s;
    struct kindex *m = lower_batch(l), *c = lower_index(l, "c", logits->type.dim[1]);
    struct kreduce r = {.kind = KR_MAX_AT, .indices = 1, .index = &c};
    r.term[0] = lower_read_at(l, logits, "Z", (struct kindex *[]){c, m});
    struct kexpr *largest = kx_reduce(l->arena, &r);
    s.top = let_over_batch(l, logits, "top", m, largest);
    s.j = let_over_batch(l, logits, "j", m, kx_position(l->arena, largest));
    r = (struct kreduce){.kind = KR_SUM, .indices = 1, .index = &c, .from = lx_f32(l, 0)};
    r.term[0] = lx_select(l, lx_binary(l, KX_EQ, lx_at(l, c), lx_let(l, s.j, &m)), lx_f32(l, 0),
                          lower_call(l, "exp", shifted(l, logits, s.top, lx_at(l, c), m)));
    s.r = let_over_batch(l, logits, "r", m, kx_reduce(l->arena, &r));
    s.ls = let_over_batch(l, logits, "ls", m, lower_call(l, "log1p", lx_let(l, s.r, &m)));
    return s;
}

struct kexpr *softmax_nll(struct lowering *l, const struct softmax_lets *s, struct kexpr *at, struct kindex *m)
{
    return lx_binary(l, KX_SUB, lx_let(l, s->ls, &m), shifted(l, s->logits, s->top, at, m));
}

static struct kexpr *one_more(struct lowering *l, const struct softmax_lets *s, struct kindex *m)
{
    return lx_binary(l, KX_ADD, lx_f32(l, 1), lx_let(l, s->r, &m));
}

struct kexpr *softmax_p(struct lowering *l, const struct softmax_lets *s, struct kindex *c, struct kindex *m)
{
    return lx_binary(l, KX_DIV, lower_call(l, "exp", shifted(l, s->logits, s->top, lx_at(l, c), m)), one_more(l, s, m));
}

struct kexpr *softmax_rest(struct lowering *l, const struct softmax_lets *s, struct kindex *m)
{
    return lx_binary(l, KX_DIV, lx_let(l, s->r, &m), one_more(l, s, m));
}

/* ---- class targets ---- */

struct kexpr *class_target(struct lowering *l, const struct node *node, struct kindex *m)
{
    return lower_read_at(l, node->input[1], "t", &m);
}

struct kexpr *class_counts(struct lowering *l, const struct node *node, struct kindex *m)
{
    return lx_binary(l, KX_NE, class_target(l, node, m), lx_i32(l, loss_options(node).ignore));
}

const struct klet *class_weight(struct lowering *l, const struct node *node)
{
    const struct klet *let = noted_let(l, node->input[1], "a");
    if (let)
        return let;
    struct loss_options o = loss_options(node);
    struct kindex *m = lower_batch(l);
    struct kexpr *weight = lx_f32(l, 1);
    if (o.weight)
        weight = lower_numbers(l, "w", o.weight, o.classes, class_target(l, node, m));
    return let_over_batch(l, node->input[1], "a", m, lx_where(l, class_counts(l, node, m), weight, lx_f32(l, 0)));
}

const struct kbuffer *class_divisor(struct lowering *l, const struct node *node)
{
    if (loss_options(node).reduction != REDUCE_MEAN)
        return NULL;
    const struct lower_note *note = lower_noted(l, node->input[1], "D");
    if (note)
        return note->buffer;
    struct kindex *m = lower_live(l);
    struct kexpr *sum = lx_tree(l, m, lx_let(l, class_weight(l, node), &m));
    return lower_stage(l, node->input[1], "D", NULL, 0, NULL, sum);
}

void loss_outputs(struct lowering *l, const struct node *node, struct kindex *m, struct kexpr *example,
                  struct kexpr *weight, struct kexpr *divisor)
{
    if (lower_wanted(l, node->output[2]))
        lower_define(l, node, 2, "A", "weight", &m, weight);
    if (!lower_wanted(l, node->output[0])) {
        if (lower_wanted(l, node->output[1]))
            lower_define(l, node, 1, "L", "example", &m, example);
        return;
    }
    const struct kbuffer *losses = lower_stage(l, node, "L", node->output[1], 1, &m, example);
    struct kindex *live = lower_live(l);
    struct kexpr *loss = lx_tree(l, live, lx_load(l, losses, &live));
    if (divisor && divisor->op == KX_LOAD) /* a sum of weights, which may be 0 */
        loss = lx_where(l, lx_binary(l, KX_NE, divisor, lx_f32(l, 0)), lx_binary(l, KX_DIV, loss, divisor),
                        lx_f32(l, 0));
    else if (divisor)
        loss = lx_binary(l, KX_DIV, loss, divisor);
    lower_define(l, node, 0, "loss", "loss", NULL, loss);
}
