/* The rules of arithmetic of docs/ir.md, each against its plain meaning. */
#include "test_kernel.h"

#include <math.h>
#include <string.h>

static float element(const void *context, int64_t m)
{
    return ((const float *)context)[m];
}

/* ---- sums over the batch ---- */

/* along: neighbours are results; across: neighbours are examples. Both are ways through the interpreter. */
static const char tree_text[] =
    "program @tree {\n"
    "  arith fma\n"
    "  scalar live: i32 <= 611\n"
    "  data a: f32[611, 37] slot 0\n"
    "  data b: f32[37, 611] slot 1\n"
    "  arena along: f32[37] at 0\n"
    "  arena across: f32[37] at 256\n"
    "  arena one: f32[] at 512\n"
    "  kernel tree(A: f32[611, 37], B: f32[37, 611], live: i32 <= 611) ->\n"
    "      (along: f32[37], across: f32[37], one: f32[]) {\n"
    "    along[n] = sum.tree(m < live: A[m, n])\n"
    "    across[n] = sum.tree(m < live: B[n, m])\n"
    "    one = sum.tree(m < live: A[m, 36])\n"
    "  }\n"
    "  call tree(a, b, along, across, one, live = live)\n"
    "}\n";

static void tree_order(void)
{
    static const int lives[] = {1, 2, 7, 15, 16, 17, 31, 33, 48, 64, 65, 100, 255, 256, 257, 300, 511, 513, 611};
    struct bench b;
    bench_open_text(&b, tree_text, 0);
    bench_fill(&b, "a");
    for (int m = 0; m < 611; m++)
        for (int n = 0; n < 37; n++)
            F(&b, "b", n, m) = F(&b, "a", m, n);
    for (size_t i = 0; i < sizeof lives / sizeof *lives; i++) {
        bench_set_i(&b, "live", lives[i]);
        bench_run(&b);
        for (int n = 0; n < 37; n++) {
            float column[611];
            for (int m = 0; m < 611; m++)
                column[m] = F(&b, "a", m, n);
            float expected = reference_tree(element, column, lives[i]);
            CHECK_SAME(F(&b, "along", n), expected);
            CHECK_SAME(F(&b, "across", n), expected);
            if (n == 36)
                CHECK_SAME(F(&b, "one", 0), expected);
        }
    }
    bench_close(&b);
}

/* A sum of nothing but -0 is -0; padding must not turn it into +0. */
static void tree_of_negative_zeros(void)
{
    struct bench b;
    bench_open_text(&b, tree_text, 0);
    for (int m = 0; m < 611; m++)
        for (int n = 0; n < 37; n++)
            F(&b, "a", m, n) = F(&b, "b", n, m) = -0.0f;
    bench_set_i(&b, "live", 19);
    bench_run(&b);
    CHECK_SAME(F(&b, "along", 3), -0.0f);
    CHECK_SAME(F(&b, "across", 3), -0.0f);
    bench_close(&b);
}

static float blocks_reference(struct bench *b, int n, int k, int first, int blocks, int live, bool muladd)
{
    if (blocks > 1) {
        float left = blocks_reference(b, n, k, first, blocks / 2, live, muladd);
        return left + blocks_reference(b, n, k, first + blocks / 2, blocks / 2, live, muladd);
    }
    float acc = 0;
    if (first * 64 >= live)
        return -0.0f;
    for (int m = first * 64; m < live && m < first * 64 + 64; m++) {
        float x = F(b, "a", m, n), y = F(b, "b", m, k);
        acc = muladd ? acc + x * y : fmaf(x, y, acc);
    }
    return acc;
}

static const char blocks_text[] =
    "program @blocks {\n"
    "  arith %s\n"
    "  scalar live: i32 <= 450\n"
    "  data a: f32[450, 3] slot 0\n"
    "  data b: f32[450, 19] slot 1\n"
    "  arena g: f32[3, 19] at 0\n"
    "  arena h: f32[3, 19] at 256\n"
    "  kernel blocks(A: f32[450, 3], B: f32[450, 19], live: i32 <= 450) -> (G: f32[3, 19], H: f32[3, 19]) {\n"
    "    G[n, k] = sum.blocks(m < live: A[m, n], B[m, k])\n"
    "    H[n, k] = sum.blocks(m < live: 1.0 * A[m, n], B[m, k])\n" /* not the fast way */
    "  }\n"
    "  call blocks(a, b, g, h, live = live)\n"
    "}\n";

static void check_blocks(bool muladd)
{
    static const int lives[] = {1, 63, 64, 65, 128, 130, 200, 320, 449, 450};
    struct bench b;
    char text[2000];
    snprintf(text, sizeof text, blocks_text, muladd ? "muladd" : "fma");
    bench_open_text(&b, text, 0);
    bench_fill(&b, "a");
    bench_fill(&b, "b");
    for (size_t i = 0; i < sizeof lives / sizeof *lives; i++) {
        bench_set_i(&b, "live", lives[i]);
        bench_run(&b);
        for (int n = 0; n < 3; n++) {
            for (int k = 0; k < 19; k++) {
                float expected = blocks_reference(&b, n, k, 0, 8, lives[i], muladd);
                CHECK_SAME(F(&b, "g", n, k), expected);
                CHECK_SAME(F(&b, "h", n, k), expected);
            }
        }
    }
    bench_close(&b);
}

static void blocks_order(void)
{
    check_blocks(false);
    check_blocks(true);
}

/* ---- sequential sums ---- */

static void sums_are_sequential(void)
{
    struct bench b;
    bench_open_text(&b,
                    "program @sums {\n"
                    "  arith fma\n"
                    "  scalar n: i32 <= 9\n"
                    "  data a: f32[9, 5, 600] slot 0\n"
                    "  arena s: f32[600] at 0\n"
                    "  arena f: f32[600] at 2432\n"
                    "  kernel sums(A: f32[9, 5, 600], n: i32 <= 9) -> (S: f32[600], G: f32[600]) {\n"
                    "    S[m] = sum(i < n, j < 5 from 0.25: A[i, j, m])\n"
                    "    G[m] = sum.fma(i < n, j < 5 | 0 <= i - j < 3 from A[0, 0, m]: A[i, j, m], A[i - j, 2, m])\n"
                    "  }\n"
                    "  call sums(a, s, f, n = n)\n"
                    "}\n",
                    0);
    bench_fill(&b, "a");
    for (int n = 1; n <= 9; n += 4) {
        bench_set_i(&b, "n", n);
        bench_run(&b);
        for (int m = 0; m < 600; m++) {
            float s = 0.25f, f = F(&b, "a", 0, 0, m);
            for (int i = 0; i < n; i++)
                for (int j = 0; j < 5; j++) {
                    s += F(&b, "a", i, j, m);
                    if (i - j >= 0 && i - j < 3)
                        f = fmaf(F(&b, "a", i, j, m), F(&b, "a", i - j, 2, m), f);
                }
            CHECK_SAME(F(&b, "s", m), s);
            CHECK_SAME(F(&b, "f", m), f);
        }
    }
    bench_close(&b);
}

/* Conditions that depend on the index that runs, as sums and as quotients, and on data. */
static void conditions_along_the_run(void)
{
    struct bench b;
    bench_open_text(&b,
                    "program @conditions {\n"
                    "  arith fma\n"
                    "  data a: f32[300] slot 0\n"
                    "  data t: i32[300] slot 1\n"
                    "  arena y: f32[300] at 0\n"
                    "  arena z: f32[300] at 1216\n"
                    "  kernel c(A: f32[300], t: i32[300]) -> (Y: f32[300], Z: f32[300]) {\n"
                    "    Y[x] = sum(k < 7 | 0 <= x + 1 - 3 * k < 280, 0 <= 2 * k - x / 2 + 100 < 90 from 0.0:\n"
                    "      A[x + 1 - 3 * k])\n"
                    "    Z[x] = sum.fma(k < 3 | 0 <= 4 - 2 * x + 100 * k < 150, 0 <= t[x] - k < 2 from 1.0:\n"
                    "      A[x], A[k])\n"
                    "  }\n"
                    "  call c(a, t, y, z)\n"
                    "}\n",
                    0);
    bench_fill(&b, "a");
    for (int x = 0; x < 300; x++)
        I(&b, "t", x) = bench_random_below(&b, 5) - 1;
    bench_run(&b);
    for (int x = 0; x < 300; x++) {
        float y = 0, z = 1;
        for (int k = 0; k < 7; k++)
            if (x + 1 - 3 * k >= 0 && x + 1 - 3 * k < 280 && 2 * k - x / 2 + 100 >= 0 && 2 * k - x / 2 + 100 < 90)
                y += F(&b, "a", x + 1 - 3 * k);
        for (int k = 0; k < 3; k++)
            if (4 - 2 * x + 100 * k >= 0 && 4 - 2 * x + 100 * k < 150 && I(&b, "t", x) - k >= 0 &&
                I(&b, "t", x) - k < 2)
                z = fmaf(F(&b, "a", x), F(&b, "a", k), z);
        CHECK_SAME(F(&b, "y", x), y);
        CHECK_SAME(F(&b, "z", x), z);
    }
    bench_close(&b);
}

/* ---- maxima ---- */

static void max_at_rules(void)
{
    static const struct {
        float value[4], best, best_from;
        int at, at_from;
    } cases[] = {
        {{1, 3, 2, 3}, 3, 3, 1, 1},                       /* the first of equals */
        {{-1, -3, -2, -3}, -1, 0, 0, 4},                  /* from wins: position is their number */
        {{0, 0, -1, -1}, 0, 0, 0, 4},                     /* from wins against equals */
        {{-0.0f, 0.0f, -1, -1}, -0.0f, 0, 0, 4},          /* +0 does not beat -0 */
        {{0.0f, -0.0f, -1, -1}, 0.0f, 0, 0, 4},
        {{1, NAN, 5, NAN}, NAN, NAN, 1, 1},               /* a NaN beats numbers, the first stays */
        {{NAN, 7, 7, 7}, NAN, NAN, 0, 0},
        {{-INFINITY, -INFINITY, -INFINITY, -INFINITY}, -INFINITY, 0, 0, 4},
        {{1, 2, 3, INFINITY}, INFINITY, INFINITY, 3, 3},
    };
    struct bench b;
    bench_open_text(&b,
                    "program @maxima {\n"
                    "  arith fma\n"
                    "  scalar n: i32 <= 2\n"
                    "  data a: f32[2, 2, 9] slot 0\n"
                    "  arena best: f32[9] at 0\n"
                    "  arena at: i32[9] at 64\n"
                    "  arena fbest: f32[9] at 128\n"
                    "  arena fat: u8[9] at 192\n"
                    "  arena half: i32[9] at 256\n"
                    "  arena none: f32[9] at 320\n"
                    "  arena nat: i32[9] at 384\n"
                    "  kernel m(A: f32[2, 2, 9], n: i32 <= 2) -> (best: f32[9], at: i32[9], fbest: f32[9],\n"
                    "      fat: u8[9], half: i32[9], none: f32[9], nat: i32[9]) {\n"
                    "    best[x], at[x] = max_at(u < 2, v < 2: A[u, v, x])\n"
                    "    fbest[x], fat[x] = max_at(u < 2, v < 2 from 0.0: A[u, v, x])\n"
                    "    half[x] = position(max_at(v < 2, u < n: A[u, v, x]))\n"
                    "    none[x], nat[x] = max_at(u < 2, v < 2 | 0 <= u - v - 5 < 2: A[u, v, x])\n"
                    "  }\n"
                    "  call m(a, best, at, fbest, fat, half, none, nat, n = n)\n"
                    "}\n",
                    0);
    for (int x = 0; x < 9; x++)
        for (int i = 0; i < 4; i++)
            F(&b, "a", i / 2, i % 2, x) = cases[x].value[i];
    bench_set_i(&b, "n", 1);
    bench_run(&b);
    for (int x = 0; x < 9; x++) {
        CHECK_SAME(F(&b, "best", x), cases[x].best);
        CU_ASSERT_EQUAL(I(&b, "at", x), cases[x].at);
        CHECK_SAME(F(&b, "fbest", x), cases[x].best_from);
        CU_ASSERT_EQUAL(U(&b, "fat", x), cases[x].at_from);
        const float *v = cases[x].value; /* u is always 0 below n = 1, but positions count its full extent */
        bool second = v[0] < v[1] || (isnan(v[1]) && !isnan(v[0]));
        CU_ASSERT_EQUAL(I(&b, "half", x), second ? 2 : 0);
        CHECK_SAME(F(&b, "none", x), -INFINITY);
        CU_ASSERT_EQUAL(I(&b, "nat", x), 4);
    }
    bench_close(&b);
}

static void max_rules(void)
{
    static const float values[] = {0.0f, -0.0f, 1, -1, INFINITY, -INFINITY, NAN, 0x1p-149f};
    enum { COUNT = sizeof values / sizeof *values };
    struct bench b;
    bench_open_text(&b,
                    "program @max {\n"
                    "  data a: f32[8] slot 0\n"
                    "  arena y: f32[8, 8] at 0\n"
                    "  kernel m(A: f32[8]) -> (Y: f32[8, 8]) {\n"
                    "    Y[i, j] = max(A[i], A[j])\n"
                    "  }\n"
                    "  call m(a, y)\n"
                    "}\n",
                    0);
    for (int i = 0; i < COUNT; i++)
        F(&b, "a", i) = values[i];
    bench_run(&b);
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < COUNT; j++) {
            float p = values[i], q = values[j];
            CHECK_SAME(F(&b, "y", i, j), isnan(p) ? p : isnan(q) ? q : p < q ? q : p);
        }
    bench_close(&b);
}

/* ---- operators ---- */

static void muladd_rounds_twice(void)
{
    static const char *const text = "program @two {\n"
                                    "  arith %s\n"
                                    "  data a: f32[99] slot 0\n"
                                    "  arena y: f32[99] at 0\n"
                                    "  arena s: f32[] at 448\n"
                                    "  kernel k(A: f32[99]) -> (Y: f32[99], S: f32[]) {\n"
                                    "    Y[i] = fma(A[i], A[98 - i], A[50])\n"
                                    "    S = sum.fma(i < 99 from 0.0: A[i], A[98 - i])\n"
                                    "  }\n"
                                    "  call k(a, y, s)\n"
                                    "}\n";
    int differ = 0;
    float results[2][99];
    for (int muladd = 0; muladd < 2; muladd++) {
        struct bench b;
        char buffer[1000];
        snprintf(buffer, sizeof buffer, text, muladd ? "muladd" : "fma");
        bench_open_text(&b, buffer, 0);
        bench_fill(&b, "a");
        bench_run(&b);
        float s = 0;
        for (int i = 0; i < 99; i++) {
            float p = F(&b, "a", i), q = F(&b, "a", 98 - i);
            CHECK_SAME(F(&b, "y", i), muladd ? p * q + F(&b, "a", 50) : fmaf(p, q, F(&b, "a", 50)));
            s = muladd ? p * q + s : fmaf(p, q, s);
            results[muladd][i] = F(&b, "y", i);
        }
        CHECK_SAME(F(&b, "s", 0), s);
        bench_close(&b);
    }
    for (int i = 0; i < 99; i++)
        differ += !same_f32(results[0][i], results[1][i]);
    CU_ASSERT(differ > 0);
}

static void integer_operators(void)
{
    static const int32_t values[] = {0, 1, -1, 7, 255, 256, -300, INT32_MAX, INT32_MIN, 123456789};
    struct bench b;
    bench_open_text(&b,
                    "program @integers {\n"
                    "  data a: i32[10] slot 0\n"
                    "  data small: u8[10] slot 1\n"
                    "  arena y: i32[10, 12] at 0\n"
                    "  arena byte: u8[10] at 512\n"
                    "  arena f: f32[10] at 576\n"
                    "  arena sum: i32[] at 640\n"
                    "  arena tree: i32[] at 644\n"
                    "  kernel k(A: i32[10], u: u8[10]) ->\n"
                    "      (Y: i32[10, 12], byte: u8[10], f: f32[10], s: i32[], t: i32[]) {\n"
                    "    let r[i < 10, c < 12] = select(c == 0, A[i] + A[9 - i], select(c == 1, A[i] - A[9 - i],\n"
                    "      select(c == 2, A[i] * A[9 - i], select(c == 3, A[i] << 5, select(c == 4, A[i] >> 5,\n"
                    "      select(c == 5, A[i] >>> 5, select(c == 6, A[i] & A[9 - i], select(c == 7, A[i] | A[9 - i],\n"
                    "      select(c == 8, A[i] ^ A[9 - i], select(c == 9, abs(A[i]), select(c == 10, -A[i],\n"
                    "      max(A[i], A[9 - i]))))))))))))\n"
                    "    Y[i, c] = r[i, c]\n"
                    "    byte[i] = A[i]\n"
                    "    f[i] = f32(A[i]) + f32(i32(u[i]) / 3 + i32(u[i]) % 3) + f32(A[i] < 0)\n"
                    "    s = sum(i < 10 from 5: A[i])\n"
                    "    t = sum.tree(i < 10: A[i])\n"
                    "  }\n"
                    "  call k(a, small, y, byte, f, sum, tree)\n"
                    "}\n",
                    0);
    uint32_t sum = 0;
    for (int i = 0; i < 10; i++) {
        I(&b, "a", i) = values[i];
        U(&b, "small", i) = (uint8_t)(i * 28);
        sum += (uint32_t)values[i];
    }
    bench_run(&b);
    for (int i = 0; i < 10; i++) {
        uint32_t p = (uint32_t)values[i], q = (uint32_t)values[9 - i];
        const uint32_t expected[] = {p + q,
                                     p - q,
                                     p * q,
                                     p << 5,
                                     (uint32_t)(values[i] >> 5),
                                     p >> 5,
                                     p & q,
                                     p | q,
                                     p ^ q,
                                     values[i] < 0 ? 0 - p : p,
                                     0 - p,
                                     (uint32_t)(values[i] < values[9 - i] ? values[9 - i] : values[i])};
        for (int c = 0; c < 12; c++)
            CU_ASSERT_EQUAL(I(&b, "y", i, c), (int32_t)expected[c]);
        CU_ASSERT_EQUAL(U(&b, "byte", i), (uint8_t)p);
        int u = i * 28;
        CHECK_SAME(F(&b, "f", i), (float)values[i] + (float)(u / 3 + u % 3) + (float)(values[i] < 0));
    }
    CU_ASSERT_EQUAL(I(&b, "sum", 0), (int32_t)(sum + 5));
    CU_ASSERT_EQUAL(I(&b, "tree", 0), (int32_t)sum);
    bench_close(&b);
}

/* The arm that is not chosen, and the right side of a decided && or ||, is not read: the indices would be far outside
 * (the interpreter asserts that indirect ones are inside). */
static void guards_guard(void)
{
    struct bench b;
    bench_open_text(&b,
                    "program @guards {\n"
                    "  data a: f32[5] slot 0\n"
                    "  data t: i32[40] slot 1\n"
                    "  arena y: f32[40] at 0\n"
                    "  arena z: f32[40] at 192\n"
                    "  kernel k(A: f32[5], t: i32[40]) -> (Y: f32[40], Z: f32[40]) {\n"
                    "    Y[m] = where(t[m] >= 0: A[t[m]]; where(m < 5: A[m]; -1.0))\n"
                    "    Z[m] = select(t[m] >= 0 && A[t[m]] > 0.0, 1.0, select(t[m] < 0 || A[t[m]] > -0.5, 2.0, 3.0))\n"
                    "  }\n"
                    "  call k(a, t, y, z)\n"
                    "}\n",
                    0);
    bench_fill(&b, "a");
    for (int m = 0; m < 40; m++)
        I(&b, "t", m) = bench_random_below(&b, 2) ? bench_random_below(&b, 5) : -1000000000;
    bench_run(&b);
    for (int m = 0; m < 40; m++) {
        int t = I(&b, "t", m);
        CHECK_SAME(F(&b, "y", m), t >= 0 ? F(&b, "a", t) : m < 5 ? F(&b, "a", m) : -1.0f);
        CHECK_SAME(F(&b, "z", m), t >= 0 && F(&b, "a", t) > 0            ? 1.0f
                                  : t < 0 || F(&b, "a", t) > -0.5f ? 2.0f
                                                                  : 3.0f);
    }
    bench_close(&b);
}

/* A let has its value at its definition, a load behind a store the new one. */
static void lets_keep_their_values(void)
{
    struct bench b;
    bench_open_text(&b,
                    "program @lets {\n"
                    "  state v: f32[3, 70] at 0\n"
                    "  state w: f32[3, 70] layout (d1/16, d0, d1%16) at 896\n"
                    "  arena old: f32[3, 70] at 1920\n"
                    "  kernel k(inout V: f32[3, 70], inout W: f32[3, 70] layout (d1/16, d0, d1%16)) ->\n"
                    "      (old: f32[3, 70]) {\n"
                    "    let before[n < 3, k < 70] = V[n, k]\n"
                    "    let twice[k < 70, n < 3] = before[n, k] + W[n, k]\n"
                    "    V[n, k] = V[n, k] * 3.0\n"
                    "    W[n, k] = V[n, k] + twice[k, n]\n"
                    "    old[n, k] = before[n, k] + W[n, k]\n"
                    "  }\n"
                    "  call k(v, w, old)\n"
                    "}\n",
                    0);
    float v[3][70], w[3][70];
    bench_fill(&b, "v");
    bench_fill(&b, "w");
    for (int n = 0; n < 3; n++)
        for (int k = 0; k < 70; k++) {
            v[n][k] = F(&b, "v", n, k);
            w[n][k] = F(&b, "w", n, k);
        }
    bench_run(&b);
    for (int n = 0; n < 3; n++)
        for (int k = 0; k < 70; k++) {
            float w_new = v[n][k] * 3.0f + (v[n][k] + w[n][k]);
            CHECK_SAME(F(&b, "v", n, k), v[n][k] * 3.0f);
            CHECK_SAME(F(&b, "w", n, k), w_new);
            CHECK_SAME(F(&b, "old", n, k), v[n][k] + w_new);
        }
    bench_close(&b);
}

CU_ErrorCode add_arithmetic_tests(void)
{
    CU_TestInfo tests[] = {{"tree order", tree_order},
                           {"tree of negative zeros", tree_of_negative_zeros},
                           {"blocks order", blocks_order},
                           {"sums are sequential", sums_are_sequential},
                           {"conditions along the run", conditions_along_the_run},
                           {"max_at rules", max_at_rules},
                           {"max rules", max_rules},
                           {"muladd rounds twice", muladd_rounds_twice},
                           {"integer operators", integer_operators},
                           {"guards guard", guards_guard},
                           {"lets keep their values", lets_keep_their_values},
                           CU_TEST_INFO_NULL};
    CU_SuiteInfo suites[] = {{"arithmetic", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
    return CU_register_suites(suites);
}
