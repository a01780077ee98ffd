/* Convolutions in double, by one walk over every product of a weight and a pixel. */
#include "rules.h"

#include <string.h>

/* The places in z, W and X that meet in one product. */
struct meeting {
    int64_t z, w, x;
};
typedef void (*meeting_rule)(const struct reference_tensor *const *in, struct reference_tensor *out,
                             struct meeting at);

/* z [N, o, oh, ow], x [N, c, h, w] */
static void walk(const struct node *node, const int64_t *z, const int64_t *x, const struct reference_tensor *const *in,
                 struct reference_tensor *out, meeting_rule rule)
{
    struct window w = node_window(node);
    for (int64_t m = 0; m < z[0]; m++)
        for (int64_t o = 0; o < z[1]; o++)
            for (int64_t p = 0; p < z[2]; p++)
                for (int64_t q = 0; q < z[3]; q++)
                    for (int64_t c = 0; c < x[1]; c++)
                        for (int64_t i = 0; i < w.kernel.y; i++)
                            for (int64_t j = 0; j < w.kernel.x; j++) {
                                int64_t row = p * w.stride.y + i - w.padding.y;
                                int64_t column = q * w.stride.x + j - w.padding.x;
                                if (row < 0 || row >= x[2] || column < 0 || column >= x[3])
                                    continue;
                                rule(in, out,
                                     (struct meeting){((m * z[1] + o) * z[2] + p) * z[3] + q,
                                                      ((o * x[1] + c) * w.kernel.y + i) * w.kernel.x + j,
                                                      ((m * x[1] + c) * x[2] + row) * x[3] + column});
                            }
}

static void forward(const struct reference_tensor *const *in, struct reference_tensor *out, struct meeting at)
{
    out->data[at.z] += in[1]->data[at.w] * in[0]->data[at.x];
}

static void over_x(const struct reference_tensor *const *in, struct reference_tensor *out, struct meeting at)
{
    out->data[at.x] += in[1]->data[at.w] * in[0]->data[at.z];
}

static void over_w(const struct reference_tensor *const *in, struct reference_tensor *out, struct meeting at)
{
    out->data[at.w] += in[0]->data[at.z] * in[1]->data[at.x];
}

static void over_each_w(const struct reference_tensor *const *in, struct reference_tensor *out, struct meeting at)
{
    int64_t example = at.z / (in[0]->elements / in[0]->dim[0]);
    out->data[example * (out->elements / out->dim[0]) + at.w] += in[0]->data[at.z] * in[1]->data[at.x];
}

static void clear(struct reference_tensor *tensor)
{
    memset(tensor->data, 0, (size_t)tensor->elements * sizeof *tensor->data);
}

void conv2d_reference(const struct node *node, const struct reference_tensor *const *in,
                      struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)scalars;
    int64_t area = out[0]->dim[2] * out[0]->dim[3];
    for (int64_t i = 0; i < out[0]->elements; i++)
        out[0]->data[i] = node->inputs > 2 ? in[2]->data[i / area % out[0]->dim[1]] : 0;
    walk(node, out[0]->dim, in[0]->dim, in, out[0], forward);
}

void conv2d_dx_reference(const struct node *node, const struct reference_tensor *const *in,
                         struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)scalars;
    clear(out[0]);
    walk(node, in[0]->dim, out[0]->dim, in, out[0], over_x);
}

void conv2d_dw_reference(const struct node *node, const struct reference_tensor *const *in,
                         struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)scalars;
    clear(out[0]);
    walk(node, in[0]->dim, in[1]->dim, in, out[0], over_w);
}

void conv2d_dw_each_reference(const struct node *node, const struct reference_tensor *const *in,
                              struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)scalars;
    clear(out[0]);
    walk(node, in[0]->dim, in[1]->dim, in, out[0], over_each_w);
}

void conv2d_db_reference(const struct node *node, const struct reference_tensor *const *in,
                         struct reference_tensor *const *out, const struct reference_scalars *scalars)
{
    (void)scalars;
    int64_t area = in[0]->dim[2] * in[0]->dim[3], positions = node_int(node, "positions");
    clear(out[0]);
    for (int64_t i = 0; i < in[0]->elements; i++)
        if (node->inputs < 2 || in[1]->data[i] < (double)positions)
            out[0]->data[i / area % in[0]->dim[1]] += in[0]->data[i];
}
