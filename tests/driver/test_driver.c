/* libxent through its public API: what a program sees that compiles networks itself. */
#include "suites.h"

#include <xent/compiler.h>
#include <xent/runtime.h>

#include <CUnit/Basic.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char model[] = "net 1\n"
                            "model m {\n"
                            "    input x : f32[3]\n"
                            "    target y : class[2]\n"
                            "    h = x |> linear(5) |> relu\n"
                            "    z = h |> linear(2)\n"
                            "    output z\n"
                            "    loss cross_entropy(z, y)\n"
                            "    metric accuracy(z, y)\n"
                            "}\n"
                            "data { source = csv(train = \"t.csv\") }\n"
                            "train { optimizer = sgd(lr = 0.5, momentum = 0.25) batch = 4 epochs = 7 seed = 9 }\n";

static struct xent_compilation *compile(const char *text, const struct xent_compile_options *options,
                                        enum xent_status wanted)
{
    struct xent_compilation *compilation = NULL;
    CU_ASSERT_EQUAL(xent_compile("m.net", text, strlen(text), options, &compilation), wanted);
    CU_ASSERT_PTR_NOT_NULL_FATAL(compilation);
    return compilation;
}

static void test_entries(void)
{
    struct xent_compilation *c = compile(model, NULL, XENT_OK);
    const struct xent_model *m = xent_compilation_model(c);
    CU_ASSERT_PTR_NOT_NULL_FATAL(m);
    CU_ASSERT_STRING_EQUAL(xent_compilation_messages(c), "");
    CU_ASSERT_STRING_EQUAL(m->name, "m");
    CU_ASSERT_EQUAL(m->entries, 3);
    CU_ASSERT_PTR_NOT_NULL(xent_model_entry(m, "forward"));
    CU_ASSERT_PTR_NOT_NULL(xent_model_entry(m, "eval"));
    CU_ASSERT_PTR_NULL(xent_model_entry(m, "gradient"));
    CU_ASSERT_EQUAL(xent_model_entry(m, "step")->batch, 4);
    const struct xent_tensor *weight = xent_model_state(m, "h.weight");
    CU_ASSERT_PTR_NOT_NULL_FATAL(weight);
    CU_ASSERT_EQUAL(weight->shape[0], 5);
    CU_ASSERT_EQUAL(weight->shape[1], 3);
    CU_ASSERT_PTR_NOT_NULL(xent_model_state(m, "z.bias.momentum"));
    xent_compilation_destroy(c);
    for (uint32_t wanted = 1; wanted < 16; wanted++) {
        c = compile(model, &(struct xent_compile_options){.wanted = wanted, .interpret = true, .batch = 3}, XENT_OK);
        m = xent_compilation_model(c);
        CU_ASSERT_EQUAL(m->entries, (uint32_t)__builtin_popcount(wanted));
        CU_ASSERT_EQUAL(m->entry[0].batch, 3);
        xent_compilation_destroy(c);
    }
}

static void test_configuration(void)
{
    static const char *const set[] = {"train.optimizer.lr=0.125", "train.epochs=2"};
    struct xent_compile_options options = {.set = set, .set_count = 2, .interpret = true};
    struct xent_compilation *c = compile(model, &options, XENT_OK);
    struct xent_train_options train;
    xent_compilation_train_options(c, &train);
    CU_ASSERT_EQUAL(train.epochs, 2);
    CU_ASSERT_EQUAL(train.batch, 4);
    CU_ASSERT_EQUAL(train.seed, 9);
    CU_ASSERT_EQUAL(train.scalar_count, 2);
    CU_ASSERT_STRING_EQUAL(train.scalars[0].name, "lr");
    CU_ASSERT_EQUAL(train.scalars[0].value, 0.125f);
    CU_ASSERT_STRING_EQUAL(train.scalars[1].name, "momentum");
    CU_ASSERT_EQUAL(train.scalars[1].value, 0.25f);
    CU_ASSERT(xent_compilation_has_split(c, XENT_SPLIT_TRAIN));
    CU_ASSERT(!xent_compilation_has_split(c, XENT_SPLIT_TEST));
    struct xent_dataset *data = NULL;
    struct xent_error error;
    CU_ASSERT_EQUAL(xent_compilation_load_data(c, XENT_SPLIT_TEST, NULL, 0, &data, &error), XENT_ERROR_DATA);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "m.net"));
    CU_ASSERT_EQUAL(xent_compilation_load_data(c, XENT_SPLIT_TRAIN, NULL, 0, &data, &error), XENT_ERROR_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(error.message, "t.csv"));
    CU_ASSERT_PTR_NULL(data);
    xent_compilation_destroy(c);
}

/* The same step by machine code and by the interpreter. */
static void test_step(void)
{
    float x[6][3], after[2][5 * 3], loss[2];
    int32_t y[] = {0, 1, 1, 0, 1, 0}, pick[] = {5, 0, 3};
    for (int i = 0; i < 18; i++)
        x[i / 3][i % 3] = (float)(i * 7 % 11) / 8 - 0.5f;
    for (int interpret = 0; interpret < 2; interpret++) {
        struct xent_compile_options options = {.interpret = interpret};
        struct xent_compilation *c = compile(model, &options, XENT_OK);
        const struct xent_model *m = xent_compilation_model(c);
        struct xent_data_spec spec;
        struct xent_dataset *data;
        struct xent_session *session;
        struct xent_train_options train;
        struct xent_error error;
        xent_compilation_train_options(c, &train);
        CU_ASSERT_EQUAL_FATAL(xent_data_spec_of(m, &spec, &error), XENT_OK);
        CU_ASSERT_EQUAL_FATAL(xent_dataset_from_memory(&spec, 6, x, y, NULL, &data, &error), XENT_OK);
        CU_ASSERT_EQUAL_FATAL(xent_session_create(m, &(struct xent_session_options){.threads = 2}, &session, &error),
                              XENT_OK);
        xent_session_init(session, 3);
        for (int i = 0; i < 3; i++)
            CU_ASSERT_EQUAL(xent_session_step(session, data, pick, 3, train.scalars, train.scalar_count,
                                              &loss[interpret], &error),
                            XENT_OK);
        xent_session_get(session, xent_model_state(m, "h.weight"), after[interpret]);
        xent_session_destroy(session);
        xent_dataset_destroy(data);
        xent_compilation_destroy(c);
    }
    CU_ASSERT_EQUAL(memcmp(after[0], after[1], sizeof after[0]), 0);
    CU_ASSERT_EQUAL(memcmp(&loss[0], &loss[1], sizeof loss[0]), 0);
    CU_ASSERT(loss[0] > 0 && loss[0] < 1);
}

static void test_stages(void)
{
    static const char *const marks[] = {"model m", "graph @m.step", "program @m.step", "{ schedule ", "for ", "define ",
                                        "m.step", "ELF"};
    struct xent_compilation *c = compile(model, &(struct xent_compile_options){.lower_only = true}, XENT_OK);
    CU_ASSERT_PTR_NULL(xent_compilation_model(c));
    for (int stage = XENT_STAGE_AST; stage <= XENT_STAGE_OBJECT; stage++) {
        char *bytes;
        size_t size;
        struct xent_error error;
        CU_ASSERT_EQUAL_FATAL(xent_compilation_emit(c, (enum xent_stage)stage, NULL, &bytes, &size, &error), XENT_OK);
        CU_ASSERT_PTR_NOT_NULL(memmem(bytes, size, marks[stage], strlen(marks[stage])));
        free(bytes);
        CU_ASSERT_EQUAL(xent_compilation_emit(c, (enum xent_stage)stage, "gradient", &bytes, &size, &error),
                        XENT_ERROR_ARGUMENT);
    }
    xent_compilation_destroy(c);
}

static bool same_model(const struct xent_model *a, const struct xent_model *b)
{
    bool same = a->arena_bytes == b->arena_bytes && a->entries == b->entries;
    for (uint32_t i = 0; same && i < a->entries; i++) {
        same = a->entry[i].tensors == b->entry[i].tensors;
        for (uint32_t k = 0; same && k < a->entry[i].tensors; k++)
            same = a->entry[i].tensor[k].offset == b->entry[i].tensor[k].offset;
    }
    return same;
}

/* Code of an earlier compilation comes without schedules: its model is the same, and its texts are still to be had. */
static void test_cached(void)
{
    char folder[] = "/tmp/xent-driver-XXXXXX", command[64], *kept = getenv("XDG_CACHE_HOME");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    kept = kept ? strdup(kept) : NULL;
    setenv("XDG_CACHE_HOME", folder, 1);
    struct xent_compilation *without = compile(model, &(struct xent_compile_options){.no_cache = true}, XENT_OK);
    const char *entries[] = {NULL, "forward"};
    for (int again = 0; again < 3; again++) {
        struct xent_compilation *c = compile(model, NULL, XENT_OK);
        CU_ASSERT_TRUE(same_model(xent_compilation_model(without), xent_compilation_model(c)));
        for (enum xent_stage stage = XENT_STAGE_GRAPH; stage <= XENT_STAGE_ASM; stage++)
            for (int e = 0; e < 2; e++) {
                char *right = NULL, *text = NULL;
                size_t size;
                CU_ASSERT_EQUAL(xent_compilation_emit(without, stage, entries[e], &right, &size, NULL), XENT_OK);
                CU_ASSERT_EQUAL(xent_compilation_emit(c, stage, entries[e], &text, &size, NULL), XENT_OK);
                CU_ASSERT_TRUE(right && text && strcmp(right, text) == 0);
                free(right);
                free(text);
            }
        CU_ASSERT_TRUE(same_model(xent_compilation_model(without), xent_compilation_model(c)));
        xent_compilation_destroy(c);
    }
    xent_compilation_destroy(without);
    snprintf(command, sizeof command, "rm -r %s", folder);
    CU_ASSERT_EQUAL(system(command), 0);
    if (kept)
        setenv("XDG_CACHE_HOME", kept, 1);
    else
        unsetenv("XDG_CACHE_HOME");
    free(kept);
}

static void count_pass(void *context, const struct xent_pass_report *report)
{
    int *count = context;
    count[0]++;
    count[1] += report->text && !strncmp(report->text, "graph @m.eval", 13);
}

static void test_passes(void)
{
    int count[2] = {0};
    struct xent_compile_options options = {
        .wanted = XENT_WANT_EVAL, .stop_after = "fuse_loss", .on_pass = count_pass, .pass_texts = true,
        .context = count};
    struct xent_compilation *c = compile(model, &options, XENT_OK);
    CU_ASSERT_PTR_NULL(xent_compilation_model(c));
    CU_ASSERT(count[0] >= 3);
    CU_ASSERT_EQUAL(count[0], count[1]);
    xent_compilation_destroy(c);
}

static void says(const char *text, const struct xent_compile_options *options, enum xent_status status,
                 const char *words)
{
    struct xent_compilation *c = compile(text, options, status);
    CU_ASSERT_PTR_NULL(xent_compilation_model(c));
    if (!strstr(xent_compilation_messages(c), words))
        printf("\nnothing says \"%s\":\n%s", words, xent_compilation_messages(c));
    CU_ASSERT_PTR_NOT_NULL(strstr(xent_compilation_messages(c), words));
    xent_compilation_destroy(c);
}

static void test_messages(void)
{
    static const char bare[] = "net 1 model m { input x : u8[3] h = x |> to_float |> linear(2) output h }";
    static const char untrained[] =
        "net 1 model m { input x : u8[3] target y : class[2] h = x |> to_float |> linear(2) loss cross_entropy(h, y) }";
    static const char *const set[] = {"train.epocs=3"};
    says("net 1\nmodel m { input x : f32[3] h = x |> linaer(2) output h }", NULL, XENT_ERROR_DATA, "m.net:2:37: error");
    says("", NULL, XENT_ERROR_DATA, "m.net");
    says(bare, &(struct xent_compile_options){.wanted = XENT_WANT_EVAL}, XENT_ERROR_DATA, "m has no loss");
    says(bare, &(struct xent_compile_options){.wanted = XENT_WANT_GRADIENT}, XENT_ERROR_DATA, "m has no loss");
    says(untrained, &(struct xent_compile_options){.wanted = XENT_WANT_STEP}, XENT_ERROR_DATA, "optimizer");
    says(untrained, &(struct xent_compile_options){.wanted = XENT_WANT_GRADIENT}, XENT_ERROR_DATA, "not f32");
    says(model, &(struct xent_compile_options){.set = set, .set_count = 1}, XENT_ERROR_DATA, "epochs");
    says(model, &(struct xent_compile_options){.cpu = "m6800"}, XENT_ERROR_ARGUMENT, "m6800");
    says(model, &(struct xent_compile_options){.stop_after = "fuze"}, XENT_ERROR_ARGUMENT, "did you mean \"fuse\"");
    says(model, &(struct xent_compile_options){.batch = UINT32_MAX}, XENT_ERROR_ARGUMENT, "batch");
    struct xent_compilation *c;
    CU_ASSERT_EQUAL(xent_compile_file("missing.net", NULL, &c), XENT_ERROR_IO);
    CU_ASSERT_PTR_NOT_NULL(strstr(xent_compilation_messages(c), "missing.net"));
    xent_compilation_destroy(c);
    xent_compilation_destroy(NULL);
}

int main(void)
{
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("driver", NULL, NULL);
    CU_add_test(suite, "entries", test_entries);
    CU_add_test(suite, "configuration", test_configuration);
    CU_add_test(suite, "step", test_step);
    CU_add_test(suite, "stages", test_stages);
    CU_add_test(suite, "cached", test_cached);
    CU_add_test(suite, "passes", test_passes);
    CU_add_test(suite, "messages", test_messages);
    return suites_run();
}
