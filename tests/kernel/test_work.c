/* Work counted from the text, against counts made by hand. */
#include "test_kernel.h"

#include "work.h"

static const struct kernel_batch whole = {NULL, 16};

static int64_t flops_of(struct bench *bench, const char *body)
{
    char text[4096];
    snprintf(text, sizeof text,
             "program @work {\n"
             "  arith fma\n"
             "  memory 65536\n"
             "  scalar live: i32 <= 16\n"
             "  data images: u8[?, 8] slot 0\n"
             "  state x: f32[8, 16] at 0\n"
             "  state w: f32[5, 8] layout (d0:16, d1) at 512\n"
             "  arena y: f32[5, 16] at 2048\n"
             "  state z: f32[8, 16] at 4096\n"
             "  arena s: f32[8] at 16384\n"
             "  state p: i32[16] at 8192\n"
             "%s\n}\n",
             body);
    bench_open_text(bench, text, 3);
    return bench->program ? kernel_flops(bench->program->kernels.at[0], &whole) : -1;
}

static void sums_count_their_terms(void)
{
    struct bench bench;
    CU_ASSERT_EQUAL(flops_of(&bench, "kernel k(X: f32[8, 16], W: f32[5, 8] layout (d0:16, d1)) -> (Y: f32[5, 16]) {\n"
                                     "Y[n, m] = max(sum.fma(k < 8 from 0.0: W[n, k], X[k, m]), 0.0)\n"
                                     "}\ncall k(x, w, y)"),
                    5 * 16 * (2 * 8 + 1));
    /* The layout's padding moves, too. */
    CU_ASSERT_EQUAL(kernel_bytes(bench.program->kernels.at[0], &whole), 4 * (8 * 16 + 5 * 16 + 5 * 16));
    bench_close(&bench);
    CU_ASSERT_EQUAL(flops_of(&bench, "kernel k(X: f32[8, 16]) -> (Y: f32[5, 16]) {\n"
                                     "Y[n, m] = sum(k < 8 from 1.0: X[k, m] * 2.0 + 1.0)\n"
                                     "}\ncall k(x, y)"),
                    5 * 16 * 8 * 3);
    bench_close(&bench);
}

/* Rows that a padded window covers: of 8 x 3 terms the first and the last lie outside. */
static void absent_terms_do_not_count(void)
{
    struct bench bench;
    CU_ASSERT_EQUAL(flops_of(&bench, "kernel k(X: f32[8, 16]) -> (Z: f32[8, 16]) {\n"
                                     "Z[y, m] = sum(i < 3 | 0 <= y + i - 1 < 8 from 0.0: X[y + i - 1, m])\n"
                                     "}\ncall k(x, z)"),
                    (8 * 3 - 2) * 16);
    bench_close(&bench);
    /* Stride two, the other way round: y = 2 p + i for 4 x 3 pairs, one of which has y = 8. */
    CU_ASSERT_EQUAL(flops_of(&bench, "kernel k(X: f32[8, 16]) -> (Z: f32[8, 16]) {\n"
                                     "Z[y, m] = sum(p < 4 | 0 <= y - 2 * p < 3 from 0.0: X[p, m])\n"
                                     "}\ncall k(x, z)"),
                    (4 * 3 - 1) * 16);
    bench_close(&bench);
}

static void bounded_sums_end_early(void)
{
    struct bench bench;
    CU_ASSERT_EQUAL(flops_of(&bench, "kernel k(X: f32[8, 16], live: i32 <= 16) -> (S: f32[8]) {\n"
                                     "S[k] = sum(m < live from 0.0: X[k, m])\n"
                                     "}\ncall k(x, s, live = live)"),
                    8 * 16);
    CU_ASSERT_EQUAL(kernel_flops(bench.program->kernels.at[0], &(struct kernel_batch){NULL, 5}), 8 * 5);
    bench_close(&bench);
}

static void lets_count_once(void)
{
    struct bench bench;
    CU_ASSERT_EQUAL(flops_of(&bench, "kernel k(X: f32[8, 16]) -> (Z: f32[8, 16]) {\n"
                                     "let s[m < 16] = sum(k < 8 from 0.0: X[k, m])\n"
                                     "Z[k, m] = fma(X[k, m], s[m], s[m])\n"
                                     "}\ncall k(x, z)"),
                    16 * 8 + 2 * 8 * 16);
    bench_close(&bench);
    CU_ASSERT_EQUAL(flops_of(&bench, "kernel k(X: f32[8, 16]) -> (Z: f32[8, 16]) {\n"
                                     "Z[k, m] = where(X[k, m] > 0.0: X[k, m] + 1.0; X[k, m] * 2.0 - 1.0)\n"
                                     "}\ncall k(x, z)"),
                    8 * 16 * 2);
    bench_close(&bench);
}

static void picked_rows_move(void)
{
    struct bench bench;
    CU_ASSERT_EQUAL(flops_of(&bench, "kernel k(data: u8[?, 8], pick: i32[16]) -> (Z: f32[8, 16]) {\n"
                                     "Z[k, m] = f32(data[pick[m], k])\n"
                                     "}\ncall k(images, p, z)"),
                    0);
    CU_ASSERT_EQUAL(kernel_bytes(bench.program->kernels.at[0], &whole), 16 * 8 + 16 * 4 + 8 * 16 * 4);
    bench_close(&bench);
    CU_ASSERT_EQUAL(flops_of(&bench, "kernel k(X: f32[8, 16], inout Z: f32[8, 16]) {\n"
                                     "Z[k, m] = fma(-0.5, X[k, m], Z[k, m])\n"
                                     "}\ncall k(x, z)"),
                    2 * 8 * 16);
    CU_ASSERT_EQUAL(kernel_bytes(bench.program->kernels.at[0], &whole), 2 * 8 * 16 * 4);
    bench_close(&bench);
}

/* Five examples in sixteen lanes: neither the lanes' work nor their bytes count, those of rows that pad a layout do. */
static void empty_lanes_do_not_count(void)
{
    struct bench bench;
    const struct kernel_batch five = {"m", 5};
    CU_ASSERT_EQUAL(flops_of(&bench, "kernel k(X: f32[8, 16], W: f32[5, 8] layout (d0:16, d1)) -> (Y: f32[5, 16]) {\n"
                                     "let b[m < 16] = X[0, m] * 2.0\n"
                                     "Y[n, m] = sum.fma(k < 8 from b[m]: W[n, k], X[k, m])\n"
                                     "}\ncall k(x, w, y)"),
                    16 + 5 * 16 * 2 * 8);
    CU_ASSERT_EQUAL(kernel_flops(bench.program->kernels.at[0], &five), 5 + 5 * 5 * 2 * 8);
    CU_ASSERT_EQUAL(kernel_bytes(bench.program->kernels.at[0], &five), 4 * (8 * 5 + 5 * 16 + 5 * 5));
    bench_close(&bench);
}

CU_ErrorCode add_work_tests(void)
{
    CU_TestInfo tests[] = {{"sums count their terms", sums_count_their_terms},
                           {"absent terms do not count", absent_terms_do_not_count},
                           {"bounded sums end early", bounded_sums_end_early},
                           {"lets count once", lets_count_once},
                           {"empty lanes do not count", empty_lanes_do_not_count},
                           {"picked rows move", picked_rows_move},
                           CU_TEST_INFO_NULL};
    CU_SuiteInfo suites[] = {{"work", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
    return CU_register_suites(suites);
}
