/* Control flow: trip counts from none to many, several bounds, carried registers, branches, threads and barriers. */
#include "test_llvm.h"

#include <CUnit/Basic.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* sum = -1; for i from max(lo, 3) to min(hi, 40) step: sum = sum * 3 + i; out[0] = sum. lo and hi are scalars. */
static void test_bounds_at_run_time(void) {
    struct arena arena;
    struct make m;
    const struct lterm *i;
    arena_init(&arena, NULL);
    make_init(&m, &arena, "bounds", KARITH_MULADD, 1);
    struct kbuffer *out = make_buffer(&m, "out", KT_I32, KA_OUT, 1);
    struct kscalar *lo = make_scalar(&m, "lo", KT_I32), *hi = make_scalar(&m, "hi", KT_I32);
    struct laffine *los = ARENA_ARRAY(&arena, struct laffine, 2), *his = ARENA_ARRAY(&arena, struct laffine, 2);
    los[0] = make_affine(&m, 0, make_of_scalar(&m, lo), 1, NULL, 0, NULL, 0);
    los[1] = make_number(3);
    his[0] = make_affine(&m, 0, make_of_scalar(&m, hi), 1, NULL, 0, NULL, 0);
    his[1] = make_number(40);
    struct lstatement *loop = make_for(&m, "i", make_number(0), make_number(0), 4, &i);
    loop->lo = los;
    loop->hi = his;
    loop->los = loop->his = 2;
    struct lvalue *sum = make_value(&m, LO_PHI, KT_I32, 1), *number = make_value(&m, LO_INTEGER, KT_I32, 1);
    number->integer = make_affine(&m, 0, i, 1, NULL, 0, NULL, 0);
    make_define(&m, number);
    struct lvalue *next = make_op(&m, KX_MUL, KT_I32, sum, make_i32(&m, 3, 1), NULL);
    next = make_op(&m, KX_ADD, KT_I32, next, number, NULL);
    make_carry(&m, loop, sum, make_i32(&m, -1, 1), next);
    make_end(&m);
    make_store(&m, out, make_number(0), sum, 1, NULL);
    const struct kprogram *program = make_program(&m);
    struct compiled c = compile(NULL, NULL, &program, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c.code);
    static const int32_t los_tried[] = {0, 3, 5, 39, 40, 60}, his_tried[] = {0, 3, 4, 7, 8, 39, 41, 90};
    for (uint32_t a = 0; a < 6; a++)
        for (uint32_t b = 0; b < 8; b++) {
            union xent_scalar scalars[XENT_MAX_SCALARS] = {{.i = los_tried[a]}, {.i = his_tried[b]}};
            _Alignas(64) int32_t got[16];
            CU_ASSERT_TRUE_FATAL(run(&c, "bounds", got, NULL, scalars));
            int32_t from = los_tried[a] > 3 ? los_tried[a] : 3, to = his_tried[b] < 40 ? his_tried[b] : 40;
            uint32_t wanted = (uint32_t)-1;
            for (int32_t k = from; k < to; k += 4)
                wanted = wanted * 3 + (uint32_t)k;
            CU_ASSERT_EQUAL((uint32_t)got[0], wanted);
        }
    compiled_free(&c);
    arena_deinit(&arena);
}

/* Loops that are known to run once, and two registers that change places in every iteration. */
static void test_constant_loops(void) {
    for (int64_t trips = 1; trips <= 5; trips++) {
        struct arena arena;
        struct make m;
        const struct lterm *i, *k;
        arena_init(&arena, NULL);
        make_init(&m, &arena, "swap", KARITH_MULADD, 1);
        struct kbuffer *out = make_buffer(&m, "out", KT_I32, KA_OUT, 16);
        make_for(&m, "i", make_number(0), make_number(3), 1, &i);
        struct lstatement *loop = make_for(&m, "k", make_affine(&m, 2, i, 5, NULL, 0, NULL, 0),
                                           make_affine(&m, 2 + 2 * trips, i, 5, NULL, 0, NULL, 0), 2, &k);
        struct lvalue *a = make_value(&m, LO_PHI, KT_I32, 1), *b = make_value(&m, LO_PHI, KT_I32, 1);
        struct lvalue *number = make_value(&m, LO_INTEGER, KT_I32, 1);
        const struct lterm *part = make_divided(&m, LT_DIV, make_affine(&m, 1, k, 1, NULL, 0, NULL, 0), 4);
        const struct lterm *rest = make_divided(&m, LT_MOD, make_affine(&m, 0, k, 3, NULL, 0, NULL, 0), 7);
        number->integer = make_affine(&m, 0, part, 10, rest, 1, NULL, 0);
        make_define(&m, number);
        struct lvalue *sum = make_op(&m, KX_ADD, KT_I32, a, number, NULL);
        make_carry(&m, loop, a, make_i32(&m, 100, 1), b);
        make_carry(&m, loop, b, make_i32(&m, 1, 1), sum);
        make_end(&m);
        make_store(&m, out, make_affine(&m, 0, i, 2, NULL, 0, NULL, 0), a, 1, NULL);
        make_store(&m, out, make_affine(&m, 1, i, 2, NULL, 0, NULL, 0), b, 1, NULL);
        make_end(&m);
        const struct kprogram *program = make_program(&m);
        struct compiled c = compile(NULL, NULL, &program, 1);
        _Alignas(64) int32_t got[16];
        CU_ASSERT_TRUE_FATAL(run(&c, "swap", got, NULL, NULL));
        for (int32_t n = 0; n < 3; n++) {
            int32_t x = 100, y = 1;
            for (int32_t at = 2 + 5 * n, t = 0; t < trips; t++, at += 2) {
                int32_t next = x + (at + 1) / 4 * 10 + 3 * at % 7;
                x = y;
                y = next;
            }
            CU_ASSERT_EQUAL(got[2 * n], x);
            CU_ASSERT_EQUAL(got[2 * n + 1], y);
        }
        compiled_free(&c);
        arena_deinit(&arena);
    }
}

/* v = if x[e] < 0: table[-x] else: x; a branch without a value stores only where x is 7; addresses by an index read. */
static void test_branches(void) {
    struct arena arena;
    struct make m;
    const struct lterm *e;
    arena_init(&arena, NULL);
    make_init(&m, &arena, "branch", KARITH_MULADD, 1);
    struct kbuffer *x = make_data(&m, "x", KT_I32, 8), *table = make_data(&m, "table", KT_I32, 8);
    struct kbuffer *out = make_buffer(&m, "out", KT_I32, KA_OUT, 8), *hits = make_buffer(&m, "hits", KT_I32, KA_OUT, 8);
    make_for(&m, "e", make_number(0), make_number(8), 1, &e);
    struct laffine at = make_affine(&m, 0, e, 1, NULL, 0, NULL, 0);
    struct lvalue *v = make_load(&m, x, at, 1, 0), *zero = make_i32(&m, 0, 1);
    struct lvalue *negative = make_op(&m, KX_LT, KT_BOOL, v, zero, NULL);
    struct lstatement *branch = make_if(&m, negative);
    struct lvalue *index = make_op(&m, KX_NEG, KT_I32, v, NULL, NULL);
    struct lvalue *found =
        make_load(&m, table, make_affine(&m, -1, make_of_value(&m, index), 1, NULL, 0, NULL, 0), 1, 0);
    make_else(&m, branch);
    struct lvalue *same = make_op(&m, KX_ADD, KT_I32, v, zero, NULL);
    make_end(&m);
    struct lvalue *phi = make_value(&m, LO_PHI, KT_I32, 1);
    make_carry(&m, branch, phi, found, same);
    make_store(&m, out, at, phi, 1, NULL);
    make_if(&m, make_op(&m, KX_EQ, KT_BOOL, v, make_i32(&m, 7, 1), NULL));
    make_store(&m, hits, at, make_i32(&m, 1, 1), 1, NULL);
    make_end(&m);
    make_end(&m);
    const struct kprogram *program = make_program(&m);
    struct compiled c = compile(NULL, NULL, &program, 1);
    static const int32_t input[8] = {3, -1, 7, -8, 0, -4, 7, 2}, entries[8] = {10, 20, 30, 40, 50, 60, 70, 80};
    _Alignas(64) int32_t got[32] = {0};
    const void *data[] = {input, entries, NULL};
    CU_ASSERT_TRUE_FATAL(run(&c, "branch", got, data, NULL));
    for (uint32_t i = 0; i < 8; i++) {
        CU_ASSERT_EQUAL(got[i], input[i] < 0 ? entries[-input[i] - 1] : input[i]);
        CU_ASSERT_EQUAL(got[16 + i], input[i] == 7);
    }
    compiled_free(&c);
    arena_deinit(&arena);
}

struct meeting {
    uint32_t calls, last;
};
static void note_barrier(void *context, uint32_t thread) {
    struct meeting *meeting = context;
    meeting->calls++;
    meeting->last = thread;
}

/* Each iteration is done by exactly one thread, thread 0 alone does `once`, and barriers are met only by several. */
static void test_threads(void) {
    struct arena arena;
    struct make m;
    const struct lterm *i;
    arena_init(&arena, NULL);
    make_init(&m, &arena, "threads", KARITH_MULADD, 1);
    struct kbuffer *out = make_buffer(&m, "out", KT_I32, KA_INOUT, 64);
    struct kbuffer *one = make_buffer(&m, "one", KT_I32, KA_INOUT, 1);
    struct kscalar *count = make_scalar(&m, "count", KT_I32);
    make_for(&m, "i", make_number(2), make_affine(&m, 0, make_of_scalar(&m, count), 1, NULL, 0, NULL, 0), 3, &i)
        ->parallel = true;
    struct laffine at = make_affine(&m, 0, i, 1, NULL, 0, NULL, 0);
    struct lvalue *old = make_load(&m, out, at, 1, 0);
    make_store(&m, out, at, make_op(&m, KX_ADD, KT_I32, old, make_i32(&m, 1, 1), NULL), 1, NULL);
    make_end(&m);
    make_once(&m);
    struct lvalue *was = make_load(&m, one, make_number(0), 1, 0);
    make_store(&m, one, make_number(0), make_op(&m, KX_ADD, KT_I32, was, make_i32(&m, 1, 1), NULL), 1, NULL);
    make_end(&m);
    make_program(&m);
    vec_push(&arena, &m.program->calls, (struct kcall){0}); /* a barrier, then the kernel again */
    const struct kprogram *program = make_program(&m);
    struct compiled c = compile(NULL, NULL, &program, 1);
    codegen_entry entry = c.code ? codegen_find(c.code, "threads") : NULL;
    CU_ASSERT_PTR_NOT_NULL_FATAL(entry);
    static const int32_t counts[] = {0, 2, 3, 6, 17, 50, 60};
    for (uint32_t n = 0; n < 7; n++)
        for (uint32_t threads = 1; threads <= 9; threads++) {
            _Alignas(64) int32_t got[128] = {0};
            struct meeting meeting = {0, 0};
            struct xent_call call = {.arena = got, .barrier = note_barrier, .barrier_context = &meeting};
            call.scalar[0].i = counts[n];
            for (uint32_t t = 0; t < threads; t++) {
                entry(NULL, &call, t, threads);
                CU_ASSERT_TRUE(threads == 1 || meeting.last == t);
            }
            CU_ASSERT_EQUAL(meeting.calls, threads > 1 ? threads : 0);
            for (int32_t k = 0; k < 64; k++)
                CU_ASSERT_EQUAL(got[k], k >= 2 && k < counts[n] && (k - 2) % 3 == 0 ? 2 : 0);
            CU_ASSERT_EQUAL(got[64], 2);
        }
    compiled_free(&c);
    arena_deinit(&arena);
}

/* The same bytes from run to run: what an object cache rests on. */
static void test_same_object(void) {
    unsigned char *object[2];
    size_t size[2];
    for (uint32_t round = 0; round < 2; round++) {
        struct arena arena;
        struct make m;
        const struct lterm *i, *k;
        char *message = NULL;
        arena_init(&arena, NULL);
        free(malloc(1000 + 5000 * round));
        make_init(&m, &arena, "same", KARITH_MULADD, 1);
        struct kbuffer *out = make_buffer(&m, "out", KT_I32, KA_OUT, 64);
        make_for(&m, "i", make_number(0), make_number(4), 1, &i);
        make_for(&m, "k", make_number(0), make_number(4), 1, &k);
        make_store(&m, out, make_affine(&m, 0, i, 5, k, 3, i, 2), make_i32(&m, 1, 1), 1, NULL);
        make_end(&m);
        make_end(&m);
        const struct kprogram *program = make_program(&m);
        struct compiled c = compile(NULL, NULL, &program, 1);
        CU_ASSERT_PTR_NOT_NULL_FATAL(c.module);
        object[round] = codegen_object(c.module, &size[round], &message);
        CU_ASSERT_PTR_NOT_NULL_FATAL(object[round]);
        compiled_free(&c);
        arena_deinit(&arena);
    }
    CU_ASSERT_TRUE(size[0] == size[1] && memcmp(object[0], object[1], size[0]) == 0);
    free(object[0]);
    free(object[1]);
}

static uint32_t count_in_ir(const struct compiled *c, const char *what) {
    char *text = codegen_ir_text(c->module);
    uint32_t count = 0;
    for (const char *at = text; (at = strstr(at, what)); at++)
        count++;
    free(text);
    return count;
}

/* Loops of two iterations within each other are written out, but not 2^6 times. */
static void test_brief_loops(void) {
    enum { DEPTH = 6 };
    struct arena arena;
    struct make m;
    const struct lterm *var[DEPTH];
    struct lproduct product[DEPTH];
    arena_init(&arena, NULL);
    make_init(&m, &arena, "brief", KARITH_MULADD, 1);
    struct kbuffer *out = make_buffer(&m, "out", KT_I32, KA_OUT, 1 << DEPTH);
    for (uint32_t d = 0; d < DEPTH; d++) {
        make_for(&m, "i", make_number(0), make_number(2), 1, &var[d]);
        product[d] = (struct lproduct){var[d], 1 << d};
    }
    make_store(&m, out, (struct laffine){.count = DEPTH, .product = product}, make_i32(&m, 41, 1), 1, NULL);
    for (uint32_t d = 0; d < DEPTH; d++)
        make_end(&m);
    const struct kprogram *program = make_program(&m);
    struct compiled c = compile(NULL, NULL, &program, 1);
    CU_ASSERT_TRUE_FATAL(c.module != NULL);
    uint32_t stores = count_in_ir(&c, "store i32 41");
    CU_ASSERT_TRUE(stores > 1 && stores <= 8);
    _Alignas(64) int32_t got[1 << DEPTH] = {0};
    const void *data[] = {NULL};
    CU_ASSERT_TRUE_FATAL(run(&c, "brief", got, data, NULL));
    for (uint32_t i = 0; i < 1 << DEPTH; i++)
        CU_ASSERT_EQUAL(got[i], 41);
    compiled_free(&c);
    arena_deinit(&arena);
}

static const struct kprogram *one_store(struct arena *arena, const char *program, enum karith arith, int64_t offset) {
    struct make m;
    make_init(&m, arena, "shared", arith, 1);
    m.program->name = program;
    struct kbuffer *out = make_buffer(&m, "out", KT_F32, KA_OUT, 4);
    m.made->kernel.name = program; /* names are not what makes kernels differ */
    ((struct kvar *)m.call.argument[0])->offset = offset;
    struct lvalue *tenth = make_f32(&m, 0.1f, 1);
    struct lvalue *sum = make_op(&m, KX_FMA, KT_F32, tenth, tenth, make_f32(&m, -0.01f, 1));
    make_store(&m, out, make_number(0), sum, 1, NULL);
    return make_program(&m);
}

/* Entries share kernels that are the same; not those whose buffers lie differently or whose arithmetic differs. */
static void test_shared_kernels(void) {
    struct arena arena;
    char *message = NULL;
    arena_init(&arena, NULL);
    struct codegen_target *target = codegen_target_create(NULL, NULL, &message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(target);
    enum karith arith = codegen_target_facts(target)->fma ? KARITH_FMA : KARITH_MULADD;
    const struct kprogram *programs[] = {
        one_store(&arena, "a", arith, 0),
        one_store(&arena, "b", arith, 64),
        one_store(&arena, "c", arith, 4),
        one_store(&arena, "d", KARITH_MULADD, 0),
    };
    struct compiled c = compile(NULL, NULL, programs, 4);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c.code);
    CU_ASSERT_EQUAL(count_in_ir(&c, "\ndefine "), arith == KARITH_FMA ? 4 + 3 : 4 + 2);
    _Alignas(64) float memory[32] = {0};
    for (uint32_t p = 0; p < 4; p++)
        CU_ASSERT_TRUE_FATAL(run(&c, programs[p]->name, memory, NULL, NULL));
    CU_ASSERT_EQUAL(memory[16], memory[1]);
    CU_ASSERT_EQUAL(memory[0], 0.1f * 0.1f - 0.01f); /* what d wrote over a */
    compiled_free(&c);
    codegen_target_destroy(target);
    arena_deinit(&arena);
}

static const struct kprogram *one_look_up(struct arena *arena, const char *program, const float *value) {
    struct make m;
    make_init(&m, arena, "look", KARITH_MULADD, 1);
    m.program->name = program;
    struct kbuffer *out = make_buffer(&m, "out", KT_F32, KA_OUT, 3), *table = make_table(&m, "table", value, 3);
    for (int64_t i = 0; i < 3; i++)
        make_store(&m, out, make_number(i), make_load(&m, table, make_number(2 - i), 1, 1), 1, NULL);
    return make_program(&m);
}

/* Equal tables are one array, and kernels that differ in their tables are still one function. */
static void test_tables(void) {
    static const float first[] = {0.1f, -0.0f, INFINITY}, same[] = {0.1f, -0.0f, INFINITY}, other[] = {0.1f, 0, 1e-45f};
    const float *values[] = {first, same, other};
    struct arena arena;
    arena_init(&arena, NULL);
    const struct kprogram *programs[] = {one_look_up(&arena, "a", first), one_look_up(&arena, "b", same),
                                         one_look_up(&arena, "c", other)};
    struct compiled c = compile(NULL, NULL, programs, 3);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c.code);
    CU_ASSERT_EQUAL(count_in_ir(&c, "\n@"), 2);
    CU_ASSERT_EQUAL(count_in_ir(&c, "\ndefine "), 1 + 3);
    for (uint32_t p = 0; p < 3; p++) {
        _Alignas(64) float memory[16] = {0};
        CU_ASSERT_TRUE_FATAL(run(&c, programs[p]->name, memory, NULL, NULL));
        for (int i = 0; i < 3; i++)
            CU_ASSERT_TRUE(memcmp(&memory[i], &values[p][2 - i], sizeof *memory) == 0);
    }
    compiled_free(&c);
    arena_deinit(&arena);
}

void suite_loops(void) {
    CU_pSuite suite = CU_add_suite("loops", NULL, NULL);
    CU_add_test(suite, "bounds known only at run time", test_bounds_at_run_time);
    CU_add_test(suite, "constant bounds and carried registers", test_constant_loops);
    CU_add_test(suite, "brief loops within each other", test_brief_loops);
    CU_add_test(suite, "branches", test_branches);
    CU_add_test(suite, "threads, once, barriers", test_threads);
    CU_add_test(suite, "kernels that are the same are one", test_shared_kernels);
    CU_add_test(suite, "tables that are the same are one", test_tables);
    CU_add_test(suite, "objects are the same from run to run", test_same_object);
}
