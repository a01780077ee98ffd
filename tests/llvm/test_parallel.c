/* Machine code made on several threads: the same whatever their number, each part whole by itself. */
#include "test_llvm.h"

#include <CUnit/CUnit.h>
#include <stdlib.h>

enum { STORES = 900, KERNELS = 4, ELEMENTS = 1 << 10 };

/* out[i] = first + i: long enough for a share of its own. */
static struct make long_kernel(struct arena *arena, const char *program, int32_t first) {
    struct make m;
    make_init(&m, arena, program, KARITH_MULADD, 1);
    m.made->kernel.name = arena_printf(arena, "from%d", (int)first);
    struct kbuffer *out = make_buffer(&m, arena_printf(arena, "out%d", (int)first), KT_I32, KA_OUT, ELEMENTS);
    for (int32_t i = 0; i < STORES; i++)
        make_store(&m, out, make_number(i), make_i32(&m, first + i, 1), 1, NULL);
    return m;
}

/* Calls the kernels from `first` on, each for its own piece of the arena. */
static const struct kprogram *program_of(struct arena *arena, const char *name, int32_t first, int32_t count) {
    struct make whole = long_kernel(arena, name, first);
    const struct kprogram *program = make_program(&whole);
    for (int32_t i = 1; i < count; i++) {
        struct make m = long_kernel(arena, name, first + i);
        struct kvar *var = (struct kvar *)m.call.argument[0];
        var->offset = i * ELEMENTS * (int64_t)sizeof(int32_t);
        vec_push(arena, &whole.program->vars, var);
        vec_push(arena, &whole.program->kernels, &m.made->kernel);
        vec_push(arena, &whole.program->calls, m.call);
    }
    return program;
}

static bool right(const struct codegen_code *code, const char *name, int32_t first, int32_t count) {
    static _Alignas(64) int32_t memory[KERNELS * ELEMENTS];
    struct xent_call call = {.arena = memory};
    codegen_entry entry = codegen_find(code, name);
    if (!entry)
        return false;
    memset(memory, 0, sizeof memory);
    entry(NULL, &call, 0, 1);
    for (int32_t k = 0; k < count; k++)
        for (int32_t i = 0; i < STORES; i++)
            if (memory[k * ELEMENTS + i] != first + k + i)
                return false;
    return true;
}

static size_t objects(const struct codegen_part *part) {
    size_t count = 0;
    uint64_t size;
    for (size_t at = 0; at < part->size; at += sizeof size + (size_t)size, count++)
        memcpy(&size, part->code + at, sizeof size);
    return count;
}

struct fixture {
    struct arena arena;
    struct codegen_target *target;
    const struct kprogram *programs[3]; /* `train` has two kernels of `test` and two of its own */
    struct codegen_part part[2];
};

static void fixture_init(struct fixture *f) {
    char *message = NULL;
    arena_init(&f->arena, NULL);
    f->target = codegen_target_create(NULL, NULL, &message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(f->target);
    f->programs[0] = program_of(&f->arena, "train", 0, KERNELS);
    f->programs[1] = program_of(&f->arena, "test", 2, 2);
    f->programs[2] = program_of(&f->arena, "other", 7, 1);
    f->part[0] = (struct codegen_part){.programs = f->programs, .count = 1};
    f->part[1] = (struct codegen_part){.programs = f->programs + 1, .count = 2};
}

static void fixture_compile(struct fixture *f, uint32_t threads) {
    char *message = NULL;
    CU_ASSERT_TRUE_FATAL(parallel_compile(f->target, f->part, 2, threads, make_lower, &message));
}

static void fixture_free_code(struct fixture *f) {
    free(f->part[0].code);
    free(f->part[1].code);
}

static void fixture_deinit(struct fixture *f) {
    codegen_target_destroy(f->target);
    arena_deinit(&f->arena);
}

static void test_any_threads(void) {
    static const uint32_t numbers[] = {0, 1, 2, 3, 1000};
    struct fixture f;
    size_t alone = 0;
    fixture_init(&f);
    for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++) {
        char *message = NULL;
        fixture_compile(&f, numbers[n]);
        struct codegen_code *train = codegen_load(f.target, f.part[0].code, f.part[0].size, &message);
        struct codegen_code *test = codegen_load(f.target, f.part[1].code, f.part[1].size, &message);
        CU_ASSERT_TRUE_FATAL(train && test);
        CU_ASSERT_TRUE(right(train, "train", 0, KERNELS));
        CU_ASSERT_TRUE(right(test, "test", 2, 2));
        CU_ASSERT_TRUE(right(test, "other", 7, 1));
        CU_ASSERT_PTR_NULL(codegen_find(train, "test"));
        if (numbers[n] <= 1)
            alone = objects(&f.part[0]);
        else
            CU_ASSERT_TRUE(objects(&f.part[0]) > alone);
        codegen_unload(train);
        codegen_unload(test);
        fixture_free_code(&f);
    }
    fixture_deinit(&f);
}

/* Which thread does what is chance; what comes out is not. */
static void test_same_code(void) {
    struct fixture f;
    fixture_init(&f);
    fixture_compile(&f, 3);
    for (int round = 0; round < 3; round++) {
        struct codegen_part before[] = {f.part[0], f.part[1]};
        fixture_compile(&f, 3);
        for (int p = 0; p < 2; p++) {
            CU_ASSERT_TRUE(before[p].size == f.part[p].size && !memcmp(before[p].code, f.part[p].code, before[p].size));
            free(before[p].code);
        }
    }
    fixture_free_code(&f);
    fixture_deinit(&f);
}

static void test_cut_short(void) {
    struct fixture f;
    fixture_init(&f);
    fixture_compile(&f, 2);
    for (size_t cut = 0; cut < f.part[0].size; cut += 1 + f.part[0].size / 17) {
        char *message = NULL;
        struct codegen_code *code = codegen_load(f.target, f.part[0].code, cut, &message);
        CU_ASSERT_TRUE(code != NULL || message != NULL);
        CU_ASSERT_TRUE(!code || !codegen_find(code, "train"));
        codegen_unload(code);
        free(message);
    }
    const unsigned char nothing[sizeof(uint64_t)] = {0}; /* an object of no bytes */
    char *message = NULL;
    CU_ASSERT_PTR_NULL(codegen_load(f.target, nothing, sizeof nothing, &message));
    CU_ASSERT_TRUE(message && strstr(message, "incomplete"));
    free(message);
    fixture_free_code(&f);
    fixture_deinit(&f);
}

#if defined(__x86_64__)
static void test_refused(void) {
    struct fixture f;
    char *message = NULL;
    fixture_init(&f);
    struct codegen_target *plain = codegen_target_create("x86-64", NULL, &message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(plain);
    ((struct kprogram *)f.programs[2])->arith = KARITH_FMA;
    CU_ASSERT_FALSE(parallel_compile(plain, f.part, 2, 2, make_lower, &message));
    CU_ASSERT_TRUE(message && strstr(message, "program `other` says `arith fma`"));
    CU_ASSERT_TRUE(!f.part[0].code && !f.part[1].code);
    free(message);
    codegen_target_destroy(plain);
    fixture_deinit(&f);
}
#endif

void suite_parallel(void) {
    CU_pSuite suite = CU_add_suite("parallel", NULL, NULL);
    CU_add_test(suite, "the same on any number of threads", test_any_threads);
    CU_add_test(suite, "the same from run to run", test_same_code);
    CU_add_test(suite, "code cut short", test_cut_short);
#if defined(__x86_64__)
    CU_add_test(suite, "a program that cannot be", test_refused);
#endif
}
