#include "test_kernel.h"

static void dense(void)
{
    struct klayout l = klayout_dense(3, (int64_t[]){3, 5, 7});
    CU_ASSERT_EQUAL(l.elements, 105);
    CU_ASSERT_EQUAL(klayout_address(&l, (int64_t[]){2, 4, 6}), 104);
    CU_ASSERT_EQUAL(klayout_address(&l, (int64_t[]){1, 2, 3}), 35 + 14 + 3);
    CU_ASSERT_EQUAL(klayout_dense(0, NULL).elements, 1);
}

static void tiles_have_their_padding(void)
{
    struct klayout l = {.count = 3, .digit = {{1, 16, 0, 0}, {0, 1, 0, 0}, {1, 1, 16, 0}}};
    int64_t extent[] = {3, 33};
    CU_ASSERT(klayout_complete(&l, 2, extent));
    CU_ASSERT_EQUAL(l.elements, 3 * 3 * 16);
    CU_ASSERT_EQUAL(klayout_address(&l, (int64_t[]){2, 32}), 2 * 48 + 2 * 16);
    CU_ASSERT_EQUAL(klayout_address(&l, (int64_t[]){1, 31}), 48 + 16 + 15);
}

static void rows_have_their_padding(void)
{
    struct klayout l = {.count = 2, .digit = {{0, 1, 0, 800}, {1, 1, 0, 0}}};
    CU_ASSERT(klayout_complete(&l, 2, (int64_t[]){4, 784}));
    CU_ASSERT_EQUAL(l.elements, 3200);
    CU_ASSERT_EQUAL(klayout_address(&l, (int64_t[]){3, 783}), 3183);
}

static void unknown_extent_counts_a_row(void)
{
    struct klayout l = klayout_dense(2, (int64_t[]){KERNEL_UNKNOWN, 784});
    CU_ASSERT_EQUAL(l.elements, 784);
    CU_ASSERT_EQUAL(klayout_address(&l, (int64_t[]){60000, 3}), 60000 * 784 + 3);
}

static void overflow_is_found(void)
{
    struct klayout l = klayout_dense(4, (int64_t[]){INT32_MAX, INT32_MAX, INT32_MAX, 2});
    CU_ASSERT_EQUAL(l.elements, INT64_MAX);
    struct klayout digits = {.count = 1, .digit = {{0, 1, 0, INT64_MAX / 2}}};
    CU_ASSERT_FALSE(klayout_complete(&digits, 1, (int64_t[]){5}));
    struct klayout nowhere = {.count = 1, .digit = {{1, 1, 0, 0}}};
    CU_ASSERT_FALSE(klayout_complete(&nowhere, 1, (int64_t[]){5}));
}

/* [out, in] with the outputs innermost, of which vectors of 16 are read */
static void runs_have_memory(void)
{
    const int64_t extent[] = {37, 5};
    struct klayout dense = {.count = 2, .digit = {{1, 1, 0, 0}, {0, 1, 0, 0}}};
    CU_ASSERT_TRUE_FATAL(klayout_complete(&dense, 2, extent));
    CU_ASSERT_FALSE(klayout_has_runs(&dense, 0, 16));
    struct klayout padded = {.count = 2, .digit = {{1, 1, 0, 48}, {0, 1, 0, 1}}};
    CU_ASSERT_TRUE_FATAL(klayout_complete(&padded, 2, extent));
    CU_ASSERT_TRUE(klayout_has_runs(&padded, 0, 16));
    CU_ASSERT_FALSE(klayout_has_runs(&padded, 1, 16));
    struct klayout panels = {.count = 3, .digit = {{0, 32, 0, 0}, {1, 1, 0, 0}, {0, 1, 32, 0}}};
    CU_ASSERT_TRUE_FATAL(klayout_complete(&panels, 2, extent));
    CU_ASSERT_TRUE(klayout_has_runs(&panels, 0, 16));
    struct klayout odd_panels = {.count = 3, .digit = {{0, 24, 0, 0}, {1, 1, 0, 0}, {0, 1, 24, 0}}};
    CU_ASSERT_TRUE_FATAL(klayout_complete(&odd_panels, 2, extent));
    CU_ASSERT_FALSE(klayout_has_runs(&odd_panels, 0, 16));
    CU_ASSERT_TRUE(klayout_has_runs(&odd_panels, 0, 8));
}

CU_ErrorCode add_layout_tests(void)
{
    CU_TestInfo tests[] = {{"dense", dense},
                           {"tiles have their padding", tiles_have_their_padding},
                           {"rows have their padding", rows_have_their_padding},
                           {"unknown extent counts a row", unknown_extent_counts_a_row},
                           {"overflow is found", overflow_is_found},
                           {"runs have memory", runs_have_memory},
                           CU_TEST_INFO_NULL};
    CU_SuiteInfo suites[] = {{"layout", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
    return CU_register_suites(suites);
}
