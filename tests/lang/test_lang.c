/* The tree, its printed form, values given on the command line, and limits. */
#include "golden.h"
#include "suites.h"
#include "test_lang.h"

#include <locale.h>
#include <string.h>

/* Drops what was there before. */
static void restart(struct scratch *s)
{
    arena_deinit(&s->arena);
    scratch_init(s);
}

static struct ast_file *parse(struct scratch *b, const char *text)
{
    restart(b);
    /* A copy in the arena: callers pass texts that were printed there, or on the stack. */
    uint32_t file = source_add(&b->map, "test.net", arena_strdup(&b->arena, text), strlen(text));
    return lang_parse(&b->arena, &b->diags, &b->names, file);
}

static const char *print(struct scratch *b, const struct ast_file *ast)
{
    struct text out;
    text_init(&out, &b->arena);
    ast_print(ast, &out);
    return text_string(&out);
}

static struct ast_file *load(struct scratch *b, const char *path)
{
    const char *error;
    restart(b);
    uint32_t file = source_load(&b->map, path, &error);
    CU_ASSERT_FATAL(file > 0);
    struct ast_file *ast = lang_parse(&b->arena, &b->diags, &b->names, file);
    if (!ast)
        fputs(scratch_messages(b), stderr);
    CU_ASSERT_PTR_NOT_NULL_FATAL(ast);
    return ast;
}

/* Each cases/NAME.net gives exactly the messages of NAME.err. */
static void run_case(struct scratch *s, const char *path)
{
    struct ast_file *ast = lang_parse(&s->arena, &s->diags, &s->names, golden_source(&s->map, &s->arena, path));
    CU_ASSERT_EQUAL(ast == NULL, s->diags.errors > 0);
    CU_ASSERT_TRUE(golden_same(&s->arena, golden_beside(&s->arena, path, ".err"), scratch_messages(s)));
}

static void test_messages(void)
{
    golden_each(XENT_SOURCE_DIR "/tests/lang/cases", ".net", 40, run_case);
}

static void check_round_trip(const char *path)
{
    struct scratch one = {0}, two = {0};
    restart(&one);
    const char *once = print(&one, load(&one, path));
    struct ast_file *again = parse(&two, once);
    CU_ASSERT_PTR_NOT_NULL_FATAL(again);
    CU_ASSERT_STRING_EQUAL(print(&two, again), once);
    arena_deinit(&one.arena);
    arena_deinit(&two.arena);
}

static void test_examples_round_trip(void)
{
    check_round_trip(XENT_SOURCE_DIR "/examples/mlp.net");
    check_round_trip(XENT_SOURCE_DIR "/examples/lenet.net");
}

static void test_example_tree(void)
{
    struct scratch b = {0};
    struct ast_file *ast = load(&b, XENT_SOURCE_DIR "/examples/lenet.net");
    const struct ast_model *m = ast->model;
    CU_ASSERT_STRING_EQUAL(m->name, "lenet");
    CU_ASSERT_EQUAL_FATAL(m->item_count, 11);
    CU_ASSERT_EQUAL(m->items[0].kind, AST_INPUT);
    CU_ASSERT_EQUAL(m->items[0].type.kind, AST_TYPE_U8);
    CU_ASSERT_EQUAL_FATAL(m->items[0].type.dim_count, 3);
    CU_ASSERT_EQUAL(m->items[0].type.dims[2].size, 28);
    CU_ASSERT_EQUAL(m->items[1].type.kind, AST_TYPE_CLASS);
    /* conv1 = x |> conv2d(6, kernel = 5) |> relu |> max_pool2d(2) */
    const struct ast_expr *pool = m->items[3].expr;
    CU_ASSERT_EQUAL_FATAL(pool->kind, AST_CALL);
    CU_ASSERT_STRING_EQUAL(pool->call->name, "max_pool2d");
    CU_ASSERT(pool->call->piped);
    CU_ASSERT_EQUAL_FATAL(pool->call->arg_count, 2);
    const struct ast_call *conv = pool->call->args[0].value->call->args[0].value->call;
    CU_ASSERT_STRING_EQUAL(conv->name, "conv2d");
    CU_ASSERT_EQUAL_FATAL(conv->arg_count, 3);
    CU_ASSERT_STRING_EQUAL(conv->args[0].value->name, "x");
    CU_ASSERT(conv->args[1].value->number.is_int && conv->args[1].value->number.integer == 6);
    CU_ASSERT_STRING_EQUAL(conv->args[2].name, "kernel");
    struct span s = pool->call->args[0].value->call->args[0].value->span;
    const char *text = source_file(&b.map, s.file)->text;
    CU_ASSERT_EQUAL(strncmp(text + s.begin, "conv2d(6,  kernel = 5)", s.end - s.begin), 0);
    CU_ASSERT_EQUAL(s.end - s.begin, strlen("conv2d(6,  kernel = 5)"));
    CU_ASSERT_EQUAL_FATAL(ast->train->setting_count, 5);
    CU_ASSERT_STRING_EQUAL(ast->train->settings[2].name, "epochs");
    CU_ASSERT_STRING_EQUAL(ast->data->settings[0].value->name, "mnist");
    arena_deinit(&b.arena);
}

/* Odd but right texts, and their one canonical form. */
static void test_canonical_form(void)
{
    static const char text[] =
        "\xef\xbb\xbfnet 1 train{batch=1_000 lr=-0.5 p=\"a\\\"\\\\\\n\\tb\" as=true}\r\n"
        "model m{input data:f32[3]target train:prob[2] # a comment\r\n"
        "long_name=(data|>linear(2,)as enc)|>relu()\n m=long_name as_is=f(input=[1,[2.50,-3,],[]],as=(m),loss=false)\n"
        "output m loss g(f(1)as k)|>h(train) metric q()}";
    struct scratch b = {0};
    struct ast_file *ast = parse(&b, text);
    if (!ast)
        fputs(scratch_messages(&b), stderr);
    CU_ASSERT_PTR_NOT_NULL_FATAL(ast);
    CU_ASSERT_STRING_EQUAL(print(&b, ast), "net 1\n\n"
                                           "model m {\n"
                                           "    input  data  : f32[3]\n"
                                           "    target train : prob[2]\n\n"
                                           "    long_name = data |> linear(2) as enc |> relu\n"
                                           "    m         = long_name\n"
                                           "    as_is     = f(input = [1, [2.50, -3], []], as = m, "
                                           "loss = false)\n"
                                           "\n"
                                           "    output m\n"
                                           "    loss   g(f(1) as k) |> h(train)\n"
                                           "    metric q()\n"
                                           "}\n\n"
                                           "train {\n"
                                           "    batch = 1_000\n"
                                           "    lr    = -0.5\n"
                                           "    p     = \"a\\\"\\\\\\n\\tb\"\n"
                                           "    as    = true\n"
                                           "}\n");
    CU_ASSERT_STRING_EQUAL(ast->train->settings[2].value->string, "a\"\\\n\tb");
    CU_ASSERT_EQUAL(ast->train->settings[0].value->number.integer, 1000);
    arena_deinit(&b.arena);
}

static const char *value_of(struct scratch *b, const char *text, enum ast_expr_kind *out_kind)
{
    struct text out;
    restart(b);
    struct ast_expr *e =
        lang_parse_value(&b->arena, &b->diags, &b->names, source_add(&b->map, "--set", text, strlen(text)));
    if (!e) {
        CU_ASSERT(b->diags.errors > 0);
        return NULL;
    }
    CU_ASSERT_EQUAL(b->diags.errors, 0);
    text_init(&out, &b->arena);
    ast_print_expr(e, &out);
    *out_kind = e->kind;
    return text_string(&out);
}

static void test_values(void)
{
    static const struct {
        const char *text;
        enum ast_expr_kind kind;
        const char *printed;
    } cases[] = {
        {"0.1", AST_NUMBER, "0.1"},
        {" -1e-3 ", AST_NUMBER, "-1e-3"},
        {"- 3", AST_STRING, "\"- 3\""},
        {"1_000", AST_NUMBER, "1_000"},
        {"true", AST_BOOL, "true"},
        {"mnist", AST_NAME, "mnist"},
        {"nan", AST_NAME, "nan"},
        {"data", AST_NAME, "data"},
        {"[1, -2]", AST_LIST, "[1, -2]"},
        {"adam(lr=1,betas=[0.9,0.999])", AST_CALL, "adam(lr = 1, betas = [0.9, 0.999])"},
        {"csv(train=../a-b.csv, test=\"c d.csv\")", AST_CALL, "csv(train = \"../a-b.csv\", test = \"c d.csv\")"},
        {"a.csv", AST_STRING, "\"a.csv\""},
        {"/tmp/\xc3\xa4.csv", AST_STRING, "\"/tmp/\xc3\xa4.csv\""},
        {"my data/a.csv", AST_STRING, "\"my data/a.csv\""},
        {"\"quoted\"", AST_STRING, "\"quoted\""},
        {"\"\"", AST_STRING, "\"\""},
        {"64x", AST_STRING, "\"64x\""},
    };
    struct scratch b = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum ast_expr_kind kind = AST_CALL;
        const char *printed = value_of(&b, cases[i].text, &kind);
        CU_ASSERT_STRING_EQUAL(printed ? printed : "(error)", cases[i].printed);
        CU_ASSERT_EQUAL(kind, cases[i].kind);
    }
    static const char *const wrong[] = {"",           "  ",        "f(",    "[1,2",   "a=b",
                                        "f(a=1,a=2)", "f(x |> y,", "1e999", "\"open", "a\xff"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        enum ast_expr_kind kind;
        CU_ASSERT_PTR_NULL(value_of(&b, wrong[i], &kind));
    }
    arena_deinit(&b.arena);
}

static struct ast_file *parse_repeated(struct scratch *b, const char *head, const char *part, size_t times,
                                       const char *tail)
{
    struct text t;
    struct arena arena;
    arena_init(&arena, NULL);
    text_init(&t, &arena);
    text_add(&t, head);
    for (size_t i = 0; i < times; i++)
        text_add(&t, part);
    text_add(&t, tail);
    struct ast_file *ast = parse(b, text_string(&t));
    arena_deinit(&arena);
    return ast;
}

#define MODEL "net 1 model m { input x : f32[1] a = "

static void check_refused(const char *head, const char *part, const char *tail, const char *message)
{
    struct scratch b = {0};
    CU_ASSERT_PTR_NULL(parse_repeated(&b, head, part, 200000, tail));
    CU_ASSERT_EQUAL(b.diags.errors, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(scratch_messages(&b), message));
    CU_ASSERT(strlen(scratch_messages(&b)) < 1000);
    arena_deinit(&b.arena);
}

static void test_depth(void)
{
    check_refused(MODEL, "(", "x }", "brackets are nested more than 256 levels deep");
    check_refused(MODEL, "[", "", "brackets are nested more than 256 levels deep");
    check_refused(MODEL, "f(a = ", "", "brackets are nested more than 256 levels deep");
    check_refused(MODEL "x", " |> f", " }", "the expression is more than 1000 levels deep");
    check_refused("", "{", "", "a .net file begins with \"net 1\"");
    struct scratch b = {0};
    struct ast_file *ast = parse_repeated(&b, MODEL "x", " |> f", 999, " }");
    CU_ASSERT_PTR_NOT_NULL_FATAL(ast);
    CU_ASSERT_EQUAL(ast->model->items[1].expr->depth, LANG_MAX_DEPTH);
    CU_ASSERT_PTR_NOT_NULL(print(&b, ast));
    CU_ASSERT_PTR_NULL(parse_repeated(&b, MODEL "x", " |> f", 1000, " }"));
    arena_deinit(&b.arena);
}

static void test_many_errors(void)
{
    struct scratch b = {0};
    CU_ASSERT_PTR_NULL(parse_repeated(&b, "net 1 model m {", " a = |> b", 100000, "}"));
    CU_ASSERT_PTR_NOT_NULL(strstr(scratch_messages(&b), "\nmore errors\n"));
    CU_ASSERT(b.arena.bytes < 16 << 20);
    CU_ASSERT_PTR_NULL(parse_repeated(&b, "net 1 model m {", " a = 1", 22, "}"));
    CU_ASSERT_EQUAL(b.diags.errors, 21);
    arena_deinit(&b.arena);
}

static void test_numbers(void)
{
    struct scratch b = {0};
    struct ast_file *ast = parse(&b, "net 1 model m { a = f(1_0.2_5e-1, 9223372036854775807, 007, -0, 1e3) }");
    CU_ASSERT_PTR_NOT_NULL_FATAL(ast);
    const struct ast_arg *args = ast->model->items[0].expr->call->args;
    CU_ASSERT_EQUAL(args[0].value->number.value, 1.025);
    CU_ASSERT_FALSE(args[0].value->number.is_int);
    CU_ASSERT_EQUAL(args[1].value->number.integer, INT64_MAX);
    CU_ASSERT_EQUAL(args[2].value->number.integer, 7);
    CU_ASSERT(args[3].value->number.is_int && args[3].value->number.integer == 0);
    CU_ASSERT_FALSE(args[4].value->number.is_int);
    arena_deinit(&b.arena);
}

int main(void)
{
    /* A program that embeds the compiler may have a locale with a decimal comma; where it is installed, use it. */
    setlocale(LC_ALL, "de_DE.UTF-8");
    CU_initialize_registry();
    CU_pSuite s = CU_add_suite("lang", NULL, NULL);
    CU_add_test(s, "the examples print and parse back", test_examples_round_trip);
    CU_add_test(s, "the tree of an example", test_example_tree);
    CU_add_test(s, "the canonical form", test_canonical_form);
    CU_add_test(s, "values", test_values);
    CU_add_test(s, "numbers", test_numbers);
    CU_add_test(s, "depth is limited", test_depth);
    CU_add_test(s, "errors are limited", test_many_errors);
    CU_add_test(s, "messages", test_messages);
    add_failure_tests(s);
    return suites_run();
}
