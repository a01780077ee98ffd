/* What the runtime's tests share: suites, a scratch folder, checks of statuses and messages. */
#ifndef TESTS_RUNTIME_CHECK_H
#define TESTS_RUNTIME_CHECK_H

#include "toy.h"

#include <CUnit/Basic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

CU_ErrorCode add_random(void);
CU_ErrorCode add_pool(void);
CU_ErrorCode add_pace(void);
CU_ErrorCode add_session(void);
CU_ErrorCode add_train(void);
CU_ErrorCode add_csv(void);
CU_ErrorCode add_idx(void);
CU_ErrorCode add_checkpoint(void);

/* A path in the scratch folder, in one of four buffers used in turn. */
const char *scratch(const char *name);
void write_file(const char *path, const void *bytes, size_t size);
/* malloc'ed, NUL-terminated; NULL: there is no such file. */
char *read_file(const char *path, size_t *size);
/* Files in the scratch folder whose names contain `part`. */
int count_files(const char *part);
/* One check, which shows the message where it fails: this status, and a message that contains `part`. */
void check_error(enum xent_status have, enum xent_status want, const struct xent_error *error, const char *part,
                 int line);
#define CHECK_ERROR(have, want, error, part) check_error((have), (want), (error), (part), __LINE__)
#define CHECK_OK(call)                                                                                                 \
    do {                                                                                                               \
        struct xent_error *check_ok_error = &error;                                                                    \
        check_ok_error->message[0] = 0;                                                                                \
        check_error((call), XENT_OK, check_ok_error, "", __LINE__);                                                    \
    } while (0)

struct case_of {
    const char *name;
    CU_TestFunc run;
};
CU_ErrorCode add_suite(const char *name, const struct case_of *cases, size_t count);

#endif
