/* Passes on textual graphs. Then the pipeline over whole models, each stage of which must parse back to itself. */
#include "build.h"
#include "golden_passes.h"
#include "lang.h"
#include "pass.h"
#include "schedule.h"
#include "suites.h"

#include <CUnit/Basic.h>
#include <string.h>

static const char *print(struct arena *arena, const struct graph *graph)
{
    struct text text;
    text_init(&text, arena);
    graph_print(graph, &text);
    return text_string(&text);
}

static void run_case(struct scratch *s, const char *path)
{
    struct pass_context context;
    golden_passes(s, path, &context);
}

static void test_cases(void)
{
    golden_each(XENT_SOURCE_DIR "/tests/passes/cases", ".xir", 21, run_case);
}

/* ---- the pipeline ---- */

struct observed {
    struct scratch *s;
    size_t stages, changes;
};

static void check_program(struct scratch *s, const struct kprogram *program)
{
    struct text once, twice;
    text_init(&once, &s->arena);
    text_init(&twice, &s->arena);
    kernel_print_program(program, &once);
    uint32_t file = source_add(&s->map, "printed.xkr", text_string(&once), once.count);
    struct kprogram *again = kernel_parse(&s->arena, &s->diags, file);
    CU_ASSERT_PTR_NOT_NULL_FATAL(again);
    kernel_print_program(again, &twice);
    CU_ASSERT_STRING_EQUAL(text_string(&once), text_string(&twice));
}

static void check_stage(void *data, const struct pass *pass, const struct pass_context *state, bool changed,
                        double seconds)
{
    struct observed *o = data;
    CU_ASSERT_TRUE(seconds >= 0);
    o->stages++;
    o->changes += changed;
    if (state->program) {
        check_program(o->s, state->program);
        return;
    }
    const char *text = print(&o->s->arena, state->graph);
    struct graph *again =
        graph_parse(&o->s->arena, &o->s->diags, op_set(), source_add(&o->s->map, pass->name, text, strlen(text)));
    CU_ASSERT_PTR_NOT_NULL_FATAL(again);
    CU_ASSERT_STRING_EQUAL(print(&o->s->arena, again), text);
    CU_ASSERT_TRUE(graph_verify(again, &o->s->diags));
}

static struct model_ir *load(struct scratch *s, const char *path)
{
    scratch_init(s);
    struct ast_file *ast = lang_parse(&s->arena, &s->diags, &s->names, golden_source(&s->map, &s->arena, path));
    return ast ? build_model(&s->arena, &s->diags, ast, op_set()) : NULL;
}

/* Every right model of the builder's tests through every entry, to the last pass; its graph stays as it was. */
static void test_pipeline(void)
{
    static const char *const entries[] = {"forward", "eval", "gradient", "step"};
    struct arena list;
    arena_init(&list, NULL);
    size_t count, models = 0;
    const struct ktarget target = {
        .lanes = 8, .registers = 16, .fma = true, .l1_bytes = 32 << 10, .l2_bytes = 1 << 20};
    char **paths = golden_list(&list, XENT_SOURCE_DIR "/tests/build/cases", ".xir", &count);
    for (size_t i = 0; i < count; i++) {
        struct scratch s;
        struct model_ir *ir = load(&s, golden_beside(&list, paths[i], ".net"));
        CU_ASSERT_PTR_NOT_NULL_FATAL(ir);
        const char *before = print(&s.arena, ir->graph);
        bool has_loss = graph_result(ir->graph, RESULT_LOSS);
        models++;
        for (size_t e = 0; e < 4; e++) {
            size_t errors = s.diags.errors;
            struct observed observed = {.s = &s};
            struct pass_context context =
                golden_context(&s, ir->graph, entries[e], e % 2 ? "momentum weight_decay" : NULL);
            struct pass_hooks hooks = {&observed, check_stage, .hurried = false};
            context.batch = e == 0 ? 1 : 17;
            context.target = &target;
            bool ok = pass_run_all(&context, NULL, NULL, &hooks);
            CU_ASSERT_EQUAL(ok, has_loss || e < 2);
            CU_ASSERT_EQUAL(ok, s.diags.errors == errors);
            CU_ASSERT_TRUE(!ok || (observed.stages == pass_count && observed.changes >= 1));
        }
        CU_ASSERT_STRING_EQUAL(print(&s.arena, ir->graph), before);
        arena_deinit(&s.arena);
    }
    CU_ASSERT_TRUE(models > 8);
    arena_deinit(&list);
}

/* log_softmax |> nll and cross_entropy are the same graph from fuse_loss on, so they give the same bits. */
static void test_same_loss(void)
{
    static const char *const entries[] = {"eval", "gradient", "step"};
    for (size_t e = 0; e < 3; e++) {
        const char *printed[2];
        struct scratch s[2];
        static const char *const files[] = {XENT_SOURCE_DIR "/tests/passes/cases/loss_nll.xir",
                                            XENT_SOURCE_DIR "/tests/passes/cases/loss_cross_entropy.xir"};
        for (size_t i = 0; i < 2; i++) {
            scratch_init(&s[i]);
            struct graph *graph =
                graph_parse(&s[i].arena, &s[i].diags, op_set(), golden_source(&s[i].map, &s[i].arena, files[i]));
            CU_ASSERT_PTR_NOT_NULL_FATAL(graph);
            struct pass_context context = golden_context(&s[i], graph, entries[e], NULL);
            CU_ASSERT_TRUE_FATAL(pass_run_all(&context, NULL, "dce", NULL));
            printed[i] = print(&s[i].arena, context.graph);
            CU_ASSERT_PTR_NOT_NULL(strstr(printed[i], "softmax_xent"));
        }
        CU_ASSERT_STRING_EQUAL(printed[0], printed[1]);
        arena_deinit(&s[0].arena);
        arena_deinit(&s[1].arena);
    }
}

static void test_table(void)
{
    CU_ASSERT_PTR_NULL(pass_named("nothing"));
    for (size_t i = 0; i < pass_count; i++) {
        CU_ASSERT_PTR_EQUAL(pass_named(pass_table[i].name), &pass_table[i]);
        const struct pass *needed = pass_table[i].needs ? pass_named(pass_table[i].needs) : NULL;
        CU_ASSERT_TRUE(pass_table[i].needs ? needed && needed < &pass_table[i] : true);
    }
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("passes", NULL, NULL);
    CU_add_test(suite, "table", test_table);
    CU_add_test(suite, "cases", test_cases);
    CU_add_test(suite, "pipeline", test_pipeline);
    CU_add_test(suite, "one loss in two spellings", test_same_loss);
    return suites_run();
}
