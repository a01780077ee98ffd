/* The text form: every case prints as it stands, every wrong text has its golden messages, and texts that no one would
 * write are refused in good order. */
#include "golden.h"
#include "test_kernel.h"

#include <stdlib.h>
#include <string.h>

static struct arena arena;

static const char *base_name(const char *path)
{
    return strrchr(path, '/') + 1;
}

static struct kprogram *parse(struct source_map *map, struct diag_list *diags, const char *text, size_t length)
{
    source_map_init(map, &arena);
    diag_init(diags, &arena, map);
    return kernel_parse(&arena, diags, source_add(map, "text.xkr", text, length));
}

static void cases_print_as_they_stand(void)
{
    size_t count, whole = 0;
    char **paths = golden_list(&arena, XENT_SOURCE_DIR "/tests/kernel/cases", ".xkr", &count);
    for (size_t i = 0; i < count; i++) {
        struct source_map map;
        struct diag_list diags;
        struct text printed;
        size_t length;
        char *text = golden_read(&arena, paths[i], &length);
        if (strncmp(base_name(paths[i]), "error_", 6) == 0)
            continue;
        struct kprogram *program = parse(&map, &diags, text, length);
        CU_ASSERT_FATAL(program != NULL);
        CU_ASSERT(kernel_verify(program, &diags));
        text_init(&printed, &arena);
        kernel_print_program(program, &printed);
        CU_ASSERT_STRING_EQUAL(text_string(&printed), text);
        whole++;
    }
    CU_ASSERT(whole >= 10);
}

static void messages_are_golden(void)
{
    size_t count, wrong = 0;
    char **paths = golden_list(&arena, XENT_SOURCE_DIR "/tests/kernel/cases", ".xkr", &count);
    for (size_t i = 0; i < count; i++) {
        struct source_map map;
        struct diag_list diags;
        struct text messages;
        if (strncmp(base_name(paths[i]), "error_", 6) != 0)
            continue;
        source_map_init(&map, &arena);
        diag_init(&diags, &arena, &map);
        struct kprogram *program = kernel_parse(&arena, &diags, golden_source(&map, &arena, paths[i]));
        CU_ASSERT(!program || !kernel_verify(program, &diags));
        CU_ASSERT(diags.errors > 0);
        text_init(&messages, &arena);
        diag_render(&diags, &messages);
        CU_ASSERT(golden_same(&arena, golden_beside(&arena, paths[i], ".out"), text_string(&messages)));
        wrong++;
    }
    CU_ASSERT(wrong >= 20);
}

static struct text long_kernel(const char *before, const char *repeated, size_t times, const char *after)
{
    struct text text;
    text_init(&text, &arena);
    text_add(&text, "program @p {\n arith fma\n kernel k(X: f32[4]) -> (Y: f32[4]) {\n Y[i] = ");
    text_add(&text, before);
    for (size_t i = 0; i < times; i++)
        text_add(&text, repeated);
    text_add(&text, after);
    text_add(&text, "\n }\n}\n");
    return text;
}

static void check_refused(const struct text *text, const char *why)
{
    struct source_map map;
    struct diag_list diags;
    CU_ASSERT_PTR_NULL(parse(&map, &diags, text_string(text), text->count));
    CU_ASSERT_FATAL(diags.items.count > 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(diags.items.at[0].message, why));
}

static void depth_is_bounded(void)
{
    struct text deep = long_kernel("", "(", 100000, ""), wide = long_kernel("X[i]", " + X[i]", 100000, "");
    struct text signs = long_kernel("", "-", 100000, "X[i]"), nested = long_kernel("", "max(1.0, ", 100000, "");
    check_refused(&deep, "nested too deeply");
    check_refused(&wide, "too long");
    check_refused(&signs, "nested too deeply");
    check_refused(&nested, "nested too deeply");
}

static void every_prefix_is_handled(void)
{
    size_t length;
    char *text = golden_read(&arena, XENT_SOURCE_DIR "/tests/kernel/cases/syntax.xkr", &length);
    CU_ASSERT_FATAL(text != NULL);
    for (size_t end = 0; end + 2 < length; end++) {
        struct source_map map;
        struct diag_list diags;
        CU_ASSERT_PTR_NULL(parse(&map, &diags, text, end));
        CU_ASSERT(diags.errors > 0);
    }
}

static void built_programs_print_and_parse(void)
{
    struct kprogram program = {.name = "built", .arena = &arena};
    struct kbuffer x = {.name = "X", .type = KT_F32, .rank = 1, .extent = {6}};
    struct kbuffer y = {.name = "Y", .type = KT_F32, .access = KA_OUT, .rank = 1, .number = 1, .extent = {6}};
    struct kvar in = {.name = "x", .type = KT_F32, .rank = 1, .extent = {6}, .place = KP_DATA};
    struct kvar out = {.name = "y", .type = KT_F32, .rank = 1, .extent = {6}, .place = KP_ARENA};
    const struct kvar *arguments[] = {&in, &out};
    struct kernel kernel = {.name = "tanh"};
    struct kstatement store = {.kind = KS_STORE, .buffer = &y, .rank = 1};
    x.layout = y.layout = in.layout = out.layout = klayout_dense(1, x.extent);
    struct kindex *i = kindex_new(&arena, "i", 6, NULL);
    struct kexpr *at = kx_index(&arena, i), *load = kx_load(&arena, &x, &at);
    const struct kfunction *tanh_function = kernel_function(&program, "tanh");
    CU_ASSERT_FATAL(tanh_function != NULL);
    CU_ASSERT_PTR_NULL(kernel_function(&program, "tangent"));
    store.index[0] = i;
    store.value = kx_call(&arena, tanh_function, &load);
    vec_push(&arena, &kernel.buffers, &x);
    vec_push(&arena, &kernel.buffers, &y);
    vec_push(&arena, &kernel.statements, &store);
    vec_push(&arena, &program.kernels, &kernel);
    vec_push(&arena, &program.vars, &in);
    vec_push(&arena, &program.vars, &out);
    vec_push(&arena, &program.calls, (struct kcall){.kernel = &kernel, .argument = arguments});
    program.arena_bytes = 64;
    struct source_map map;
    struct diag_list diags;
    struct text printed;
    source_map_init(&map, &arena);
    diag_init(&diags, &arena, &map);
    CU_ASSERT(kernel_verify(&program, &diags));
    text_init(&printed, &arena);
    kernel_print_program(&program, &printed);
    CU_ASSERT_STRING_EQUAL(text_string(&printed), "program @built {\n"
                                                  "  arith fma\n"
                                                  "  memory 64\n"
                                                  "  data x: f32[6] slot 0\n"
                                                  "  arena y: f32[6] at 0\n"
                                                  "\n"
                                                  "  kernel tanh(X: f32[6]) -> (Y: f32[6]) {\n"
                                                  "    Y[i] = tanh(X[i])\n"
                                                  "  }\n"
                                                  "\n"
                                                  "  call tanh(x, y)\n"
                                                  "}\n");
    CU_ASSERT_PTR_NOT_NULL(parse(&map, &diags, text_string(&printed), printed.count));
}

/* Operators by tree, so that a missing or needless parenthesis shows. */
static void parentheses(void)
{
    static const char *const same[] = {"a - (b - c)",   "a - b - c",           "a * (b + c)",
                                       "(a + b) * c",   "-(a + b)",            "-a + b",
                                       "-(1.0)",        "-1.0",                "a - -1.0",
                                       "-(-a)",         "a / b / c",           "a / (b / c)",
                                       "fma(a, b, c)",  "max(a, -inf)",        "select(a < b, a, b)",
                                       "nan",           "1e-20",               "where(a < b && !(b < c): a; b)"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        struct source_map map;
        struct diag_list diags;
        struct text text, printed;
        text_init(&text, &arena);
        text_printf(&text, "program @p {\n kernel k(a: f32, b: f32, c: f32) -> (Y: f32[]) {\n Y = %s\n }\n}\n",
                    same[i]);
        struct kprogram *program = parse(&map, &diags, text_string(&text), text.count);
        CU_ASSERT_FATAL(program != NULL);
        CU_ASSERT(kernel_verify(program, &diags));
        text_init(&printed, &arena);
        kernel_print_expr(program->kernels.at[0]->statements.at[0]->value, &printed);
        CU_ASSERT_STRING_EQUAL(text_string(&printed), same[i]);
    }
}

/* Running out of memory anywhere in parser, verifier and printer is an answer, not a crash. */
static void allocations_may_fail(void)
{
    size_t length;
    char *text = golden_read(&arena, XENT_SOURCE_DIR "/tests/kernel/cases/syntax.xkr", &length);
    volatile long failed = 0;
    for (volatile long n = 1;; n++) {
        struct arena small;
        jmp_buf out;
        arena_init(&small, &out);
        small.fail_after = n;
        if (setjmp(out)) {
            failed++;
            arena_deinit(&small);
            continue;
        }
        struct source_map map;
        struct diag_list diags;
        struct text printed;
        source_map_init(&map, &small);
        diag_init(&diags, &small, &map);
        struct kprogram *program = kernel_parse(&small, &diags, source_add(&map, "text.xkr", text, length));
        CU_ASSERT_FATAL(program != NULL);
        CU_ASSERT(kernel_verify(program, &diags));
        text_init(&printed, &small);
        kernel_print_program(program, &printed);
        arena_deinit(&small);
        break;
    }
    CU_ASSERT(failed > 100);
}

/* A let of four exabytes: there is no interpreter for it, and no crash. */
static void too_large_to_interpret(void)
{
    static const char text[] = "program @p {\n"
                               "  arena y: f32[3] at 0\n"
                               "  kernel k() -> (Y: f32[3]) {\n"
                               "    let a[i < 1000000000, j < 1000000000] = 1.0\n"
                               "    let b[i < 2000000000, j < 1000000000] = 1.0\n"
                               "    let c[i < 2000000000, j < 1000000000] = 1.0\n"
                               "    Y[i] = a[i, i] + b[i, i] + c[i, i]\n"
                               "  }\n"
                               "  call k(y)\n"
                               "}\n";
    struct source_map map;
    struct diag_list diags;
    struct kprogram *program = parse(&map, &diags, text, sizeof text - 1);
    CU_ASSERT_FATAL(program != NULL);
    CU_ASSERT(kernel_verify(program, &diags));
    CU_ASSERT_PTR_NULL(kernel_interpreter_create(program));
}

static int begin(void)
{
    arena_init(&arena, NULL);
    return 0;
}

static int end(void)
{
    arena_deinit(&arena);
    return 0;
}

CU_ErrorCode add_text_tests(void)
{
    CU_TestInfo tests[] = {{"cases print as they stand", cases_print_as_they_stand},
                           {"messages are golden", messages_are_golden},
                           {"depth is bounded", depth_is_bounded},
                           {"every prefix is handled", every_prefix_is_handled},
                           {"built programs print and parse", built_programs_print_and_parse},
                           {"parentheses", parentheses},
                           {"allocations may fail", allocations_may_fail},
                           {"too large to interpret", too_large_to_interpret},
                           CU_TEST_INFO_NULL};
    CU_SuiteInfo suites[] = {{"text", begin, end, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
    return CU_register_suites(suites);
}
