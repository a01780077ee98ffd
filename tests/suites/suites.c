#include "suites.h"

#include <CUnit/Basic.h>

int suites_run(void)
{
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_ErrorCode status = CU_get_error();
    if (status == CUE_SUCCESS) /* nothing went wrong while the suites were added */
        status = CU_basic_run_tests();
    unsigned failed = CU_get_number_of_failures() + CU_get_number_of_suites_failed();
    CU_cleanup_registry();
    return status != CUE_SUCCESS || failed > 0;
}
