#include "suites.h"
#include "test_llvm.h"

#include <CUnit/Basic.h>

int main(void) {
    CU_initialize_registry();
    suite_target();
    suite_operators();
    suite_memory();
    suite_shuffle();
    suite_loops();
    suite_gemm();
    suite_model();
    suite_parallel();
    suite_cache();
    return suites_run();
}
