/* A program under test: its text, its memory, data sets and scalars, and the interpreter. */
#ifndef XENT_TEST_KERNEL_H
#define XENT_TEST_KERNEL_H

#include "kernel.h"

#include <CUnit/Basic.h>
#include <xent/model.h>

struct bench {
    struct arena arena;
    struct source_map map;
    struct diag_list diags;
    struct kprogram *program;
    struct kinterpreter *interpreter;
    char *memory;
    void *data[XENT_MAX_DATA];
    union xent_scalar scalar[XENT_MAX_SCALARS];
    uint64_t random;
};

/* Parses, verifies and prepares; a failed test with the messages on stderr when that does not succeed. Memory is zero,
 * data sets are allocated (first extents that are unknown: `rows`) and zero. */
void bench_open_text(struct bench *bench, const char *text, int64_t rows);
void bench_open_case(struct bench *bench, const char *name, int64_t rows);
void bench_run(struct bench *bench);
void bench_close(struct bench *bench);

const struct kvar *bench_var(const struct bench *bench, const char *name);
/* The place of an element of a buffer, by as many indices as it has dimensions. */
void *bench_at(const struct bench *bench, const char *name, const int64_t *index);
#define AT(bench, type, name, ...) (*(type *)bench_at((bench), (name), (const int64_t[]){__VA_ARGS__, 0}))
#define F(bench, name, ...) AT(bench, float, name, __VA_ARGS__)
#define I(bench, name, ...) AT(bench, int32_t, name, __VA_ARGS__)
#define U(bench, name, ...) AT(bench, uint8_t, name, __VA_ARGS__)
/* Uniform in [-1, 1) in every place of an f32 buffer, padding too; in [0, 255] for u8. */
void bench_fill(struct bench *bench, const char *name);
float bench_random(struct bench *bench);
int32_t bench_random_below(struct bench *bench, int32_t limit);
void bench_set_i(struct bench *bench, const char *scalar, int32_t value);
void bench_set_f(struct bench *bench, const char *scalar, float value);

/* Equal bits, or both NaN. */
bool same_f32(float a, float b);
#define CHECK_SAME(a, b) CU_ASSERT(same_f32((a), (b)))

/* What the text means, written plainly. `value(context, m)` is the term. */
float reference_tree(float (*value)(const void *context, int64_t m), const void *context, int64_t live);

CU_ErrorCode add_layout_tests(void);
CU_ErrorCode add_text_tests(void);
CU_ErrorCode add_arithmetic_tests(void);
CU_ErrorCode add_function_tests(void);
CU_ErrorCode add_interpreter_tests(void);
CU_ErrorCode add_step_tests(void);
CU_ErrorCode add_work_tests(void);

#endif
