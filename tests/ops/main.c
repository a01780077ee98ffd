/* Tests of ops/ and of the passes from fuse to plan_memory. */
#include "model.h"
#include "suites.h"

#include <CUnit/Basic.h>

int main(void)
{
    CU_initialize_registry();
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
    return suites_run();
}
