/* Machines: facts, names that LLVM does not know, programs that a machine cannot run. */
#include "test_llvm.h"

#include <CUnit/Basic.h>
#include <stdlib.h>
#include <unistd.h>

static void test_host(void) {
    char *message = NULL;
    struct codegen_target *target = codegen_target_create(NULL, NULL, &message);
    CU_ASSERT_PTR_NULL(message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(target);
    const struct ktarget *facts = codegen_target_facts(target);
    CU_ASSERT_TRUE(codegen_target_runs_here(target));
    CU_ASSERT_TRUE(facts->lanes == 4 || facts->lanes == 8 || facts->lanes == 16);
    CU_ASSERT_TRUE(facts->registers == 16 || facts->registers == 32);
    CU_ASSERT_TRUE(facts->l1_bytes >= 8 << 10 && facts->l2_bytes >= facts->l1_bytes);
    CU_ASSERT_PTR_NOT_NULL(strstr(codegen_target_describe(target), "this machine"));
    codegen_target_destroy(target);
    CU_ASSERT_EQUAL(strncmp(codegen_version(), "LLVM ", 5), 0);
}

#if defined(__x86_64__)
struct expected {
    const char *cpu, *features;
    uint32_t lanes, registers;
    bool fma;
};

static void test_named(void) {
    static const struct expected cases[] = {
        {"x86-64", NULL, 4, 16, false},
        {"x86-64-v2", NULL, 4, 16, false},
        {"x86-64-v3", NULL, 8, 16, true},
        {"x86-64-v4", NULL, 16, 32, true},
        {"skylake-avx512", NULL, 16, 32, true},
        {"znver3", "", 8, 16, true},
        {"sandybridge", NULL, 8, 16, false},
        {"pentium3", NULL, 4, 16, false},
        {"x86-64", "+avx512f", 16, 32, true},
        {"x86-64", "+avx2", 8, 16, false},
        {"x86-64", "+avx2,+fma", 8, 16, true},
        {"x86-64-v4", "-avx512f", 8, 16, true},
        {"x86-64-v4", "-avx2", 8, 16, true},
        {"x86-64-v4", "-avx", 4, 16, false},
        {"x86-64-v3", "-fma", 8, 16, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *message = NULL;
        struct codegen_target *target = codegen_target_create(cases[i].cpu, cases[i].features, &message);
        CU_ASSERT_PTR_NULL(message);
        CU_ASSERT_PTR_NOT_NULL_FATAL(target);
        const struct ktarget *facts = codegen_target_facts(target);
        CU_ASSERT_EQUAL(facts->lanes, cases[i].lanes);
        CU_ASSERT_EQUAL(facts->registers, cases[i].registers);
        CU_ASSERT_EQUAL(facts->fma, cases[i].fma);
        CU_ASSERT_EQUAL(facts->masks, cases[i].lanes == 16);
        codegen_target_destroy(target);
    }
}

static void test_runs_here(void) {
    char *message = NULL;
    struct codegen_target *baseline = codegen_target_create("x86-64", NULL, &message);
    /* AMX and SSE4a never were in one machine. */
    struct codegen_target *nowhere = codegen_target_create("x86-64", "+amx-fp16,+sse4a,+xop", &message);
    CU_ASSERT_TRUE_FATAL(baseline && nowhere);
    CU_ASSERT_TRUE(codegen_target_runs_here(baseline));
    CU_ASSERT_FALSE(codegen_target_runs_here(nowhere));
    CU_ASSERT_PTR_NULL(codegen_load(nowhere, (const unsigned char *)"", 0, &message));
    CU_ASSERT_TRUE(message && strstr(message, "cannot run code for") && strstr(message, "+xop"));
    free(message);
    codegen_target_destroy(baseline);
    codegen_target_destroy(nowhere);
}

static void test_no_fma(void) {
    struct arena arena;
    struct make m;
    arena_init(&arena, NULL);
    make_init(&m, &arena, "fused", KARITH_FMA, 4);
    const struct kprogram *program = make_program(&m);
    struct compiled c = compile("x86-64", NULL, &program, 1);
    CU_ASSERT_PTR_NULL(c.module);
    CU_ASSERT_TRUE(c.message && strstr(c.message, "program `fused` says `arith fma`"));
    compiled_free(&c);
    arena_deinit(&arena);
}
#endif

/* Wrong names: a message that names the culprit and helps, and not a byte on stderr, where LLVM would write. */
static void test_wrong_names(void) {
    static const char *const cases[][3] = {
        {"x86-64-v5", NULL, "unknown CPU `x86-64-v5`"},
        {"skylakeavx512", NULL, "did you mean `skylake-avx512`?"},
        {"", NULL, "unknown CPU ``"},
        {"\xff\xfe%s%n", NULL, "unknown CPU"},
        {"help", NULL, "unknown CPU `help`"},
        {NULL, "avx2", "must begin with + or -"},
        {NULL, "+avx2,,+fma", "must begin with + or -"},
        {NULL, "+nonsense", "unknown feature `+nonsense`"},
        {NULL, "+avx521f", "unknown feature `+avx521f`"},
        {NULL, "+help", "unknown feature `+help`"},
#if defined(__x86_64__)
        {NULL, "-avx22", "did you mean `avx2`?"},
        {NULL, "-sse2", "cannot do without it"},
        {NULL, "+avx2,-64bit", "cannot do without it"},
        {NULL, "+16bit-mode", "cannot follow it"},
        {"x86-64", "+soft-float", "cannot follow it"},
#endif
    };
    int saved = dup(2), ends[2];
    char written[256];
    CU_ASSERT_EQUAL_FATAL(pipe(ends), 0);
    dup2(ends[1], 2);
    char *messages[sizeof cases / sizeof *cases];
    bool refused[sizeof cases / sizeof *cases];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refused[i] = !codegen_target_create(cases[i][0], cases[i][1], &messages[i]);
    dup2(saved, 2);
    close(saved);
    close(ends[1]);
    CU_ASSERT_EQUAL(read(ends[0], written, sizeof written), 0);
    close(ends[0]);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CU_ASSERT_TRUE(refused[i]);
        CU_ASSERT_TRUE(messages[i] && strstr(messages[i], cases[i][2]));
        free(messages[i]);
    }
}

/* Bytes that are no object, an object cut short, and one with a wrong byte: a message or no entry, never a crash or a
 * word on stderr. */
static void test_broken_objects(void) {
    struct arena arena;
    struct make m;
    char *message = NULL;
    size_t size;
    arena_init(&arena, NULL);
    make_init(&m, &arena, "whole", KARITH_MULADD, 1);
    struct kbuffer *out = make_buffer(&m, "out", KT_I32, KA_OUT, 1);
    make_store(&m, out, make_number(0), make_i32(&m, 5, 1), 1, NULL);
    const struct kprogram *program = make_program(&m);
    struct compiled c = compile(NULL, NULL, &program, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c.module);
    CU_ASSERT_PTR_NOT_NULL(codegen_find(c.code, "whole"));
    CU_ASSERT_PTR_NULL(codegen_find(c.code, "whole.whole"));
    CU_ASSERT_PTR_NULL(codegen_find(c.code, "printf"));
    unsigned char *object = codegen_object(c.module, &size, &message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(object);
    for (size_t cut = 0; cut < size; cut += 1 + size / 7) {
        struct codegen_code *code = codegen_load(c.target, object, cut, &message);
        CU_ASSERT_TRUE(code != NULL || message != NULL);
        CU_ASSERT_TRUE(!code || !codegen_find(code, "whole"));
        codegen_unload(code);
        free(message);
    }
    size_t refused = 0;
    for (size_t i = 0; i < size; i++) {
        object[i] ^= 0xff;
        struct codegen_code *code = codegen_load(c.target, object, size, &message);
        CU_ASSERT_TRUE(code != NULL || message != NULL);
        refused += !code;
        codegen_unload(code);
        free(message);
        object[i] ^= 0xff;
    }
    CU_ASSERT_TRUE(refused > 16 && refused < size);
    free(object);
    compiled_free(&c);
    arena_deinit(&arena);
}

void suite_target(void) {
    CU_pSuite suite = CU_add_suite("target", NULL, NULL);
    CU_add_test(suite, "this machine", test_host);
#if defined(__x86_64__)
    CU_add_test(suite, "named CPUs and features", test_named);
    CU_add_test(suite, "what runs here", test_runs_here);
    CU_add_test(suite, "arith fma needs it", test_no_fma);
#endif
    CU_add_test(suite, "wrong names", test_wrong_names);
    CU_add_test(suite, "broken objects", test_broken_objects);
}
