/* Convolutions that leave out what is zero at the ends of rows: how far rows of 16 examples reach, sums over the
 * columns between, pooled or not; gradients of each example, and over all in place. */
#include "families.h"

enum { ROOM = 1 << 20 };
#define IMAGES "layout (d3/16, d0, d1, d2, d3%%16)"

/* a x a pixels, b channels in, c out, 3 x 3; rows' ends are empty, and every fifth row */
void family_zeros_conv(struct text *out, const struct shape *s)
{
    int N = s->capacity, G = (N + 15) / 16, A = s->a, C = s->b, O = s->c, Z = A - 2, P = Z / 2;
    text_printf(out, "program @test {\n  arith fma\n  memory %d\n  scalar live: i32 <= %d\n  scalar lr: f32\n",
                12 * ROOM, N);
    text_printf(out, "  state R: f32[%d, %d, %d, %d] " IMAGES " at 0\n", C, A, A, N);
    text_printf(out, "  state W: f32[%d, %d, 3, 3] at %d\n  state b: f32[%d] at %d\n", O, C, ROOM, O, 2 * ROOM);
    text_printf(out, "  arena X: f32[%d, %d, %d, %d] " IMAGES " at %d\n", C, A, A, N, 3 * ROOM);
    text_printf(out, "  arena B: i32[%d, %d, %d, %d] at %d\n", G, C, A, A, 4 * ROOM);
    text_printf(out, "  arena E: f32[2, %d, %d, %d] at %d\n", G, C, A, 5 * ROOM);
    text_printf(out, "  arena L2: i32[2, %d, %d, %d] at %d\n", G, C, A, 6 * ROOM);
    text_printf(out, "  arena L3: i32[2, %d, %d, %d] at %d\n", G, C, A, 7 * ROOM);
    text_printf(out, "  arena P: f32[%d, %d, %d, %d] " IMAGES " at %d\n", O, P, P, N, 8 * ROOM);
    text_printf(out, "  arena at: u8[%d, %d, %d, %d] " IMAGES " at %d\n", O, P, P, N, 9 * ROOM);
    text_printf(out, "  arena Y: f32[%d, %d, %d, %d] " IMAGES " at %d\n", O, Z, Z, N, 10 * ROOM);
    text_printf(out, "  arena S: f32[%d, %d, 3, 3, %d] layout (d4/16, d0, d1, d2, d3, d4%%16) at %d\n", O, C, N,
                11 * ROOM);
    text_printf(out,
                "  kernel some(R: f32[%d, %d, %d, %d] " IMAGES ") -> (X: f32[%d, %d, %d, %d] " IMAGES ") {\n"
                "    X[c, y, x, m] = select(y %% 5 == 4 || x < (3 * y + c) %% 4 || x + y %% 3 > %d, 0.0, R[c, y, x, m])"
                "\n  }\n",
                C, A, A, N, C, A, A, N, A - 2);
    text_printf(out,
                "  kernel bytes(X: f32[%d, %d, %d, %d] " IMAGES ") -> (B: i32[%d, %d, %d, %d]) {\n"
                "    B[g, c, x, y] = sum(i < 16 | 0 <= 16 * g + i < %d from 0: "
                "i32(X[c, y, x, 16 * g + i] != 0.0))\n  }\n",
                C, A, A, N, G, C, A, A, N);
    text_printf(out,
                "  kernel reach(B: i32[%d, %d, %d, %d]) -> (E: f32[2, %d, %d, %d]) {\n"
                "    E[s, g, c, y] = max_at(x < %d from 0.0: select(B[g, c, x, y] > 0, "
                "f32(select(s == 0, %d - x, x + 1)), 0.0))\n  }\n",
                G, C, A, A, G, C, A, A, A);
    for (int rows = 2; rows <= 3; rows++)
        text_printf(out,
                    "  kernel columns%d(E: f32[2, %d, %d, %d]) -> (L: i32[2, %d, %d, %d]) {\n"
                    "    L[s, g, c, y] = bits(max_at(i < %d | 0 <= y + i < %d from 0.0: E[s, g, c, y + i]) + 8388608.0)"
                    " & 8388607\n  }\n",
                    rows, G, C, A, G, C, A, rows, A);
    text_printf(out,
                "  kernel pool(L: i32[2, %d, %d, %d], X: f32[%d, %d, %d, %d] " IMAGES ", W: f32[%d, %d, 3, 3], "
                "b: f32[%d]) -> (P: f32[%d, %d, %d, %d] " IMAGES ", at: u8[%d, %d, %d, %d] " IMAGES ") {\n"
                "    let z[o < %d, y < %d, x < %d, m < %d] = sum.fma(c < %d, i < 3, j < 3 | "
                "0 <= 2 * (x / 2) + j + L[0, m / 16, c, 2 * (y / 2) + i] - %d < %d, "
                "0 <= L[1, m / 16, c, 2 * (y / 2) + i] - (2 * (x / 2) + j) - 1 < %d "
                "from b[o]: W[o, c, i, j], X[c, y + i, x + j, m])\n"
                "    P[o, y, x, m], at[o, y, x, m] = max_at(u < 2, v < 2 from 0.0: z[o, 2*y + u, 2*x + v, m])\n  }\n",
                G, C, A, C, A, A, N, O, C, O, O, P, P, N, O, P, P, N, O, Z, Z, N, C, A - 1, A + 1, A);
    text_printf(out,
                "  kernel conv(L: i32[2, %d, %d, %d], X: f32[%d, %d, %d, %d] " IMAGES ", W: f32[%d, %d, 3, 3]) -> "
                "(Y: f32[%d, %d, %d, %d] " IMAGES ") {\n"
                "    Y[o, y, x, m] = max(sum.fma(c < %d, i < 3, j < 3 | "
                "0 <= 4 * (x / 4) + j + L[0, m / 16, c, y + i] - %d < %d, "
                "0 <= L[1, m / 16, c, y + i] - (4 * (x / 4) + j) - 1 < %d "
                "from 0.25: W[o, c, i, j], X[c, y + i, x + j, m]), 0.0)\n  }\n",
                G, C, A, C, A, A, N, O, C, O, Z, Z, N, C, A - 3, A + 3, A);
    const char *sum = arena_printf(out->arena,
                                   "sum.fma(y < %d, x < %d | 0 <= x + j + L[0, m / 16, c, y] - %d < %d, "
                                   "0 <= L[1, m / 16, c, y] - (x + j) - 1 < %d from 0.0: Y[o, y, x, m], "
                                   "X[c, y + i, x + j, m])",
                                   Z, Z, A, A, A);
    text_printf(out,
                "  kernel each(L: i32[2, %d, %d, %d], X: f32[%d, %d, %d, %d] " IMAGES ", Y: f32[%d, %d, %d, %d] " IMAGES
                ") -> (S: f32[%d, %d, 3, 3, %d] layout (d4/16, d0, d1, d2, d3, d4%%16)) {\n"
                "    S[o, c, i, j, m] = %s\n  }\n",
                G, C, A, C, A, A, N, O, Z, Z, N, O, C, N, sum);
    text_printf(out,
                "  kernel up(L: i32[2, %d, %d, %d], X: f32[%d, %d, %d, %d] " IMAGES ", Y: f32[%d, %d, %d, %d] " IMAGES
                ", inout W: f32[%d, %d, 3, 3], live: i32 <= %d, lr: f32) {\n"
                "    let g[o < %d, c < %d, i < 3, j < 3] = sum.tree(m < live: %s)\n"
                "    W[o, c, i, j] = fma(-lr, g[o, c, i, j], W[o, c, i, j])\n  }\n",
                G, C, A, C, A, A, N, O, Z, Z, N, O, C, N, O, C, sum);
    text_add(out, "  call some(R, X)\n  barrier\n  call bytes(X, B)\n  barrier\n  call reach(B, E)\n  barrier\n"
                  "  call columns2(E, L2)\n  call columns3(E, L3)\n  barrier\n  call pool(L2, X, W, b, P, at)\n"
                  "  call conv(L2, X, W, Y)\n  barrier\n  call each(L3, X, Y, S)\n"
                  "  call up(L3, X, Y, W, live = live, lr = lr)\n}\n");
}
