/* Tests of ops/ and of the passes from fuse to plan_memory. */
#include "model.h"

#include <CUnit/Basic.h>

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 1;
    CU_pSuite suite = CU_add_suite("ops", NULL, NULL);
    CU_ADD_TEST(suite, test_table);
    CU_ADD_TEST(suite, test_messages);
    CU_ADD_TEST(suite, test_gradients);
    CU_ADD_TEST(suite, test_cases);
    CU_ADD_TEST(suite, test_kernels);
    CU_ADD_TEST(suite, test_zeros);
    CU_ADD_TEST(suite, test_blocks);
    CU_ADD_TEST(suite, test_ignored);
    CU_ADD_TEST(suite, test_facts);
    CU_ADD_TEST(suite, test_oracle);
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_ErrorCode status = CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return status != CUE_SUCCESS || failed > 0;
}
