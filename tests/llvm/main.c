#include "test_llvm.h"

#include <CUnit/Basic.h>

int main(void) {
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 1;
    suite_target();
    suite_operators();
    suite_memory();
    suite_shuffle();
    suite_loops();
    suite_gemm();
    suite_model();
    suite_parallel();
    suite_cache();
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    unsigned failures = CU_get_number_of_failures() + CU_get_number_of_suites_failed();
    CU_cleanup_registry();
    return failures != 0;
}
