/* Textual cases of fuse_pool, fuse, lower, place_barriers and plan_memory: NAME.xir says in comments which passes run
 * ("# passes: …", "# entry: step", "# batch: 5"), NAME.out what comes out: the graph, the kernel program, or
 * messages. Every program must parse back to its own text. */
#include "golden.h"
#include "model.h"

#include <stdlib.h>
#include <string.h>

static const char *state_text(struct scratch *s, const struct pass_context *context)
{
    struct text text;
    text_init(&text, &s->arena);
    if (s->diags.errors)
        diag_render(&s->diags, &text);
    else if (context->program)
        kernel_print_program(context->program, &text);
    else
        graph_print(context->graph, &text);
    return text_string(&text);
}

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

static enum entry_kind entry_named(const char *name)
{
    static const char *const names[ENTRY_COUNT] = {
        [ENTRY_FORWARD] = "forward", [ENTRY_EVAL] = "eval", [ENTRY_GRADIENT] = "gradient", [ENTRY_STEP] = "step"};
    for (int i = 0; name && i < ENTRY_COUNT; i++)
        if (strcmp(names[i], name) == 0)
            return (enum entry_kind)i;
    return ENTRY_STEP;
}

static void run_case(const char *path)
{
    struct scratch s;
    scratch_init(&s);
    uint32_t file = golden_source(&s.map, &s.arena, path);
    const char *text = source_file(&s.map, file)->text, *batch = golden_note(&s.arena, text, "batch", 0);
    char *wanted = golden_note(&s.arena, text, "passes", 0), *rest = NULL;
    CU_ASSERT_PTR_NOT_NULL_FATAL(wanted);
    struct pass_context context = {.arena = &s.arena, .diags = &s.diags, .batch = batch ? atoi(batch) : 64};
    context.entry = entry_named(golden_note(&s.arena, text, "entry", 0));
    context.graph = graph_parse(&s.arena, &s.diags, op_set(), file);
    const struct pass *passes[32];
    size_t count = 0;
    for (char *name = strtok_r(wanted, ", ", &rest); name; name = strtok_r(NULL, ", ", &rest)) {
        passes[count] = pass_named(name);
        CU_ASSERT_PTR_NOT_NULL_FATAL(passes[count]);
        count++;
    }
    bool ok = context.graph && pass_run(&context, passes, count, NULL, NULL);
    CU_ASSERT_EQUAL(ok, s.diags.errors == 0);
    const char *out = state_text(&s, &context);
    CU_ASSERT_TRUE(golden_same(&s.arena, golden_beside(&s.arena, path, ".out"), out));
    if (ok && context.program)
        check_parses_back(&s, out);
    arena_deinit(&s.arena);
}

void test_cases(void)
{
    struct arena list;
    arena_init(&list, NULL);
    size_t count;
    char **paths = golden_list(&list, XENT_SOURCE_DIR "/tests/ops/cases", ".xir", &count);
    CU_ASSERT_TRUE(count >= 12);
    for (size_t i = 0; i < count; i++)
        run_case(paths[i]);
    arena_deinit(&list);
}

/* Messages of shape rules: messages.txt holds graphs, each with the wanted messages beside it, as above. */
void test_messages(void)
{
    struct arena list;
    arena_init(&list, NULL);
    size_t count;
    char **paths = golden_list(&list, XENT_SOURCE_DIR "/tests/ops/messages", ".xir", &count);
    CU_ASSERT_TRUE(count >= 3);
    for (size_t i = 0; i < count; i++) {
        struct scratch s;
        scratch_init(&s);
        struct graph *graph = graph_parse(&s.arena, &s.diags, op_set(), golden_source(&s.map, &s.arena, paths[i]));
        CU_ASSERT_PTR_NOT_NULL_FATAL(graph);
        for (size_t k = 0; k < graph->nodes.count; k++)
            op_of(graph->nodes.at[k])->shape(graph, graph->nodes.at[k], &s.diags);
        CU_ASSERT_TRUE(s.diags.errors > 0);
        CU_ASSERT_TRUE(golden_same(&s.arena, golden_beside(&s.arena, paths[i], ".out"), state_text(&s, NULL)));
        arena_deinit(&s.arena);
    }
    arena_deinit(&list);
}
