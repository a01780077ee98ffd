/* Transpositions and the sum of sixteen by halves. */
#include "test_llvm.h"

#include <CUnit/Basic.h>

static void check_transposition(const struct test_target *t, enum ktype type) {
    uint32_t n = t->lanes;
    struct arena arena;
    struct make m;
    const struct lvalue *rows[16];
    arena_init(&arena, NULL);
    make_init(&m, &arena, "transpose", t->arith, n);
    struct kbuffer *in = make_data(&m, "in", type, n * n), *out = make_buffer(&m, "out", type, KA_OUT, n * n);
    for (uint32_t r = 0; r < n; r++)
        rows[r] = make_load(&m, in, make_number(r * n), n, 1);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t r = (i * 5 + 2) % n; /* the rows are asked for in any order */
        struct lvalue *row = make_value(&m, LO_TRANSPOSED, type, n);
        const struct lvalue **copy = ARENA_ARRAY(&arena, const struct lvalue *, n);
        memcpy(copy, rows, n * sizeof *copy);
        row->arg = copy;
        row->args = n;
        row->stride = r;
        make_define(&m, row);
        make_store(&m, out, make_number(r * n), row, 1, NULL)->aligned = n > 1;
    }
    const struct kprogram *program = make_program(&m);
    struct compiled c = compile(t->cpu, NULL, &program, 1);
    uint32_t bytes = emit_bytes(type);
    char input[16 * 16 * 4];
    _Alignas(64) char got[16 * 16 * 4];
    for (uint32_t i = 0; i < n * n * bytes; i++)
        input[i] = (char)(i * 7 + i / 256);
    const void *data[] = {input, NULL};
    CU_ASSERT_TRUE_FATAL(run(&c, "transpose", got, data, NULL));
    for (uint32_t r = 0; r < n; r++)
        for (uint32_t k = 0; k < n; k++)
            CU_ASSERT_EQUAL(memcmp(got + (r * n + k) * bytes, input + (k * n + r) * bytes, bytes), 0);
    compiled_free(&c);
    arena_deinit(&arena);
}

static struct lvalue *make_of(struct make *m, struct arena *arena, enum lop op, uint32_t n,
                              const struct lvalue *const *arg, uint32_t args) {
    struct lvalue *value = make_value(m, op, KT_F32, n);
    const struct lvalue **copy = ARENA_ARRAY(arena, const struct lvalue *, args);
    memcpy(copy, arg, args * sizeof *copy);
    value->arg = copy;
    value->args = args;
    make_define(m, value);
    return value;
}

/* Runs what was made on the numbers from 0 on. */
static void run_on_numbers(struct make *m, const struct test_target *t, const char *name, uint32_t count, float *got) {
    const struct kprogram *program = make_program(m);
    struct compiled c = compile(t->cpu, NULL, &program, 1);
    float input[64];
    for (uint32_t i = 0; i < count; i++)
        input[i] = (float)i;
    const void *data[] = {input, NULL};
    CU_ASSERT_TRUE_FATAL(run(&c, name, got, data, NULL));
    compiled_free(&c);
}

/* A matrix of n rows of four, loaded in blocks of four by four; its last row is a number instead. */
static void check_squares(const struct test_target *t) {
    uint32_t n = t->lanes;
    struct arena arena;
    struct make m;
    const struct lvalue *row[4], *part[4];
    if (n < 8)
        return;
    arena_init(&arena, NULL);
    make_init(&m, &arena, "squares", t->arith, n);
    struct kbuffer *in = make_data(&m, "in", KT_F32, 4 * n), *out = make_buffer(&m, "out", KT_F32, KA_OUT, 4 * n);
    for (uint32_t r = 0; r < 4; r++) {
        for (uint32_t q = 0; q < n / 4; q++)
            part[q] = 4 * q + r == n - 1 ? make_load(&m, in, make_number(0), 1, 1)
                                         : make_load(&m, in, make_number((4 * q + r) * 4), 4, 1);
        row[r] = make_of(&m, &arena, LO_JOIN, n, part, n / 4);
    }
    for (uint32_t r = 0; r < 4; r++) {
        struct lvalue *column = make_of(&m, &arena, LO_TRANSPOSED, n, row, 4);
        column->stride = (r + 2) % 4;
        make_store(&m, out, make_number(column->stride * n), column, 1, NULL);
    }
    _Alignas(64) float got[64];
    run_on_numbers(&m, t, "squares", 4 * n, got);
    for (uint32_t r = 0; r < 4; r++)
        for (uint32_t l = 0; l < n; l++)
            CU_ASSERT_EQUAL(got[r * n + l], l == n - 1 ? 0.0f : (float)(l * 4 + r));
    arena_deinit(&arena);
}

/* Four rows of n, stored as n rows of four. */
static void check_fours(const struct test_target *t) {
    uint32_t n = t->lanes;
    struct arena arena;
    struct make m;
    const struct lvalue *row[4];
    if (n < 8)
        return;
    arena_init(&arena, NULL);
    make_init(&m, &arena, "fours", t->arith, n);
    struct kbuffer *in = make_data(&m, "in", KT_F32, 4 * n), *out = make_buffer(&m, "out", KT_F32, KA_OUT, 4 * n);
    for (uint32_t r = 0; r < 4; r++)
        row[r] = make_load(&m, in, make_number(r * n), n, 1);
    for (uint32_t j = 0; j < 4; j++) {
        struct lvalue *columns = make_of(&m, &arena, LO_TRANSPOSED, n, row, 4);
        columns->stride = j;
        for (uint32_t q = 0; q < n / 4; q++) {
            struct lvalue *column = make_of(&m, &arena, LO_PART, 4, (const struct lvalue *[]){columns}, 1);
            column->stride = 4 * q;
            make_store(&m, out, make_number((4 * q + j) * 4), column, 1, NULL)->aligned = true;
        }
    }
    _Alignas(64) float got[64];
    run_on_numbers(&m, t, "fours", 4 * n, got);
    for (uint32_t i = 0; i < 4 * n; i++)
        CU_ASSERT_EQUAL(got[i], (float)(i % 4 * n + i / 4));
    arena_deinit(&arena);
}

static void test_transposition(void) {
    struct test_target targets[4];
    size_t count = test_targets(targets, 4);
    for (size_t t = 0; t < count; t++) {
        check_transposition(&targets[t], KT_F32);
        check_transposition(&targets[t], KT_I32);
        check_transposition(&targets[t], KT_U8);
        check_squares(&targets[t]);
        check_fours(&targets[t]);
    }
}

/* No order but this one gives these bits: the values differ by many orders of magnitude. */
static float by_halves(const float *x) {
    float s[16];
    memcpy(s, x, sizeof s);
    for (uint32_t n = 8; n > 0; n /= 2)
        for (uint32_t l = 0; l < n; l++)
            s[l] = s[l] + s[l + n];
    return s[0];
}

static void check_fold(const struct test_target *t, uint32_t width) {
    struct arena arena;
    struct make m;
    const struct lvalue *args[16];
    arena_init(&arena, NULL);
    make_init(&m, &arena, "fold", t->arith, width);
    struct kbuffer *in = make_data(&m, "in", KT_F32, 16), *out = make_buffer(&m, "out", KT_F32, KA_OUT, 1);
    for (uint32_t i = 0; i < 16 / width; i++)
        args[i] = make_load(&m, in, make_number(i * width), width, 1);
    struct lvalue *sum = make_value(&m, LO_FOLD16, KT_F32, 1);
    sum->arg = args;
    sum->args = 16 / width;
    make_define(&m, sum);
    make_store(&m, out, make_number(0), sum, 1, NULL);
    const struct kprogram *program = make_program(&m);
    struct compiled c = compile(t->cpu, NULL, &program, 1);
    for (uint32_t round = 0; round < 50; round++) {
        float input[16];
        _Alignas(64) float got[16];
        for (uint32_t l = 0; l < 16; l++) {
            uint32_t h = (round * 16 + l) * 2654435761u;
            input[l] = ((float)(h >> 8 & 0xffff) - 32768.0f) * (float)(1u << (h >> 27));
        }
        const void *data[] = {input, NULL};
        CU_ASSERT_TRUE_FATAL(run(&c, "fold", got, data, NULL));
        CU_ASSERT_EQUAL(bits_of(got[0]), bits_of(by_halves(input)));
    }
    compiled_free(&c);
    arena_deinit(&arena);
}

static void test_fold(void) {
    struct test_target targets[4];
    size_t count = test_targets(targets, 4);
    for (size_t t = 0; t < count; t++) {
        check_fold(&targets[t], targets[t].lanes);
        check_fold(&targets[t], 1);
    }
}

void suite_shuffle(void) {
    CU_pSuite suite = CU_add_suite("shuffle", NULL, NULL);
    CU_add_test(suite, "transpositions", test_transposition);
    CU_add_test(suite, "the sum of sixteen by halves", test_fold);
}
