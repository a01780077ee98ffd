/* Models of the tests: loaded from tests/ops/models, with random parameters and examples, evaluated by the reference
 * and by the kernel interpreter. */
#ifndef XENT_TEST_OPS_MODEL_H
#define XENT_TEST_OPS_MODEL_H

#include "golden.h"
#include "lowered.h"
#include "ops.h"
#include "pass.h"
#include "schedule.h"

#include <CUnit/Basic.h>

/* Repeatable random numbers. */
struct chance {
    uint64_t state;
};
uint64_t chance_below(struct chance *chance, uint64_t end);

/* The paths of all models. */
char **model_list(struct arena *arena, size_t *out_count);
/* The model's own graph; asserts that it is right. */
struct graph *model_load(struct scratch *scratch, const char *path);
/* A model whose whole text is given, under a name for messages; .net syntax. */
struct graph *model_text(struct scratch *scratch, const char *name, const char *text);

struct leaf { /* a leaf's values, in double and exact in float */
    const char *name;
    const struct tensor_type *type;
    double *data;
    int64_t elements;
};
struct values {
    VEC(struct leaf) leaves;
};
/* Adds values for every leaf of the graph that has none: `examples` of the data, parameters, optimizer state. */
void values_random(struct scratch *scratch, const struct graph *graph, int64_t examples, uint64_t seed,
                   struct values *inout);
struct leaf *values_find(const struct values *values, const char *name);

/* Passes in order, e.g. "select_entry infer_shapes autodiff", over a clone of the model. */
struct pass_context model_passes(struct scratch *scratch, const struct graph *model, enum entry_kind entry,
                                 const struct optimizer_config *optimizer, int64_t batch, const char *passes);
/* The examples named by pick. */
struct reference *model_reference(struct scratch *scratch, const struct graph *graph, const struct values *values,
                                  const int32_t *pick, int64_t examples, const struct reference_scalars *scalars);
/* Runs context->program over `live` examples; returns the arena, to be freed. */
void *model_interpret(struct scratch *scratch, const struct pass_context *context, const struct values *values,
                      const int32_t *pick, int64_t live, const struct reference_scalars *scalars);
/* Element `index` (caller's order) of a result in the arena. */
double result_at(const struct lowered_result *result, const void *arena, const int64_t *index);

void test_table(void);
void test_gradients(void);
void test_kernels(void);
void test_blocks(void);
void test_zeros(void);
void test_ignored(void);
void test_facts(void);
void test_oracle(void);
void test_cases(void);
void test_messages(void);

#endif
