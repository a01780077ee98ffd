/* A layer that leaves out zeros: lists of what is not zero in any of four, sums over the lists, an update in place. */
#include "families.h"

enum { ROOM = 1 << 20 };

static void place(struct text *out, const char *kind, const char *name, const char *type, int rows, int columns,
                  int number)
{
    text_printf(out, "  %s %s: %s[%d, %d] at %d\n", kind, name, type, rows, columns, number * ROOM);
}

/* The four of group g at the other index, the last group's cut off. */
static const char *some_bit(struct arena *arena, int extent, const char *first, const char *last)
{
    const char *all = "";
    for (int i = 0; i < 4; i++)
        all = arena_printf(arena, "%s%swhere(4 * g + %d < %d: bits(X[%s4 * g + %d%s]); 0)", all, i ? " | " : "", i,
                           extent, first, i, last);
    return all;
}

void family_zeros(struct text *out, const struct shape *s)
{
    int N = s->capacity, K = s->a, O = s->b + s->c, G = (N + 3) / 4, H = (K + 3) / 4;
    text_printf(out, "program @test {\n  arith fma\n  memory %d\n  scalar live: i32 <= %d\n  scalar lr: f32\n",
                9 * ROOM, N);
    place(out, "state", "R", "f32", K, N, 0);
    place(out, "state", "W", "f32", O, K, 1);
    place(out, "state", "D", "f32", O, N, 2);
    place(out, "arena", "X", "f32", K, N, 3);
    place(out, "arena", "A", "i32", G, K + 1, 4);
    place(out, "arena", "B", "i32", H, N + 1, 5);
    place(out, "arena", "Y", "f32", O, N, 6);
    text_printf(out, "  arena C: i32[%d] at %d\n", K + 1, 7 * ROOM);
    text_printf(out,
                "  kernel some(R: f32[%d, %d]) -> (X: f32[%d, %d]) {\n"
                "    X[k, m] = select(R[k, m] < 0.6 && k %% 3 != 1, 0.0, R[k, m])\n  }\n",
                K, N, K, N);
    text_printf(out,
                "  kernel lists(X: f32[%d, %d], live: i32 <= %d) -> (A: i32[%d, %d], B: i32[%d, %d], C: i32[%d]) {\n",
                K, N, N, G, K + 1, H, N + 1, K + 1);
    text_printf(out, "    A[g, j] = list(k < %d: (%s) != 0)\n", K, some_bit(out->arena, N, "k, ", ""));
    text_printf(out, "    B[g, j] = list(m < %d: m < live && (%s) != 0)\n", N, some_bit(out->arena, K, "", ", m"));
    text_printf(out, "    C[j] = list(k < %d: X[k, 0] != 0.0)\n  }\n", K);
    text_printf(out,
                "  kernel l(X: f32[%d, %d], W: f32[%d, %d], A: i32[%d, %d]) -> (Y: f32[%d, %d]) {\n"
                "    Y[n, m] = max(sum.fma(j < %d | 0 <= A[m / 4, 0] - 1 - j < %d from 0.5: W[n, A[m / 4, j + 1]], "
                "X[A[m / 4, j + 1], m]), 0.0)\n  }\n",
                K, N, O, K, G, K + 1, O, N, K, K);
    text_printf(out,
                "  kernel up(X: f32[%d, %d], D: f32[%d, %d], B: i32[%d, %d], inout W: f32[%d, %d], lr: f32) {\n"
                "    let g[n < %d, k < %d] = sum.fma(j < %d | 0 <= B[k / 4, 0] - 1 - j < %d from -0.25: "
                "D[n, B[k / 4, j + 1]], X[k, B[k / 4, j + 1]])\n"
                "    W[n, k] = fma(-lr, g[n, k], W[n, k])\n  }\n",
                K, N, O, N, H, N + 1, O, K, O, K, N, N);
    text_add(out, "  call some(R, X)\n  barrier\n  call lists(X, A, B, C, live = live)\n  barrier\n"
                  "  call l(X, W, A, Y)\n  barrier\n  call up(X, D, B, W, lr = lr)\n}\n");
}
