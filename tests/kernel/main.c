#include "test_kernel.h"

int main(void)
{
    if (CU_initialize_registry() != CUE_SUCCESS)
        return CU_get_error();
    CU_ErrorCode error = add_layout_tests();
    error = error ? error : add_text_tests();
    error = error ? error : add_arithmetic_tests();
    error = error ? error : add_function_tests();
    error = error ? error : add_interpreter_tests();
    error = error ? error : add_step_tests();
    error = error ? error : add_work_tests();
    if (!error) {
        CU_basic_set_mode(CU_BRM_NORMAL);
        CU_basic_run_tests();
    }
    unsigned failed = CU_get_number_of_failures();
    CU_cleanup_registry();
    return error ? (int)error : failed > 0;
}
