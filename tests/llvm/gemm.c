#include "gemm.h"

enum { TILE = 64 };

struct kprogram *gemm_make(struct make *m, struct gemm *g) {
    int64_t lanes = m->made->loops.lanes, width = g->tile_lanes * lanes;
    uint32_t wide = (uint32_t)lanes;
    struct lvalue *acc[TILE], *first[TILE], *next[TILE], *x[TILE];
    const struct lterm *n, *k, *mm;
    g->w = make_buffer(m, "W", KT_F32, KA_IN, g->rows * g->inner);
    g->x = make_buffer(m, "X", KT_F32, KA_IN, g->inner * g->columns);
    g->bias = make_buffer(m, "b", KT_F32, KA_IN, g->rows);
    g->y = make_buffer(m, "Y", KT_F32, KA_OUT, g->rows * g->columns);

    struct lstatement *rows = make_for(m, "n", make_number(0), make_number(g->rows), g->tile_rows, &n);
    rows->parallel = true;
    make_for(m, "m", make_number(0), make_number(g->columns), width, &mm);
    for (int64_t r = 0; r < g->tile_rows; r++)
        for (int64_t v = 0; v < g->tile_lanes; v++)
            first[r * g->tile_lanes + v] =
                make_load(m, g->bias, make_affine(m, r, n, 1, NULL, 0, NULL, 0), wide, 0);
    struct lstatement *inner = make_for(m, "k", make_number(0), make_number(g->inner), 1, &k);
    for (int64_t i = 0; i < g->tile_rows * g->tile_lanes; i++)
        acc[i] = make_value(m, LO_PHI, KT_F32, wide);
    for (int64_t v = 0; v < g->tile_lanes; v++) {
        x[v] = make_load(m, g->x, make_affine(m, v * lanes, k, g->columns, mm, 1, NULL, 0), wide, 1);
        x[v]->aligned = g->columns % lanes == 0;
    }
    for (int64_t r = 0; r < g->tile_rows; r++) {
        struct laffine at = make_affine(m, r * g->inner, n, g->inner, k, 1, NULL, 0);
        struct lvalue *w = make_load(m, g->w, at, wide, 0);
        for (int64_t v = 0; v < g->tile_lanes; v++) {
            int64_t i = r * g->tile_lanes + v;
            next[i] = make_op(m, KX_FMA, KT_F32, w, x[v], acc[i]);
        }
    }
    for (int64_t i = 0; i < g->tile_rows * g->tile_lanes; i++)
        make_carry(m, inner, acc[i], first[i], next[i]);
    make_end(m);
    const struct lvalue *zero = make_f32(m, 0.0f, wide);
    for (int64_t r = 0; r < g->tile_rows; r++)
        for (int64_t v = 0; v < g->tile_lanes; v++) {
            struct lvalue *y = make_op(m, KX_MAX, KT_F32, acc[r * g->tile_lanes + v], zero, NULL);
            struct laffine at = make_affine(m, r * g->columns + v * lanes, n, g->columns, mm, 1, NULL, 0);
            make_store(m, g->y, at, y, 1, NULL)->aligned = g->columns % lanes == 0;
        }
    make_end(m);
    make_end(m);
    return make_program(m);
}
