/* Checks that the losses share. */
#include "loss.h"

#include <math.h>
#include <string.h>

static bool has_attr(const struct node *node, const char *name)
{
    for (uint32_t i = 0; i < node->op->attrs; i++)
        if (strcmp(node->op->attr[i].name, name) == 0)
            return true;
    return false;
}

struct loss_options loss_options(const struct node *node)
{
    const struct attr *weight = node_attr(node, "weight");
    return (struct loss_options){
        .weight = weight->set ? weight->floats : NULL,
        .classes = node->input[0]->type.dim[1],
        .ignore = node_int(node, "ignore_index"),
        .smoothing = has_attr(node, "label_smoothing") ? node_float(node, "label_smoothing") : 0,
        .reduction = (enum reduction)node_int(node, "reduction"),
    };
}

static bool check_target(const struct node *node, struct diag_list *diags, bool prob)
{
    const struct value *scores = node->input[0], *target = node->input[1];
    enum dtype dtype = target->type.dtype;
    if (dtype != DT_CLASS && dtype != DT_PROB) {
        diag_error(diags, node->span, "%s needs a target, but %s is none", node->op->name, value_label(target));
        note_made(diags, target);
        return false;
    }
    if (dtype == DT_PROB && !prob) {
        diag_error(diags, node->span, "%s needs class targets, but %s is prob[%lld]", node->op->name,
                   value_label(target), (long long)target->type.classes);
        note_made(diags, target);
        diag_help(diags, "cross_entropy takes probabilities");
        return false;
    }
    if (target->type.classes != scores->type.dim[1]) {
        diag_error(diags, node->span, "%s: %s has the shape %s, but the target %s is %s[%lld]", node->op->name,
                   value_label(scores), value_shape(diags, scores), value_label(target),
                   dtype == DT_PROB ? "prob" : "class", (long long)target->type.classes);
        note_made(diags, scores);
        note_made(diags, target);
        return false;
    }
    return true;
}

bool loss_check(const struct node *node, struct diag_list *diags, bool prob)
{
    if (!need_vector(node, 0, diags) || !check_target(node, diags, prob))
        return false;
    struct loss_options o = loss_options(node);
    const struct attr *weight = node_attr(node, "weight");
    if (weight->set && weight->count != o.classes) {
        diag_error(diags, node->span, "%s: weight has %u numbers, but there are %lld classes", node->op->name,
                   weight->count, (long long)o.classes);
        return false;
    }
    for (uint32_t i = 0; weight->set && i < weight->count; i++)
        if (!(fabs(weight->floats[i]) <= 3.4028234e38)) {
            diag_error(diags, node->span, "%s: weight must be finite", node->op->name);
            return false;
        }
    if (!(o.smoothing >= 0 && o.smoothing <= 1)) {
        diag_error(diags, node->span, "%s: label_smoothing must be from 0 to 1, not %g", node->op->name, o.smoothing);
        return false;
    }
    if (o.ignore < INT32_MIN || o.ignore > INT32_MAX) {
        diag_error(diags, node->span, "%s: ignore_index must fit into 32 bits, not %lld", node->op->name,
                   (long long)o.ignore);
        return false;
    }
    return true;
}

bool loss_types(struct node *node)
{
    int64_t n = DIM_N;
    node->output[0]->type = type_make(DT_F32, 0, NULL);
    node->output[1]->type = type_make(DT_F32, 1, &n);
    node->output[2]->type = type_make(DT_F32, 1, &n);
    return true;
}
