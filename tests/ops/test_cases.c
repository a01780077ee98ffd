/* Textual cases of fuse_pool, fuse, lower, place_barriers and plan_memory (see golden_passes.h). Every program must
 * parse back to its own text. */
#include "golden_passes.h"
#include "model.h"

#include <string.h>

static void check_parses_back(struct scratch *s, const char *text)
{
    struct kprogram *again =
        kernel_parse(&s->arena, &s->diags, source_add(&s->map, "again", text, strlen(text)));
    CU_ASSERT_PTR_NOT_NULL_FATAL(again);
    struct text printed;
    text_init(&printed, &s->arena);
    kernel_print_program(again, &printed);
    CU_ASSERT_STRING_EQUAL(text_string(&printed), text);
}

static void run_case(struct scratch *s, const char *path)
{
    struct pass_context context;
    const char *out = golden_passes(s, path, &context);
    if (s->diags.errors == 0 && context.program)
        check_parses_back(s, out);
}

void test_cases(void)
{
    golden_each(XENT_SOURCE_DIR "/tests/ops/cases", ".xir", 12, run_case);
}

/* Messages of shape rules. */
static void run_message(struct scratch *s, const char *path)
{
    struct graph *graph = graph_parse(&s->arena, &s->diags, op_set(), golden_source(&s->map, &s->arena, path));
    CU_ASSERT_PTR_NOT_NULL_FATAL(graph);
    for (size_t k = 0; k < graph->nodes.count; k++)
        op_of(graph->nodes.at[k])->shape(graph, graph->nodes.at[k], &s->diags);
    CU_ASSERT_TRUE(s->diags.errors > 0);
    CU_ASSERT_TRUE(golden_same(&s->arena, golden_beside(&s->arena, path, ".out"), scratch_messages(s)));
}

void test_messages(void)
{
    golden_each(XENT_SOURCE_DIR "/tests/ops/messages", ".xir", 3, run_message);
}
