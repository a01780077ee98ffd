/* Shared by the tests of the language. */
#ifndef XENT_TESTS_TEST_LANG_H
#define XENT_TESTS_TEST_LANG_H

#include "lang.h"

#include <CUnit/Basic.h>

/* Everything one parse needs; begin drops what was there before. */
struct bench {
    struct arena arena;
    struct source_map map;
    struct diag_list diags;
    struct interner names;
};

void bench_begin(struct bench *b);
/* The messages so far. */
const char *bench_messages(struct bench *b);
const char *bench_print(struct bench *b, const struct ast_file *ast);

void add_message_tests(CU_pSuite suite);
void add_failure_tests(CU_pSuite suite);

#endif
