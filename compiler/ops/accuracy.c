/* Accuracy: 1 where the largest logit (the first of equals) is the target's class. Probability targets stand for their
 * most probable class; an ignored class target never counts. */
#include "loss.h"

bool accuracy_shape(struct graph *graph, struct node *node, struct diag_list *diags)
{
    (void)graph;
    const struct value *target = node->input[1];
    if (!need_vector(node, 0, diags))
        return false;
    const struct value *scores = node->input[0];
    enum dtype dtype = target->type.dtype;
    if ((dtype != DT_CLASS && dtype != DT_PROB) || target->type.classes != scores->type.dim[1]) {
        diag_error(diags, node->span, "accuracy: %s has the shape %s, but %s is %s%s", value_label(scores),
                   value_shape(diags, scores), value_label(target),
                   dtype == DT_CLASS || dtype == DT_PROB ? "a target of " : "no target",
                   dtype == DT_CLASS || dtype == DT_PROB
                       ? arena_printf(diags->arena, "%lld classes", (long long)target->type.classes)
                       : "");
        note_made(diags, scores);
        note_made(diags, target);
        return false;
    }
    node->output[0]->type = type_make(DT_I32, 1, (int64_t[]){DIM_N});
    return true;
}

static int64_t largest(const double *x, int64_t count)
{
    int64_t at = 0;
    for (int64_t i = 1; i < count; i++)
        if (x[i] > x[at])
            at = i;
    return at;
}

void accuracy_reference(const struct node *node, const struct reference_tensor *const *in,
                        struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)node, (void)scalars;
    int64_t classes = in[0]->dim[1];
    for (int64_t m = 0; m < in[0]->dim[0]; m++) {
        bool given = in[1]->type.dtype == DT_CLASS;
        int64_t t = given ? (int64_t)in[1]->data[m] : largest(in[1]->data + m * classes, classes);
        out[0]->data[m] = largest(in[0]->data + m * classes, classes) == t;
    }
}

/* ---- kernel ---- */

static struct kexpr *largest_at(struct lowering *l, const struct value *value, const char *name, struct kindex *m)
{
    struct kindex *c = lower_index(l, "c", value->type.dim[1]);
    struct kreduce r = {.kind = KR_MAX_AT, .indices = 1, .index = &c};
    r.term[0] = lower_read_at(l, value, name, (struct kindex *[]){c, m});
    return kx_position(l->arena, kx_reduce(l->arena, &r));
}

void accuracy_lower(struct lowering *l, const struct node *node)
{
    const struct value *target = node->input[1];
    struct kindex *m = lower_batch(l);
    struct kexpr *guess = largest_at(l, node->input[0], "Z", m);
    struct kexpr *truth =
        target->type.dtype == DT_CLASS ? lower_read_at(l, target, "t", &m) : largest_at(l, target, "T", m);
    lower_define(l, node, 0, "right", "right", &m, lx_unary(l, KX_TO_I32, lx_binary(l, KX_EQ, guess, truth)));
}
