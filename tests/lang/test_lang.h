/* Shared by the tests of the language. */
#ifndef XENT_TESTS_TEST_LANG_H
#define XENT_TESTS_TEST_LANG_H

#include "lang.h"

#include <CUnit/Basic.h>

void add_failure_tests(CU_pSuite suite);

#endif
