/* The programs. Offsets are spaced by a fixed stride that is larger than any of these buffers. */
#include "families.h"

enum { ROOM = 1 << 20 };

static void begin(struct text *out, const struct shape *s, int places)
{
    text_printf(out, "program @test {\n  arith fma\n  memory %d\n  scalar live: i32 <= %d\n  scalar lr: f32\n",
                places * ROOM, s->capacity);
}

static void place(struct text *out, const char *kind, const char *declaration, int number)
{
    text_printf(out, "  %s %s at %d\n", kind, declaration, number * ROOM);
}

static const char *f(struct text *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static const char *f(struct text *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *string = arena_vprintf(out->arena, format, args);
    va_end(args);
    return string;
}

/* a features in, b out */
static void linear(struct text *out, const struct shape *s)
{
    int N = s->capacity;
    begin(out, s, 4);
    place(out, "state", f(out, "X: f32[%d, %d]", s->a, N), 0);
    place(out, "state", f(out, "W: f32[%d, %d]", s->b, s->a), 1);
    place(out, "state", f(out, "b: f32[%d]", s->b), 2);
    place(out, "arena", f(out, "Y: f32[%d, %d]", s->b, N), 3);
    text_printf(out,
                "  kernel l(X: f32[%d, %d], W: f32[%d, %d], b: f32[%d]) -> (Y: f32[%d, %d]) {\n"
                "    Y[n, m] = max(sum.fma(k < %d from b[n]: W[n, k], X[k, m]), 0.0)\n  }\n  call l(X, W, b, Y)\n}\n",
                s->a, N, s->b, s->a, s->b, s->b, N, s->a);
}

static void linear_dx(struct text *out, const struct shape *s)
{
    int N = s->capacity;
    begin(out, s, 4);
    place(out, "state", f(out, "W: f32[%d, %d]", s->b, s->a), 0);
    place(out, "state", f(out, "dY: f32[%d, %d]", s->b, N), 1);
    place(out, "state", f(out, "Y: f32[%d, %d]", s->a, N), 2);
    place(out, "arena", f(out, "dX: f32[%d, %d]", s->a, N), 3);
    text_printf(out,
                "  kernel l.dx(W: f32[%d, %d], dY: f32[%d, %d], Y: f32[%d, %d]) -> (dX: f32[%d, %d]) {\n"
                "    dX[k, m] = select(Y[k, m] > 0.0, sum.fma(n < %d from 0.0: W[n, k], dY[n, m]), 0.0)\n  }\n"
                "  call l.dx(W, dY, Y, dX)\n}\n",
                s->b, s->a, s->b, N, s->a, N, s->a, N, s->b);
}

/* the update in place, momentum in panels, activations in panels with the features in the lanes */
static void linear_update(struct text *out, const struct shape *s)
{
    int N = s->capacity, K = s->a, room = (K + 15) / 16 * 16;
    begin(out, s, 4);
    place(out, "state", f(out, "dY: f32[%d, %d]", s->b, N), 0);
    place(out, "state", f(out, "X: f32[%d, %d] layout (d0/48, d1, d0%%48)", K, N), 1);
    place(out, "state", f(out, "W: f32[%d, %d] layout (d0:%d, d1)", s->b, K, room), 2);
    place(out, "state", f(out, "V: f32[%d, %d]", s->b, K), 3);
    text_printf(out,
                "  kernel up(dY: f32[%d, %d], X: f32[%d, %d] layout (d0/48, d1, d0%%48),"
                " inout W: f32[%d, %d] layout (d0:%d, d1), inout V: f32[%d, %d], live: i32 <= %d, lr: f32) {\n"
                "    let g[n < %d, k < %d] = sum.blocks(m < live: dY[n, m], X[k, m])\n"
                "    let v[n < %d, k < %d] = fma(0.9, V[n, k], g[n, k])\n"
                "    V[n, k] = select(abs(v[n, k]) < 1e-30, 0.0, v[n, k])\n"
                "    W[n, k] = fma(-lr, fma(0.9, V[n, k], v[n, k]), W[n, k])\n  }\n"
                "  call up(dY, X, W, V, live = live, lr = lr)\n}\n",
                s->b, N, K, N, s->b, K, room, s->b, K, N, s->b, K, s->b, K);
}

static void linear_db(struct text *out, const struct shape *s)
{
    int N = s->capacity;
    begin(out, s, 2);
    place(out, "state", f(out, "dY: f32[%d, %d]", s->b, N), 0);
    place(out, "state", f(out, "b: f32[%d]", s->b), 1);
    text_printf(out,
                "  kernel db(dY: f32[%d, %d], inout b: f32[%d], live: i32 <= %d, lr: f32) {\n"
                "    b[n] = fma(-lr, sum.tree(m < live: dY[n, m]), b[n])\n  }\n"
                "  call db(dY, b, live = live, lr = lr)\n}\n",
                s->b, N, s->b, N);
}

#define IMAGES "layout (d3/16, d0, d1, d2, d3%%16)"
#define APART "layout (d3/16, d0:%d, d1, d2, d3%%16)" /* channels with some memory between them */
#define HALVES "layout (d3/8, d0, d1, d2, d3%%8)" /* of lines, as for vectors of 8 */

/* a x a pixels, b channels in, c out, 3 x 3, stride 1, pooled 2 x 2 with the position kept */
static void conv_pool(struct text *out, const struct shape *s)
{
    int N = s->capacity, z = s->a - 2, p = z / 2, plane = 16 * (s->a * s->a + 1);
    begin(out, s, 5);
    place(out, "state", f(out, "X: f32[%d, %d, %d, %d] " APART, s->b, s->a, s->a, N, plane), 0);
    place(out, "state", f(out, "W: f32[%d, %d, 3, 3]", s->c, s->b), 1);
    place(out, "state", f(out, "b: f32[%d]", s->c), 2);
    place(out, "arena", f(out, "P: f32[%d, %d, %d, %d] " IMAGES, s->c, p, p, N), 3);
    place(out, "arena", f(out, "at: u8[%d, %d, %d, %d] " IMAGES, s->c, p, p, N), 4);
    text_printf(out,
                "  kernel c(X: f32[%d, %d, %d, %d] " APART ", W: f32[%d, %d, 3, 3], b: f32[%d]) ->"
                " (P: f32[%d, %d, %d, %d] " IMAGES ", at: u8[%d, %d, %d, %d] " IMAGES ") {\n"
                "    let z[o < %d, y < %d, x < %d, m < %d] ="
                " sum.fma(c < %d, i < 3, j < 3 from b[o]: W[o, c, i, j], X[c, y + i, x + j, m])\n"
                "    P[o, y, x, m], at[o, y, x, m] = max_at(u < 2, v < 2 from 0.0: z[o, 2*y + u, 2*x + v, m])\n  }\n"
                "  call c(X, W, b, P, at)\n}\n",
                s->b, s->a, s->a, N, plane, s->c, s->b, s->c, s->c, p, p, N, s->c, p, p, N, s->c, z, z, N, s->b);
}

/* stride 2 or 3, padding 1 */
static void conv_padded(struct text *out, const struct shape *s)
{
    int N = s->capacity, step = 2 + (s->a + s->b) % 2, z = (s->a + 2 - 3) / step + 1;
    begin(out, s, 4);
    place(out, "state", f(out, "X: f32[%d, %d, %d, %d] " HALVES, s->b, s->a, s->a, N), 0);
    place(out, "state", f(out, "W: f32[%d, %d, 3, 3]", s->c, s->b), 1);
    place(out, "arena", f(out, "Z: f32[%d, %d, %d, %d] " HALVES, s->c, z, z, N), 2);
    place(out, "arena", f(out, "dX: f32[%d, %d, %d, %d] " HALVES, s->b, s->a, s->a, N), 3);
    text_printf(out,
                "  kernel c(X: f32[%d, %d, %d, %d] " HALVES ", W: f32[%d, %d, 3, 3]) -> (Z: f32[%d, %d, %d, %d] " HALVES
                ") {\n    Z[o, y, x, m] = sum.fma(c < %d, i < 3, j < 3 | 0 <= %d*y + i - 1 < %d, 0 <= %d*x + j - 1 < %d"
                " from 0.0: W[o, c, i, j], X[c, %d*y + i - 1, %d*x + j - 1, m])\n  }\n",
                s->b, s->a, s->a, N, s->c, s->b, s->c, z, z, N, s->b, step, s->a, step, s->a, step, step);
    text_printf(out,
                "  kernel c.dx(Z: f32[%d, %d, %d, %d] " HALVES ", W: f32[%d, %d, 3, 3])"
                " -> (dX: f32[%d, %d, %d, %d] " HALVES ") {\n"
                "    dX[c, y, x, m] = sum.fma(o < %d, p < %d, q < %d | 0 <= y + 1 - %d*p < 3, 0 <= x + 1 - %d*q < 3"
                " from 0.0: W[o, c, y + 1 - %d*p, x + 1 - %d*q], Z[o, p, q, m])\n  }\n"
                "  call c(X, W, Z)\n  barrier\n  call c.dx(Z, W, dX)\n}\n",
                s->c, z, z, N, s->c, s->b, s->b, s->a, s->a, N, s->c, z, z, step, step, step, step);
}

static void conv_dw(struct text *out, const struct shape *s)
{
    int N = s->capacity, z = s->a - 2;
    begin(out, s, 3);
    place(out, "state", f(out, "X: f32[%d, %d, %d, %d] " HALVES, s->b, s->a, s->a, N), 0);
    place(out, "state", f(out, "dZ: f32[%d, %d, %d, %d] " HALVES, s->c, z, z, N), 1);
    place(out, "state", f(out, "W: f32[%d, %d, 3, 3]", s->c, s->b), 2);
    text_printf(out,
                "  kernel c.dw(X: f32[%d, %d, %d, %d] " HALVES ", dZ: f32[%d, %d, %d, %d] " HALVES
                ", inout W: f32[%d, %d, 3, 3], live: i32 <= %d, lr: f32) {\n"
                "    let g[o < %d, c < %d, i < 3, j < 3] = sum.tree(m < live:"
                " sum.fma(y < %d, x < %d from 0.0: dZ[o, y, x, m], X[c, y + i, x + j, m]))\n"
                "    W[o, c, i, j] = fma(-lr, g[o, c, i, j], W[o, c, i, j])\n  }\n"
                "  call c.dw(X, dZ, W, live = live, lr = lr)\n}\n",
                s->b, s->a, s->a, N, s->c, z, z, N, s->c, s->b, N, s->c, s->b, z, z);
}

/* The same with padding, odd kernels of 3, 5 and 7, stride 1 or 2, and momentum. */
static void conv_dw_padded(struct text *out, const struct shape *s)
{
    int N = s->capacity, K = 3 + 2 * (s->c % 3), p = K / 2, step = 1 + (s->a + s->b) % 2;
    int z = (s->a + 2 * p - K) / step + 1;
    begin(out, s, 4);
    place(out, "state", f(out, "X: f32[%d, %d, %d, %d] " IMAGES, s->b, s->a, s->a, N), 0);
    place(out, "state", f(out, "dZ: f32[%d, %d, %d, %d] " IMAGES, s->c, z, z, N), 1);
    place(out, "state", f(out, "W: f32[%d, %d, %d, %d]", s->c, s->b, K, K), 2);
    place(out, "state", f(out, "V: f32[%d, %d, %d, %d]", s->c, s->b, K, K), 3);
    text_printf(out,
                "  kernel c.dw(X: f32[%d, %d, %d, %d] " IMAGES ", dZ: f32[%d, %d, %d, %d] " IMAGES
                ", inout V: f32[%d, %d, %d, %d], inout W: f32[%d, %d, %d, %d], live: i32 <= %d, lr: f32) {\n",
                s->b, s->a, s->a, N, s->c, z, z, N, s->c, s->b, K, K, s->c, s->b, K, K, N);
    text_printf(out,
                "    let g[o < %d, c < %d, i < %d, j < %d] = sum.tree(m < live: sum.fma(y < %d, x < %d |"
                " 0 <= %d * y + i - %d < %d, 0 <= %d * x + j - %d < %d from 0.0:"
                " dZ[o, y, x, m], X[c, %d * y + i - %d, %d * x + j - %d, m]))\n",
                s->c, s->b, K, K, z, z, step, p, s->a, step, p, s->a, step, p, step, p);
    text_printf(out,
                "    let v[o < %d, c < %d, i < %d, j < %d] = fma(0.9, V[o, c, i, j], g[o, c, i, j])\n"
                "    V[o, c, i, j] = select(abs(v[o, c, i, j]) < 1e-30, 0.0, v[o, c, i, j])\n"
                "    W[o, c, i, j] = fma(-lr, V[o, c, i, j], W[o, c, i, j])\n  }\n"
                "  call c.dw(X, dZ, V, W, live = live, lr = lr)\n}\n",
                s->c, s->b, K, K);
}

/* gradient of overlapping, padded pooling: 3 x 3, stride 2, padding 1; and of the plain 2 x 2 one over odd extents */
static void unpool(struct text *out, const struct shape *s)
{
    int N = s->capacity, z = s->a, p = (z + 2 - 3) / 2 + 1, q = z / 2 > 0 ? z / 2 : 1;
    begin(out, s, 8);
    place(out, "state", f(out, "Z: f32[%d, %d, %d, %d] " IMAGES, s->c, z, z, N), 0);
    place(out, "arena", f(out, "P: f32[%d, %d, %d, %d] " IMAGES, s->c, p, p, N), 1);
    place(out, "arena", f(out, "at: u8[%d, %d, %d, %d] " IMAGES, s->c, p, p, N), 2);
    place(out, "arena", f(out, "dZ: f32[%d, %d, %d, %d] " IMAGES, s->c, z, z, N), 3);
    place(out, "state", f(out, "dP: f32[%d, %d, %d, %d] " IMAGES, s->c, q, q, N), 4);
    place(out, "arena", f(out, "dQ: f32[%d, %d, %d, %d] " IMAGES, s->c, z, z, N), 5);
    text_printf(out,
                "  kernel pool(Z: f32[%d, %d, %d, %d] " IMAGES ") -> (P: f32[%d, %d, %d, %d] " IMAGES
                ", at: u8[%d, %d, %d, %d] " IMAGES ") {\n    P[o, y, x, m], at[o, y, x, m] ="
                " max_at(u < 3, v < 3 | 0 <= 2*y + u - 1 < %d, 0 <= 2*x + v - 1 < %d:"
                " Z[o, 2*y + u - 1, 2*x + v - 1, m])\n  }\n",
                s->c, z, z, N, s->c, p, p, N, s->c, p, p, N, z, z);
    text_printf(out,
                "  kernel pool.dx(P: f32[%d, %d, %d, %d] " IMAGES ", at: u8[%d, %d, %d, %d] " IMAGES
                ") -> (dZ: f32[%d, %d, %d, %d] " IMAGES ") {\n    dZ[o, y, x, m] ="
                " sum(p < %d, q < %d | 0 <= y + 1 - 2*p < 3, 0 <= x + 1 - 2*q < 3 from 0.0:"
                " where(i32(at[o, p, q, m]) == 3*(y + 1 - 2*p) + (x + 1 - 2*q): P[o, p, q, m]; 0.0))\n  }\n",
                s->c, p, p, N, s->c, p, p, N, s->c, z, z, N, p, p);
    text_printf(out,
                "  kernel spread(dP: f32[%d, %d, %d, %d] " IMAGES ") -> (dQ: f32[%d, %d, %d, %d] " IMAGES
                ") {\n"
                "    dQ[o, y, x, m] = where(y/2 < %d && x/2 < %d && dP[o, y/2, x/2, m] > f32(2*(y%%2) + x%%2) * 0.2"
                ": dP[o, y/2, x/2, m]; 0.0)\n  }\n"
                "  call pool(Z, P, at)\n  call spread(dP, dQ)\n  barrier\n  call pool.dx(P, at, dZ)\n}\n",
                s->c, q, q, N, s->c, z, z, N, q, q);
}

/* rows picked from a data set, normalised, in both layouts */
static void gather(struct text *out, const struct shape *s)
{
    int N = s->capacity;
    begin(out, s, 2);
    text_printf(out, "  data images: u8[?, %d] slot 0\n  data pick: i32[%d] slot 1\n", s->a, N);
    place(out, "arena", f(out, "X: f32[%d, %d]", s->a, N), 0);
    place(out, "arena", f(out, "Xt: f32[%d, %d] layout (d0/48, d1, d0%%48)", s->a, N), 1);
    text_printf(out,
                "  kernel batch(images: u8[?, %d], pick: i32[%d]) -> (X: f32[%d, %d], Xt: f32[%d, %d]"
                " layout (d0/48, d1, d0%%48)) {\n"
                "    let p[k < %d, m < %d] = fma(f32(images[pick[m], k]), 0.0123, -0.42)\n"
                "    X[k, m] = p[k, m]\n    Xt[k, m] = p[k, m]\n  }\n  call batch(images, pick, X, Xt)\n}\n",
                s->a, N, s->a, N, s->a, N, s->a, N);
}

/* the whole loss of kernel-ir.md: c classes, weights, smoothing, ignored targets */
static void loss(struct text *out, const struct shape *s)
{
    int N = s->capacity, C = s->c;
    begin(out, s, 5);
    text_printf(out, "  data t: i32[%d] slot 0\n", N);
    place(out, "state", f(out, "Z: f32[%d, %d]", C, N), 0);
    text_printf(out, "  const w: f32[%d] = [", C);
    for (int c = 0; c < C; c++)
        text_printf(out, "%s%d.25", c ? ", " : "", c);
    text_add(out, "]\n");
    place(out, "arena", "D: f32[]", 1);
    place(out, "arena", f(out, "L: f32[%d]", N), 2);
    place(out, "arena", "loss: f32[]", 3);
    place(out, "arena", f(out, "dZ: f32[%d, %d]", C, N), 4);
    text_printf(out,
                "  kernel loss(Z: f32[%d, %d], t: i32[%d], w: f32[%d], live: i32 <= %d) -> (D: f32[], L: f32[%d],"
                " loss: f32[], dZ: f32[%d, %d]) {\n"
                "    let top[m < %d] = max_at(c < %d: Z[c, m])\n"
                "    let j[m < %d] = position(max_at(c < %d: Z[c, m]))\n"
                "    let r[m < %d] = sum(c < %d | 0 <= c < %d from 0.0:"
                " select(c != j[m], exp(Z[c, m] - top[m]), 0.0))\n"
                "    let ls[m < %d] = log1p(r[m])\n"
                "    let p[c < %d, m < %d] = exp(Z[c, m] - top[m]) / (1.0 + r[m])\n"
                "    let a[m < %d] = where(t[m] != 2: w[t[m]]; 0.0)\n"
                "    D = sum.tree(m < live: a[m])\n"
                "    L[m] = where(t[m] != 2: a[m] * (ls[m] - (Z[t[m], m] - top[m])); 0.0)\n"
                "    loss = where(D > 0.0: sum.tree(m < live: L[m]) / D; 0.0)\n"
                "    dZ[c, m] = select(t[m] != 2 && D > 0.0,"
                " a[m] * select(c == t[m], p[c, m] - 1.0, p[c, m]) / D, 0.0)\n"
                "  }\n  call loss(Z, t, w, D, L, loss, dZ, live = live)\n}\n",
                C, N, N, C, N, N, C, N, N, C, N, C, N, C, C, N, C, N, N);
}

/* Activations in panels with the features in the lanes: the last panel is short, and stored across its lanes;
 * vectors may be wider than a panel. */
static void transposed(struct text *out, const struct shape *s)
{
    int N = s->capacity, A = s->a, B = s->a + 16;
    begin(out, s, 7);
    place(out, "state", f(out, "X: f32[%d, %d]", A, N), 0);
    place(out, "state", f(out, "Z: f32[%d, %d]", B, N), 1);
    place(out, "arena", f(out, "P: f32[8, 8, %d] layout (d1, d2, d0)", N), 5);
    place(out, "arena", f(out, "Q: f32[8, 8, %d] layout (d0, d2, d1)", N), 6);
    place(out, "arena", f(out, "Xt: f32[%d, %d] layout (d1, d0)", A, N), 2);
    place(out, "arena", f(out, "Zt: f32[%d, %d] layout (d0/48, d1, d0%%48)", B, N), 3);
    place(out, "arena", f(out, "Zn: f32[%d, %d] layout (d0/8, d1, d0%%8)", B, N), 4);
    text_printf(out,
                "  kernel x.t(X: f32[%d, %d]) -> (Xt: f32[%d, %d] layout (d1, d0)) {\n    Xt[n, m] = X[n, m]\n  }\n"
                "  kernel z.t(Z: f32[%d, %d]) -> (Zt: f32[%d, %d] layout (d0/48, d1, d0%%48)) {\n"
                "    Zt[n, m] = Z[n, m] * 2.0\n  }\n"
                "  kernel z.n(Z: f32[%d, %d]) -> (Zn: f32[%d, %d] layout (d0/8, d1, d0%%8)) {\n"
                "    Zn[n, m] = Z[n, m] * 3.0\n  }\n"
                "  kernel both(Z: f32[%d, %d]) -> (P: f32[8, 8, %d] layout (d1, d2, d0), " /* by eights */
                "Q: f32[8, 8, %d] layout (d0, d2, d1)) {\n"
                "    P[a, c, m] = Z[0, m]\n    Q[a, c, m] = Z[0, m]\n"
                "    schedule lanes m 8; tile a 8, c 4, m 8; order a, c, m\n  }\n"
                "  call x.t(X, Xt)\n  call z.t(Z, Zt)\n  call z.n(Z, Zn)\n  call both(Z, P, Q)\n}\n",
                A, N, A, N, B, N, B, N, B, N, B, N, B, N, N, N);
}

/* Kernels that no network makes, one for each way in which a value could be found again where it must not be. */
static void reuse(struct text *out, const struct shape *s)
{
    begin(out, s, 9);
    text_add(out, "  data t: i32[64] slot 0\n  data u: i32[64] slot 1\n");
    place(out, "state", "x: f32[40]", 0);
    place(out, "state", "x2: f32[40, 3]", 1);
    place(out, "arena", "y: f32[40]", 2);
    place(out, "arena", "z: f32[40]", 3);
    place(out, "arena", "d: f32[]", 4);
    place(out, "arena", "e: f32[]", 5);
    place(out, "arena", "w: f32[64]", 6);
    place(out, "arena", "q: f32[64]", 7);
    place(out, "arena", "p: f32[64]", 8);
    text_add(out, "  kernel let.after.store(X: f32[40]) -> (Y: f32[40], Z: f32[40], D: f32[], E: f32[]) {\n"
                  "    Y[n] = X[n] * 2.0\n    let g[n < 40] = Y[n] + 1.0\n"
                  "    let h[n < 40] = sum(k < 3 from 0.0: g[n] * f32(k))\n    Z[n] = h[n]\n"
                  "    D = sum(k < 40 from 0.0: X[k])\n    let i = D + 1.0\n"
                  "    let j = sum(k < 3 from 0.0: i * f32(k))\n    E = j + 1.0\n  }\n"
                  "  kernel two.masks(X: f32[40, 3], T: i32[64], U: i32[64]) -> (Y: f32[64]) {\n"
                  "    let s[i < 40] = sum(k < 3 from 0.0: X[i, k])\n"
                  "    Y[m] = where(U[m] > 0: s[T[m]]; 0.0) + where(U[m] <= 0: s[T[m]]; 0.0)\n  }\n"
                  "  kernel masked.tree(X: f32[40], T: i32[64], U: i32[64]) -> (Y: f32[64]) {\n"
                  "    Y[n] = where(T[n] > 0: sum.tree(m < 40: X[U[m]]); 0.0)\n  }\n"
                  "  kernel masked.sum(X: f32[40], T: i32[64], U: i32[64]) -> (Y: f32[64]) {\n"
                  "    Y[n] = where(T[n] > 0: sum(m < 40 from 0.0: X[U[m]]); 0.0)\n  }\n"
                  "  call let.after.store(x, y, z, d, e)\n  call two.masks(x2, t, u, w)\n"
                  "  call masked.tree(x, t, u, q)\n  call masked.sum(x, t, u, p)\n}\n");
}

/* A nest that reads what the one before it wrote, with a schedule that would let threads run ahead. */
static void dependent(struct text *out, const struct shape *s)
{
    begin(out, s, 3);
    place(out, "state", "x: f32[100]", 0);
    place(out, "arena", "y: f32[100]", 1);
    place(out, "arena", "z: f32[100]", 2);
    text_add(out, "  kernel k(X: f32[100]) -> (Y: f32[100], Z: f32[100]) {\n    Y[n] = X[n] * 2.0\n"
                  "    Z[n] = sum(k < 100 from 0.0: Y[k]) + X[n]\n    schedule parallel n\n  }\n"
                  "  call k(x, y, z)\n}\n");
}

/* A loss by probabilities: every let with a sum is read first in the terms of another sum. */
void family_probabilities(struct text *out, const struct shape *s)
{
    int N = s->capacity, C = s->c;
    begin(out, s, 3);
    place(out, "state", f(out, "Z: f32[%d, %d]", C, N), 0);
    place(out, "state", f(out, "T: f32[%d, %d]", C, N), 1);
    place(out, "arena", f(out, "L: f32[%d]", N), 2);
    text_printf(out,
                "  kernel loss(Z: f32[%d, %d], T: f32[%d, %d]) -> (L: f32[%d]) {\n"
                "    let top[m < %d] = max_at(c < %d: Z[c, m])\n"
                "    let r[m < %d] = sum(c < %d from 0.0: exp(Z[c, m] - top[m]))\n"
                "    let p[c < %d, m < %d] = exp(Z[c, m] - top[m]) / r[m]\n"
                "    L[m] = sum(c < %d from 0.0: select(T[c, m] == 0.0, 0.0, T[c, m] * p[c, m]))\n"
                "  }\n  call loss(Z, T, L)\n}\n",
                C, N, C, N, N, N, C, N, C, C, N, C);
}

const struct family families[] = {
    {"linear", linear},       {"linear_dx", linear_dx},     {"linear_update", linear_update},
    {"linear_db", linear_db}, {"conv_pool", conv_pool},     {"conv_padded", conv_padded},
    {"conv_dw", conv_dw},     {"unpool", unpool},           {"gather", gather},
    {"loss", loss},           {"reuse", reuse},             {"dependent", dependent},
    {"probabilities", family_probabilities}, {"conv_dw_padded", conv_dw_padded},
    {"transposed", transposed}, {"zeros", family_zeros},       {"zeros_conv", family_zeros_conv},
};
const int family_count = sizeof families / sizeof *families;
