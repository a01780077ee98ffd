/* From text to the model graph: every case is a .net file; NAME.err holds the messages it must give (no file: none),
 * NAME.xir the graph of a model that is right. Comments "# set: KEY=VALUE" are overrides. */
#include "build.h"
#include "golden.h"
#include "lang.h"
#include "suites.h"

#include <CUnit/Basic.h>
#include <setjmp.h>
#include <string.h>

static struct model_ir *compile(struct scratch *s, uint32_t file)
{
    struct ast_file *ast = lang_parse(&s->arena, &s->diags, &s->names, file);
    if (!ast)
        return NULL;
    const char *text = source_file(&s->map, file)->text;
    const char *set;
    for (size_t i = 0; (set = golden_note(&s->arena, text, "set", i)); i++)
        if (!build_override(&s->arena, &s->diags, &s->map, &s->names, ast, set))
            return NULL;
    return build_model(&s->arena, &s->diags, ast, op_set());
}

static struct model_ir *compile_text(struct scratch *s, const char *text)
{
    scratch_init(s);
    return compile(s, source_add(&s->map, "t.net", text, strlen(text)));
}

static void run_case(struct scratch *s, const char *path)
{
    struct text graph;
    text_init(&graph, &s->arena);
    struct model_ir *ir = compile(s, golden_source(&s->map, &s->arena, path));
    const char *messages = scratch_messages(s);
    CU_ASSERT_EQUAL(ir == NULL, s->diags.errors > 0);
    if (ir) {
        graph_print(ir->graph, &graph);
        CU_ASSERT_TRUE(graph_verify(ir->graph, &s->diags));
        uint32_t file = source_add(&s->map, "printed.xir", text_string(&graph), graph.count);
        struct graph *again = graph_parse(&s->arena, &s->diags, op_set(), file);
        CU_ASSERT_PTR_NOT_NULL_FATAL(again);
        struct text twice;
        text_init(&twice, &s->arena);
        graph_print(again, &twice);
        CU_ASSERT_STRING_EQUAL(text_string(&twice), text_string(&graph));
    }
    CU_ASSERT_TRUE(golden_same(&s->arena, golden_beside(&s->arena, path, ".err"), messages));
    CU_ASSERT_TRUE(golden_same(&s->arena, golden_beside(&s->arena, path, ".xir"), text_string(&graph)));
}

static void test_cases(void)
{
    golden_each(XENT_SOURCE_DIR "/tests/build/cases", ".net", 61, run_case);
}

#define MODEL                                                                                                          \
    "net 1\nmodel m { input x : f32[4] target y : class[3] a = x |> linear(3) output a loss cross_entropy(a, y) }\n"

static void test_defaults(void)
{
    struct scratch s;
    struct model_ir *ir = compile_text(&s, MODEL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(ir);
    CU_ASSERT_EQUAL(ir->data.kind, DATA_NONE);
    CU_ASSERT_FALSE(ir->train.present);
    CU_ASSERT_EQUAL(ir->train.lr, 0.001);
    CU_ASSERT_EQUAL(ir->train.batch, 64);
    CU_ASSERT_EQUAL(ir->train.epochs, 1);
    CU_ASSERT_TRUE(ir->train.shuffle);
    CU_ASSERT_EQUAL(ir->train.seed, 1);
    CU_ASSERT_EQUAL(ir->train.log_every, 300);
    CU_ASSERT_STRING_EQUAL(ir->logits, "a");
    CU_ASSERT_TRUE(ir->has_ignore_index);
    CU_ASSERT_EQUAL(ir->ignore_index, -100);
    CU_ASSERT_STRING_EQUAL(ir->input->name, "x");
    CU_ASSERT_STRING_EQUAL(ir->target->name, "y");
    arena_deinit(&s.arena);
}

static void test_config(void)
{
    struct scratch s;
    struct model_ir *ir = compile_text(
        &s, MODEL "data { source = csv(train = \"a.csv\", test = \"b.csv\", header = true) }\n"
                  "train { optimizer = sgd(0.1, 0.9, weight_decay = 1e-4, nesterov = true) batch = 7 epochs = 3\n"
                  "        shuffle = false seed = 42 log_every = 10 }\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(ir);
    CU_ASSERT_EQUAL(ir->data.kind, DATA_CSV);
    CU_ASSERT_STRING_EQUAL(ir->data.train.text, "a.csv");
    CU_ASSERT_STRING_EQUAL(ir->data.test.text, "b.csv");
    CU_ASSERT_FALSE(ir->data.train.from_override);
    CU_ASSERT_TRUE(ir->data.header);
    CU_ASSERT_TRUE(ir->train.has_optimizer);
    CU_ASSERT_EQUAL(ir->train.lr, 0.1);
    CU_ASSERT_EQUAL(ir->train.momentum, 0.9);
    CU_ASSERT_EQUAL(ir->train.dampening, 0);
    CU_ASSERT_EQUAL(ir->train.weight_decay, 1e-4);
    CU_ASSERT_TRUE(ir->train.nesterov);
    CU_ASSERT_EQUAL(ir->train.batch, 7);
    CU_ASSERT_EQUAL(ir->train.epochs, 3);
    CU_ASSERT_FALSE(ir->train.shuffle);
    CU_ASSERT_EQUAL(ir->train.seed, 42);
    CU_ASSERT_EQUAL(ir->train.log_every, 10);
    arena_deinit(&s.arena);
}

static void test_overrides(void)
{
    struct scratch s;
    struct model_ir *ir = compile_text(
        &s, MODEL "data { source = csv(train = \"a.csv\") }\n"
                  "train { optimizer = sgd(0.1, momentum = 0.5) }\n"
                  "# set: train.optimizer.lr=0.25\n"
                  "# set: train.optimizer.momentum=0.75\n"
                  "# set: train.optimizer.weight_decay=0.5\n"
                  "# set: train.batch=3\n"
                  "# set: data.source.train=../c.csv\n"
                  "# set: data.source.test=\"d e.csv\"\n"
                  "# set: data.source.header=true\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(ir);
    CU_ASSERT_EQUAL(ir->train.lr, 0.25);
    CU_ASSERT_EQUAL(ir->train.momentum, 0.75);
    CU_ASSERT_EQUAL(ir->train.weight_decay, 0.5);
    CU_ASSERT_EQUAL(ir->train.batch, 3);
    CU_ASSERT_STRING_EQUAL(ir->data.train.text, "../c.csv");
    CU_ASSERT_TRUE(ir->data.train.from_override);
    CU_ASSERT_STRING_EQUAL(ir->data.test.text, "d e.csv");
    CU_ASSERT_TRUE(ir->data.header);
    arena_deinit(&s.arena);

    ir = compile_text(&s, MODEL "# set: data.source=fashion_mnist\n"
                                "# set: train.optimizer=sgd(0.5)\n"
                                "# set: train.optimizer.nesterov=false\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(ir);
    CU_ASSERT_EQUAL(ir->data.kind, DATA_FASHION_MNIST);
    CU_ASSERT_TRUE(ir->train.has_optimizer);
    CU_ASSERT_EQUAL(ir->train.lr, 0.5);
    arena_deinit(&s.arena);
}

static int64_t count_parameters(const struct graph *graph)
{
    int64_t count = 0;
    for (size_t i = 0; i < graph->nodes.count; i++)
        if (op_is(graph->nodes.at[i], "param"))
            count += type_elements(&graph->nodes.at[i]->output[0]->type);
    return count;
}

static void test_seed_models(void)
{
    static const struct {
        const char *path;
        int64_t parameters;
    } seeds[] = {{XENT_SOURCE_DIR "/tests/build/cases/mlp.net", 575050},
                 {XENT_SOURCE_DIR "/tests/build/cases/lenet.net", 44426}};
    for (size_t i = 0; i < 2; i++) {
        struct scratch s;
        scratch_init(&s);
        struct model_ir *ir = compile(&s, golden_source(&s.map, &s.arena, seeds[i].path));
        CU_ASSERT_PTR_NOT_NULL_FATAL(ir);
        CU_ASSERT_EQUAL(count_parameters(ir->graph), seeds[i].parameters);
        arena_deinit(&s.arena);
    }
}

static void test_many_errors(void)
{
    struct arena arena;
    struct text text;
    arena_init(&arena, NULL);
    text_init(&text, &arena);
    text_add(&text, "net 1\nmodel m { input x : f32[4]\n");
    for (int i = 0; i < 5000; i++)
        text_printf(&text, "a%d = x |> nothing%d\n", i, i);
    text_add(&text, "output x }\n");
    struct scratch s;
    CU_ASSERT_PTR_NULL(compile_text(&s, text_string(&text)));
    size_t shown = 0;
    for (size_t i = 0; i < s.diags.items.count; i++)
        shown += s.diags.items.at[i].kind == DIAG_ERROR;
    CU_ASSERT_TRUE(shown >= DIAG_MAX_ERRORS && shown <= DIAG_MAX_ERRORS + 1);
    arena_deinit(&s.arena);
    arena_deinit(&arena);
}

static void test_exhausted(void)
{
    volatile long n = 0;
    volatile bool finished = false;
    while (!finished) {
        struct scratch s;
        jmp_buf failure;
        scratch_init(&s);
        s.arena.on_failure = &failure;
        s.arena.fail_after = ++n;
        if (setjmp(failure) == 0) {
            static const char text[] = MODEL "train { optimizer = sgd(lr = 0.1) }\n# set: train.optimizer.lr=0.5\n";
            finished = compile(&s, source_add(&s.map, "t.net", text, strlen(text)));
            CU_ASSERT_TRUE(finished);
        }
        arena_deinit(&s.arena);
    }
    CU_ASSERT_TRUE(n > 100);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("build", NULL, NULL);
    CU_add_test(suite, "cases", test_cases);
    CU_add_test(suite, "defaults", test_defaults);
    CU_add_test(suite, "configuration", test_config);
    CU_add_test(suite, "overrides", test_overrides);
    CU_add_test(suite, "seed models", test_seed_models);
    CU_add_test(suite, "many errors", test_many_errors);
    CU_add_test(suite, "exhausted", test_exhausted);
    return suites_run();
}
