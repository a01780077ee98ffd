/* Kernels of cross entropy; the formulas stand in xent.c. Terms that the options leave out are not in the text. */
#include "loss.h"

static double smoothing_share(const struct loss_options *o)
{
    return o->smoothing / (double)o->classes;
}

static struct kexpr *add(struct lowering *l, struct kexpr *a, struct kexpr *b)
{
    return lx_binary(l, KX_ADD, a, b);
}

static struct kexpr *sub(struct lowering *l, struct kexpr *a, struct kexpr *b)
{
    return lx_binary(l, KX_SUB, a, b);
}

static struct kexpr *mul(struct lowering *l, struct kexpr *a, struct kexpr *b)
{
    return lx_binary(l, KX_MUL, a, b);
}

/* w[at] */
static struct kexpr *weight_at(struct lowering *l, const struct loss_options *o, struct kexpr *at)
{
    return o->weight ? lower_numbers(l, "w", o->weight, o->classes, at) : lx_f32(l, 1);
}

static struct kexpr *sum_classes(struct lowering *l, struct kindex *c, struct kexpr *term)
{
    struct kreduce r = {.kind = KR_SUM, .indices = 1, .index = &c, .from = lx_f32(l, 0), .term = {term}};
    return kx_reduce(l->arena, &r);
}

/* ---- class targets ---- */

/* The loss of example m, 0 where it is ignored. */
static struct kexpr *class_loss(struct lowering *l, const struct node *node, struct kindex *m)
{
    struct loss_options o = loss_options(node);
    struct softmax_lets s = softmax_lets(l, node->input[0]);
    struct kexpr *loss = softmax_nll(l, &s, class_target(l, node, m), m);
    if (o.weight)
        loss = mul(l, lx_let(l, class_weight(l, node), &m), loss);
    if (o.smoothing > 0) {
        struct kindex *c = lower_index(l, "c", o.classes);
        struct kexpr *term = softmax_nll(l, &s, lx_at(l, c), m);
        if (o.weight)
            term = mul(l, weight_at(l, &o, lx_at(l, c)), term);
        struct kexpr *spread = mul(l, lx_f32(l, smoothing_share(&o)), sum_classes(l, c, term));
        loss = o.smoothing == 1 ? spread : add(l, mul(l, lx_f32(l, 1 - o.smoothing), loss), spread);
    }
    return lx_where(l, class_counts(l, node, m), loss, lx_f32(l, 0));
}

static void class_lower(struct lowering *l, const struct node *node)
{
    struct kindex *m = lower_batch(l);
    const struct klet *weight = class_weight(l, node);
    const struct kbuffer *divisor = lower_wanted(l, node->output[0]) ? class_divisor(l, node) : NULL;
    loss_outputs(l, node, m, class_loss(l, node, m), lx_let(l, weight, &m), divisor ? lx_load(l, divisor, NULL) : NULL);
}

static void class_grad_lower(struct lowering *l, const struct node *node)
{
    struct loss_options o = loss_options(node);
    struct softmax_lets s = softmax_lets(l, node->input[0]);
    const struct klet *weight = o.weight ? class_weight(l, node) : NULL;
    const struct kbuffer *divisor = class_divisor(l, node);
    struct kindex *c = lower_index(l, "c", o.classes), *m = lower_batch(l), *cm[] = {c, m};
    const struct klet *p = lower_let(l, "p", 2, cm, softmax_p(l, &s, c, m));
    struct kexpr *off = lx_unary(l, KX_NEG, softmax_rest(l, &s, m)), *is_top = lx_let(l, s.j, &m);
    is_top = lx_binary(l, KX_EQ, lx_at(l, c), is_top);
    struct kexpr *at_target = lx_select(l, is_top, off, sub(l, lx_let(l, p, cm), lx_f32(l, 1)));
    struct kexpr *is_target = lx_binary(l, KX_EQ, lx_at(l, c), class_target(l, node, m));
    const struct klet *d = lower_let(l, "d", 2, cm, lx_select(l, is_target, at_target, lx_let(l, p, cm)));
    struct kexpr *dz = lx_let(l, d, cm);
    if (weight)
        dz = mul(l, lx_let(l, weight, &m), dz);
    if (o.smoothing > 0) {
        double sum = 0;
        for (int64_t i = 0; i < o.classes; i++)
            sum += loss_weight(&o, i);
        struct kexpr *spread = sub(l, mul(l, lx_f32(l, sum), lx_let(l, p, cm)), weight_at(l, &o, lx_at(l, c)));
        spread = mul(l, lx_f32(l, smoothing_share(&o)), spread);
        dz = o.smoothing == 1 ? spread : add(l, mul(l, lx_f32(l, 1 - o.smoothing), dz), spread);
    }
    struct kexpr *counts = class_counts(l, node, m);
    if (divisor) {
        counts = lx_both(l, counts, lx_binary(l, KX_NE, lx_load(l, divisor, NULL), lx_f32(l, 0)));
        dz = lx_binary(l, KX_DIV, dz, lx_load(l, divisor, NULL));
    }
    /* nothing is read that must not be: what all classes share is computed before the first of them */
    lower_define(l, node, 0, "dZ", "dz", cm, lx_select(l, counts, dz, lx_f32(l, 0)));
}

/* ---- probability targets ---- */

/* q[c, m] = w[c] ((1 - e) T[c, m] + e / C) */
static const struct klet *prob_let(struct lowering *l, const struct node *node)
{
    const struct lower_note *note = lower_noted(l, node->input[1], "q");
    if (note)
        return note->let;
    struct loss_options o = loss_options(node);
    struct kindex *cm[] = {lower_index(l, "c", o.classes), lower_batch(l)};
    struct kexpr *q = lower_read_at(l, node->input[1], "T", cm);
    if (o.smoothing > 0)
        q = lx_fma(l, lx_f32(l, 1 - o.smoothing), q, lx_f32(l, smoothing_share(&o)));
    if (o.weight)
        q = mul(l, weight_at(l, &o, lx_at(l, cm[0])), q);
    const struct klet *let = lower_let(l, "q", 2, cm, q);
    lower_note_let(l, node->input[1], "q", let);
    return let;
}

static struct kexpr *prob_divisor(struct lowering *l, const struct node *node)
{
    return loss_options(node).reduction == REDUCE_MEAN ? lx_unary(l, KX_TO_F32, lower_scalar(l, "live", KT_I32)) : NULL;
}

/* A class of probability 0 adds nothing, however small its logit. */
static void prob_lower(struct lowering *l, const struct node *node)
{
    struct loss_options o = loss_options(node);
    struct softmax_lets s = softmax_lets(l, node->input[0]);
    const struct klet *q = prob_let(l, node);
    struct kindex *m = lower_batch(l), *c = lower_index(l, "c", o.classes), *cm[] = {c, m};
    struct kexpr *term = mul(l, lx_let(l, q, cm), softmax_nll(l, &s, lx_at(l, c), m));
    term = lx_select(l, lx_binary(l, KX_EQ, lx_let(l, q, cm), lx_f32(l, 0)), lx_f32(l, 0), term);
    loss_outputs(l, node, m, sum_classes(l, c, term), lx_f32(l, 1), prob_divisor(l, node));
}

static void prob_grad_lower(struct lowering *l, const struct node *node)
{
    struct loss_options o = loss_options(node);
    struct softmax_lets s = softmax_lets(l, node->input[0]);
    const struct klet *q = prob_let(l, node);
    struct kindex *m = lower_batch(l), *c = lower_index(l, "c", o.classes), *cm[] = {c, m};
    const struct klet *all = lower_let(l, "s", 1, &m, sum_classes(l, c, lx_let(l, q, cm)));
    struct kexpr *is_top = lx_binary(l, KX_EQ, lx_at(l, c), lx_let(l, s.j, &m));
    const struct klet *others =
        lower_let(l, "others", 1, &m, sum_classes(l, c, lx_select(l, is_top, lx_f32(l, 0), lx_let(l, q, cm))));
    struct kexpr *top = sub(l, lx_let(l, others, &m), mul(l, lx_let(l, all, &m), softmax_rest(l, &s, m)));
    struct kexpr *other = sub(l, mul(l, lx_let(l, all, &m), softmax_p(l, &s, c, m)), lx_let(l, q, cm));
    struct kexpr *dz = lx_select(l, is_top, top, other), *divisor = prob_divisor(l, node);
    lower_define(l, node, 0, "dZ", "dz", cm, divisor ? lx_binary(l, KX_DIV, dz, divisor) : dz);
}

void xent_lower(struct lowering *l, const struct node *node)
{
    (node->input[1]->type.dtype == DT_CLASS ? class_lower : prob_lower)(l, node);
}

void xent_grad_lower(struct lowering *l, const struct node *node)
{
    (node->input[1]->type.dtype == DT_CLASS ? class_grad_lower : prob_grad_lower)(l, node);
}
