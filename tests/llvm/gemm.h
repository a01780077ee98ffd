/* Y[n, m] = max(sum.fma(k from b[n]: W[n, k], X[k, m]), 0): the tile that decides speed, as loops.c would write it. */
#ifndef XENT_TEST_GEMM_H
#define XENT_TEST_GEMM_H

#include "make.h"

struct gemm {
    int64_t rows, inner, columns;  /* N, K, M in elements */
    int64_t tile_rows, tile_lanes; /* tile_lanes in vectors */
    struct kbuffer *w, *x, *bias, *y;
};
/* rows and columns must be multiples of the tile. */
struct kprogram *gemm_make(struct make *m, struct gemm *gemm);

#endif
