/* The kernels of both seed models, by hand in cases/, against plain C, bit for bit. */
#include "test_kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void linear(void)
{
    struct bench b;
    bench_open_case(&b, "linear", 0);
    bench_fill(&b, "x");
    bench_fill(&b, "l1.weight");
    bench_fill(&b, "l1.bias");
    bench_run(&b);
    for (int n = 0; n < 7; n++)
        for (int m = 0; m < 16; m++) {
            float acc = F(&b, "l1.bias", n);
            for (int k = 0; k < 13; k++)
                acc = fmaf(F(&b, "l1.weight", n, k), F(&b, "x", k, m), acc);
            CHECK_SAME(F(&b, "y", n, m), acc < 0 ? 0 : acc);
        }
    bench_close(&b);
}

/* What is in the list ascending, behind its length; what is not descending. */
static void list(void)
{
    struct bench b;
    bench_open_case(&b, "list", 0);
    bench_fill(&b, "x");
    for (int m = 0; m < 7; m++)
        for (int k = 0; k < 5; k++)
            if ((m * 5 + k) % 3 == 0 || m == 2)
                F(&b, "x", m, k) = 0;
    for (int live = 1; live <= 7; live += 3) {
        bench_set_i(&b, "live", live);
        bench_run(&b);
        for (int m = 0; m < 7; m++) {
            int members = 0, others = 5;
            float sum = 0;
            for (int k = 0; k < 5; k++) {
                bool in = F(&b, "x", m, k) != 0;
                CU_ASSERT_EQUAL(I(&b, "rows", m, in ? ++members : others--), k);
                sum += F(&b, "x", m, k);
            }
            CU_ASSERT_EQUAL(I(&b, "rows", m, 0), members);
            CHECK_SAME(F(&b, "s", m), sum);
        }
        int members = 0, others = 7;
        for (int m = 0; m < 7; m++)
            CU_ASSERT_EQUAL(I(&b, "all", m < live && F(&b, "x", m, 0) > 0 ? ++members : others--), m);
        CU_ASSERT_EQUAL(I(&b, "all", 0), members);
    }
    bench_close(&b);
}

static void linear_dx(void)
{
    struct bench b;
    bench_open_case(&b, "dx", 0);
    bench_fill(&b, "w");
    bench_fill(&b, "dy");
    bench_fill(&b, "y");
    bench_run(&b);
    for (int k = 0; k < 33; k++)
        for (int m = 0; m < 16; m++) {
            float acc = 0;
            for (int n = 0; n < 17; n++)
                acc = fmaf(F(&b, "w", n, k), F(&b, "dy", n, m), acc);
            CHECK_SAME(F(&b, "dx", k, m), F(&b, "y", k, m) > 0 ? acc : 0);
        }
    bench_close(&b);
}

/* Blocks of 64, three at most here: (b0 + b1) + (b2 + -0). */
static float blocks_of(struct bench *b, int n, int k, int live)
{
    float part[4] = {-0.0f, -0.0f, -0.0f, -0.0f};
    for (int m = 0; m < live; m++) {
        float *acc = &part[m / 64];
        *acc = fmaf(F(b, "dy", n, m), F(b, "xt", m, k), m % 64 == 0 ? 0.0f : *acc);
    }
    return (part[0] + part[1]) + (part[2] + part[3]);
}

struct row {
    struct bench *b;
    int n;
};

static float dy_of(const void *context, int64_t m)
{
    const struct row *row = context;
    return F(row->b, "dy", row->n, m);
}

static void check_update(int live, bool first)
{
    const float lr = 0.01f, mu = 0.9f, wd = 0.125f, damp = 0.25f;
    static float w[7][52], v[7][52], bias[7];
    struct bench b;
    bench_open_case(&b, "update", 0);
    static const char *const filled[] = {"dy", "xt", "l1.weight", "l1.weight.momentum", "l1.bias"};
    for (size_t i = 0; i < sizeof filled / sizeof *filled; i++)
        bench_fill(&b, filled[i]);
    for (int m = 0; m < 160; m++) {
        F(&b, "dy", 4, m) = 0; /* a dead unit: momentum decays into denormals and is clamped */
        if (m < 52) {
            F(&b, "l1.weight", 4, m) = 0;
            F(&b, "l1.weight.momentum", 4, m) = m % 2 ? 0x1.0p-100f : 0x1.2p-100f;
        }
    }
    for (int n = 0; n < 7; n++) {
        bias[n] = F(&b, "l1.bias", n);
        for (int k = 0; k < 52; k++) {
            w[n][k] = F(&b, "l1.weight", n, k);
            v[n][k] = F(&b, "l1.weight.momentum", n, k);
        }
    }
    bench_set_i(&b, "live", live);
    bench_set_i(&b, "first", first);
    bench_set_f(&b, "lr", lr);
    bench_set_f(&b, "mu", mu);
    bench_set_f(&b, "wd", wd);
    bench_set_f(&b, "damp", damp);
    bench_run(&b);
    for (int n = 0; n < 7; n++) {
        for (int k = 0; k < 52; k++) {
            float h = fmaf(wd, w[n][k], blocks_of(&b, n, k, live));
            float next = first ? h : fmaf(mu, v[n][k], (1.0f - damp) * h);
            next = fabsf(next) < 0x1p-100f ? 0 : next;
            CHECK_SAME(F(&b, "l1.weight.momentum", n, k), next);
            CHECK_SAME(F(&b, "l1.weight", n, k), fmaf(-lr, next, w[n][k]));
        }
        CHECK_SAME(F(&b, "l1.bias", n), fmaf(-lr, reference_tree(dy_of, &(struct row){&b, n}, live), bias[n]));
    }
    if (!first) {
        CHECK_SAME(F(&b, "l1.weight.momentum", 4, 1), 0);
        CU_ASSERT(F(&b, "l1.weight.momentum", 4, 0) > 0);
    }
    bench_close(&b);
}

static void update(void)
{
    check_update(160, false);
    check_update(129, true);
    check_update(64, false);
    check_update(17, false);
    check_update(1, true);
}

static void convolution_and_pooling(void)
{
    struct bench b;
    bench_open_case(&b, "conv_pool", 0);
    bench_fill(&b, "x");
    bench_fill(&b, "conv1.weight");
    bench_fill(&b, "conv1.bias");
    bench_run(&b);
    for (int o = 0; o < 3; o++)
        for (int y = 0; y < 3; y++)
            for (int x = 0; x < 3; x++)
                for (int m = 0; m < 32; m++) {
                    float best = 0;
                    int at = 4;
                    for (int w = 0; w < 4; w++) {
                        float z = F(&b, "conv1.bias", o);
                        for (int c = 0; c < 2; c++)
                            for (int i = 0; i < 5; i++)
                                for (int j = 0; j < 5; j++)
                                    z = fmaf(F(&b, "conv1.weight", o, c, i, j),
                                             F(&b, "x", c, 2 * y + w / 2 + i, 2 * x + w % 2 + j, m), z);
                        if (best < z) {
                            best = z;
                            at = w;
                        }
                    }
                    CHECK_SAME(F(&b, "p", o, y, x, m), best);
                    CU_ASSERT_EQUAL(U(&b, "at", o, y, x, m), at);
                }
    bench_close(&b);
}

struct weight {
    struct bench *b;
    int o, c, i, j;
};

static float dz_at(struct bench *b, int o, int y, int x, int64_t m)
{
    bool won = y / 2 < 3 && x / 2 < 3 && U(b, "at", o, y / 2, x / 2, m) == 2 * (y % 2) + x % 2;
    return won ? F(b, "dp", o, y / 2, x / 2, m) : 0;
}

static float weight_term(const void *context, int64_t m)
{
    const struct weight *w = context;
    float acc = 0;
    for (int y = 0; y < 7; y++)
        for (int x = 0; x < 7; x++)
            acc = fmaf(dz_at(w->b, w->o, y, x, m), F(w->b, "x", w->c, y + w->i, x + w->j, m), acc);
    return acc;
}

static float bias_term(const void *context, int64_t m)
{
    const struct weight *w = context;
    float acc = 0;
    for (int y = 0; y < 3; y++)
        for (int x = 0; x < 3; x++)
            acc += F(w->b, "p", w->o, y, x, m) > 0 ? F(w->b, "dp", w->o, y, x, m) : 0;
    return acc;
}

static void convolution_update(void)
{
    static const char *const filled[] = {"dp", "p", "at", "x", "conv1.weight", "conv1.weight.momentum", "conv1.bias"};
    const float lr = 0.05f, mu = 0.9f;
    struct bench b;
    bench_open_case(&b, "conv_update", 0);
    for (size_t i = 0; i < sizeof filled / sizeof *filled; i++)
        bench_fill(&b, filled[i]);
    for (int i = 0; i < 3 * 3 * 3 * 32; i++)
        ((uint8_t *)b.data[2])[i] %= 5;
    bench_set_i(&b, "live", 27);
    bench_set_f(&b, "lr", lr);
    bench_set_f(&b, "mu", mu);
    bench_set_i(&b, "first", 0);
    float w[150], v[150], bias[3];
    memcpy(w, &F(&b, "conv1.weight", 0, 0, 0, 0), sizeof w);
    memcpy(v, &F(&b, "conv1.weight.momentum", 0, 0, 0, 0), sizeof v);
    memcpy(bias, &F(&b, "conv1.bias", 0), sizeof bias);
    bench_run(&b);
    for (int n = 0; n < 150; n++) {
        struct weight at = {&b, n / 50, n / 25 % 2, n / 5 % 5, n % 5};
        float next = fmaf(mu, v[n], reference_tree(weight_term, &at, 27));
        CHECK_SAME(F(&b, "conv1.weight.momentum", at.o, at.c, at.i, at.j), next);
        CHECK_SAME(F(&b, "conv1.weight", at.o, at.c, at.i, at.j), fmaf(-lr, next, w[n]));
        if (n % 50 == 0)
            CHECK_SAME(F(&b, "conv1.bias", at.o), fmaf(-lr, reference_tree(bias_term, &at, 27), bias[at.o]));
    }
    bench_close(&b);
}

static void convolution_dx(void)
{
    struct bench b;
    bench_open_case(&b, "conv_dx", 0);
    bench_fill(&b, "w");
    bench_fill(&b, "dz");
    bench_run(&b);
    for (int c = 0; c < 2; c++)
        for (int y = 0; y < 7; y++)
            for (int x = 0; x < 9; x++)
                for (int m = 0; m < 17; m++) {
                    float acc = 0;
                    for (int o = 0; o < 3; o++)
                        for (int p = 0; p < 4; p++)
                            for (int q = 0; q < 5; q++) {
                                int i = y + 1 - 2 * p, j = x + 1 - 2 * q;
                                if (i >= 0 && i < 3 && j >= 0 && j < 3)
                                    acc = fmaf(F(&b, "w", o, c, i, j), F(&b, "dz", o, p, q, m), acc);
                            }
                    CHECK_SAME(F(&b, "dx", c, y, x, m), acc);
                }
    bench_close(&b);
}

static void overlapping_pooling(void)
{
    struct bench b;
    bench_open_case(&b, "pool_overlap", 0);
    bench_fill(&b, "z");
    bench_fill(&b, "dp");
    bench_run(&b);
    static float dz[2][7][6][5];
    memset(dz, 0, sizeof dz);
    for (int o = 0; o < 2; o++)
        for (int y = 0; y < 4; y++)
            for (int x = 0; x < 4; x++)
                for (int m = 0; m < 5; m++) {
                    float best = -INFINITY;
                    int at = 9;
                    for (int w = 0; w < 9; w++) {
                        int i = 2 * y + w / 3 - 1, j = 2 * x + w % 3 - 1;
                        if (i < 0 || i >= 7 || j < 0 || j >= 6)
                            continue;
                        if (at == 9 || best < F(&b, "z", o, i, j, m)) {
                            best = F(&b, "z", o, i, j, m);
                            at = w;
                        }
                    }
                    CHECK_SAME(F(&b, "p", o, y, x, m), best);
                    CU_ASSERT_EQUAL(I(&b, "at", o, y, x, m), at);
                    /* windows are visited in the order in which the kernel sums them */
                    dz[o][2 * y + at / 3 - 1][2 * x + at % 3 - 1][m] += F(&b, "dp", o, y, x, m);
                }
    for (int o = 0; o < 2; o++)
        for (int y = 0; y < 7; y++)
            for (int x = 0; x < 6; x++)
                for (int m = 0; m < 5; m++)
                    CHECK_SAME(F(&b, "dz", o, y, x, m), dz[o][y][x][m]);
    bench_close(&b);
}

/* ---- a table that the text has ---- */

static void table(void)
{
    static const float w[] = {0.5f, 1.25f, -0.0f, 1e-20f, INFINITY, 0.1f, 0.2f, 0.3f, 0.7f, 1e20f, 3.4028235e38f,
                              1e-45f};
    struct bench b;
    bench_open_case(&b, "table", 0);
    for (int m = 0; m < 24; m++)
        I(&b, "t", m) = m % 5 == 4 ? -100 : m * 7 % 24;
    bench_run(&b);
    for (int m = 0; m < 24; m++) {
        int at = m * 7 % 24;
        CHECK_SAME(F(&b, "y", m), m % 5 == 4 ? -1 : at < 12 ? w[at] : (float)at);
    }
    CHECK_SAME(F(&b, "z", 0), INFINITY);
    CHECK_SAME(F(&b, "z", 1), 210);
    bench_close(&b);
}

/* ---- the loss: within the text exact, and against double precision ---- */

enum { CLASSES = 7, LANES = 32, IGNORE = -100 };

struct loss_case {
    int live;
    float smoothing;
    bool ignore_all;
};

static float l_of(const void *context, int64_t m)
{
    return F((const struct bench *)context, "l", m);
}

static float weight_of(const void *context, int64_t m)
{
    const struct bench *b = context;
    int t = I(b, "t", m);
    return t == IGNORE ? 0 : F(b, "w", t);
}

static void check_loss(struct loss_case c)
{
    struct bench b;
    double sum = 0, weights = 0, gradient[CLASSES][LANES] = {{0}};
    bench_open_case(&b, "loss", 0);
    bench_fill(&b, "z");
    float sw = 0;
    for (int k = 0; k < CLASSES; k++)
        sw += F(&b, "w", k) = fabsf(bench_random(&b)) + 0.1f;
    for (int m = 0; m < LANES; m++) {
        I(&b, "t", m) = m >= c.live ? 0 : c.ignore_all || m % 5 == 3 ? IGNORE : bench_random_below(&b, CLASSES);
        for (int k = 0; k < CLASSES; k++)
            F(&b, "z", k, m) *= m == 2 ? 1000.0f : 8.0f;
    }
    bench_set_i(&b, "live", c.live);
    bench_set_f(&b, "e", c.smoothing);
    bench_set_f(&b, "sw", sw);
    bench_run(&b);
    for (int m = 0; m < c.live; m++) {
        int t = I(&b, "t", m);
        double top = -INFINITY, s = 0, smooth = 0;
        for (int k = 0; k < CLASSES; k++)
            top = fmax(top, (double)F(&b, "z", k, m));
        for (int k = 0; k < CLASSES; k++)
            s += exp((double)F(&b, "z", k, m) - top);
        if (t == IGNORE) {
            CHECK_SAME(F(&b, "l", m), 0);
            continue;
        }
        for (int k = 0; k < CLASSES; k++)
            smooth += (double)F(&b, "w", k) * (log(s) - ((double)F(&b, "z", k, m) - top));
        double w = (double)F(&b, "w", t), e = (double)c.smoothing;
        double l = (1 - e) * w * (log(s) - ((double)F(&b, "z", t, m) - top)) + e / CLASSES * smooth;
        CU_ASSERT(fabs((double)F(&b, "l", m) - l) <= 1e-6 * fmax(1, fabs(l))); /* a few roundings of 6e-8 each */
        sum += l;
        weights += w;
        for (int k = 0; k < CLASSES; k++) {
            double p = exp((double)F(&b, "z", k, m) - top) / s;
            gradient[k][m] = (1 - e) * w * (p - (k == t)) + e / CLASSES * ((double)sw * p - (double)F(&b, "w", k));
        }
    }
    for (int m = 0; m < c.live; m++)
        for (int k = 0; k < CLASSES; k++) {
            double exact = weights > 0 ? gradient[k][m] / weights : 0;
            CU_ASSERT(fabs((double)F(&b, "dz", k, m) - exact) <= 1e-6);
        }
    float total = reference_tree(l_of, &b, c.live), divisor = reference_tree(weight_of, &b, c.live);
    CHECK_SAME(F(&b, "loss", 0), divisor > 0 ? total / divisor : 0);
    CU_ASSERT(fabs((double)F(&b, "loss", 0) - (weights > 0 ? sum / weights : 0)) <= 1e-5 * fmax(1, sum));
    bench_close(&b);
}

static void loss(void)
{
    check_loss((struct loss_case){32, 0, false});
    check_loss((struct loss_case){31, 0.1f, false});
    check_loss((struct loss_case){1, 0.1f, false});
    check_loss((struct loss_case){9, 0, true});
}

static void batch(void)
{
    struct bench b;
    bench_open_case(&b, "batch", 1000);
    uint8_t *images = b.data[0];
    for (int i = 0; i < 1000 * 49; i++)
        images[i] = (uint8_t)bench_random_below(&b, 256);
    for (int m = 0; m < 32; m++)
        I(&b, "pick", m) = bench_random_below(&b, 1000);
    I(&b, "pick", 31) = 999;
    bench_run(&b);
    for (int m = 0; m < 32; m++)
        for (int k = 0; k < 49; k++) {
            float expected = fmaf((float)images[I(&b, "pick", m) * 49 + k], 0.0127f, -0.42f);
            CHECK_SAME(F(&b, "x", k, m), expected);
            CHECK_SAME(F(&b, "xt", m, k), expected);
        }
    bench_close(&b);
}

CU_ErrorCode add_interpreter_tests(void)
{
    CU_TestInfo tests[] = {{"linear", linear},
                           {"list", list},
                           {"linear dx", linear_dx},
                           {"update", update},
                           {"convolution and pooling", convolution_and_pooling},
                           {"convolution update", convolution_update},
                           {"convolution dx", convolution_dx},
                           {"overlapping pooling", overlapping_pooling},
                           {"table", table},
                           {"loss", loss},
                           {"batch", batch},
                           CU_TEST_INFO_NULL};
    CU_SuiteInfo suites[] = {{"interpreter", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
    return CU_register_suites(suites);
}
