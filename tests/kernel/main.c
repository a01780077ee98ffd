#include "suites.h"
#include "test_kernel.h"

int main(void)
{
    CU_initialize_registry();
    CU_ErrorCode error = add_layout_tests();
    error = error ? error : add_text_tests();
    error = error ? error : add_arithmetic_tests();
    error = error ? error : add_function_tests();
    error = error ? error : add_interpreter_tests();
    error = error ? error : add_step_tests();
    error = error ? error : add_work_tests();
    return suites_run() || error;
}
