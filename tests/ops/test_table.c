/* The op table is whole: every row has its rules, a line of documentation, and attributes with one each. */
#include "model.h"

#include <string.h>

void test_table(void)
{
    const struct op_set *set = op_set();
    CU_ASSERT_TRUE(set->count > 30);
    for (uint32_t i = 0; i < set->count; i++) {
        const struct op *op = op_named(set->info[i]->name);
        CU_ASSERT_PTR_NOT_NULL_FATAL(op);
        CU_ASSERT_PTR_EQUAL(&op->info, set->info[i]);
        CU_ASSERT_PTR_NOT_NULL(op->shape);
        CU_ASSERT_PTR_NOT_NULL(op->gradient);
        CU_ASSERT_PTR_NOT_NULL(op->reference);
        CU_ASSERT_EQUAL(op->lower == NULL, (op->info.flags & (OP_LEAF | OP_VIEW)) != 0);
        CU_ASSERT_TRUE(strlen(op->info.doc) > 3);
        CU_ASSERT_TRUE(op->info.min_inputs <= op->info.max_inputs && op->info.max_inputs <= GRAPH_MAX_INPUTS);
        CU_ASSERT_TRUE(op->info.outputs >= 1 && op->info.outputs <= GRAPH_MAX_OUTPUTS);
        CU_ASSERT_TRUE(op->info.attrs <= GRAPH_MAX_ATTRS);
        for (uint32_t k = 0; k < op->info.attrs; k++) {
            CU_ASSERT_TRUE(strlen(op->info.attr[k].doc) > 3);
            CU_ASSERT_EQUAL(op->info.attr[k].kind == ATTR_ENUM, op->info.attr[k].words != NULL);
        }
    }
    CU_ASSERT_PTR_NULL(op_named("no such op"));
}
