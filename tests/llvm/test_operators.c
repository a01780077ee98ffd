/* Every operator on every pair of awkward values, over vectors and scalars, against C: bit for bit. */
#include "test_llvm.h"

#include <CUnit/Basic.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

union element {
    float f;
    int32_t i;
};
#define TYPES_f KT_F32
#define TYPES_i KT_I32

static const float floats[16] = {0.0f,    -0.0f,   1.0f,      -2.5f,     3.1415927f, 1e-40f,   -1e-45f, FLT_MIN,
                                 FLT_MAX, -FLT_MAX, INFINITY, -INFINITY, NAN,        16777216.0f, -1e10f,  0.1f};
static const int32_t ints[16] = {0,     1,      -1,  2,   31,   32,         33, INT_MAX, INT_MIN,
                                 12345, -12345, 255, 256, -256, 0x55555555, 7};

static int32_t wrap(int64_t value) { return (int32_t)(uint32_t)(uint64_t)value; }
static float maximum(float a, float b) { return isnan(a) ? a : isnan(b) ? b : a < b ? b : a; }
static union element from_bits(int32_t bits) { return (union element){.i = bits}; }
static int32_t bits(float value) { return (union element){.f = value}.i; }
static int32_t arithmetic_shift(int32_t a, int32_t by) {
    return (int32_t)(a < 0 ? ~(~(uint32_t)a >> (by & 31)) : (uint32_t)a >> (by & 31));
}

/* name, operator, type of the operands, type of the result, C over a, b, c. Comparisons give bool, stored as 0 or 1. */
#define OPERATORS(X)                                                                                                   \
    X(neg_f, NEG, f, f, 1, -a.f)                                                                                       \
    X(neg_i, NEG, i, i, 1, wrap(-(int64_t)a.i))                                                                        \
    X(abs_f, ABS, f, f, 1, fabsf(a.f))                                                                                 \
    X(abs_i, ABS, i, i, 1, wrap(a.i < 0 ? -(int64_t)a.i : a.i))                                                        \
    X(sqrt_f, SQRT, f, f, 1, sqrtf(a.f))                                                                               \
    X(to_f32, TO_F32, i, f, 1, (float)a.i)                                                                             \
    X(bits, BITS, f, i, 1, bits(a.f))                                                                                  \
    X(from_bits, FROM_BITS, i, f, 1, from_bits(a.i).f)                                                                 \
    X(add_f, ADD, f, f, 2, a.f + b.f)                                                                                  \
    X(sub_f, SUB, f, f, 2, a.f - b.f)                                                                                  \
    X(mul_f, MUL, f, f, 2, a.f * b.f)                                                                                  \
    X(div_f, DIV, f, f, 2, a.f / b.f)                                                                                  \
    X(max_f, MAX, f, f, 2, maximum(a.f, b.f))                                                                          \
    X(add_i, ADD, i, i, 2, wrap((int64_t)a.i + b.i))                                                                   \
    X(sub_i, SUB, i, i, 2, wrap((int64_t)a.i - b.i))                                                                   \
    X(mul_i, MUL, i, i, 2, wrap((int64_t)a.i * b.i))                                                                   \
    X(max_i, MAX, i, i, 2, a.i < b.i ? b.i : a.i)                                                                      \
    X(shl, SHL, i, i, 2, (int32_t)((uint32_t)a.i << (b.i & 31)))                                                       \
    X(shr, SHR, i, i, 2, arithmetic_shift(a.i, b.i))                                                                   \
    X(lshr, LSHR, i, i, 2, (int32_t)((uint32_t)a.i >> (b.i & 31)))                                                     \
    X(and_i, AND, i, i, 2, a.i &b.i)                                                                                   \
    X(or_i, OR, i, i, 2, a.i | b.i)                                                                                    \
    X(xor_i, XOR, i, i, 2, a.i ^ b.i)                                                                                  \
    X(eq_f, EQ, f, i, 2, a.f == b.f)                                                                                   \
    X(ne_f, NE, f, i, 2, a.f != b.f)                                                                                   \
    X(lt_f, LT, f, i, 2, a.f < b.f)                                                                                    \
    X(le_f, LE, f, i, 2, a.f <= b.f)                                                                                   \
    X(gt_f, GT, f, i, 2, a.f > b.f)                                                                                    \
    X(ge_f, GE, f, i, 2, a.f >= b.f)                                                                                   \
    X(eq_i, EQ, i, i, 2, a.i == b.i)                                                                                   \
    X(ne_i, NE, i, i, 2, a.i != b.i)                                                                                   \
    X(lt_i, LT, i, i, 2, a.i < b.i)                                                                                    \
    X(le_i, LE, i, i, 2, a.i <= b.i)                                                                                   \
    X(gt_i, GT, i, i, 2, a.i > b.i)                                                                                    \
    X(ge_i, GE, i, i, 2, a.i >= b.i)                                                                                   \
    X(fma_f, FMA, f, f, 3, fused ? fmaf(a.f, b.f, c.f) : a.f *b.f + c.f)

#define X(name, op, from, to, arity, expression)                                                                       \
    static union element c_##name(union element a, union element b, union element c, bool fused) {                     \
        (void)b, (void)c, (void)fused;                                                                                 \
        return (union element){.to = expression};                                                                      \
    }
OPERATORS(X)
#undef X

struct row {
    const char *name;
    enum kop op;
    enum ktype from, to;
    uint32_t arity;
    union element (*reference)(union element a, union element b, union element c, bool fused);
};
static const struct row rows[] = {
#define X(name, op, from, to, arity, expression) {#name, KX_##op, TYPES_##from, TYPES_##to, arity, c_##name},
    OPERATORS(X)
#undef X
};
enum { ROWS = sizeof rows / sizeof *rows, PAIRS = 256 };

static bool compares(enum kop op) { return op >= KX_EQ && op <= KX_GE; }

/* for e: out[e] = op(a[e], b[e], c[e]) */
static struct kprogram *program_of(const struct row *row, struct arena *arena, enum karith arith, uint32_t width) {
    struct make m;
    const struct lterm *e;
    struct lvalue *arg[3] = {NULL, NULL, NULL};
    make_init(&m, arena, row->name, arith, width);
    struct kbuffer *in[3];
    for (uint32_t i = 0; i < 3; i++)
        in[i] = make_data(&m, "in", row->from, PAIRS);
    struct kbuffer *out = make_buffer(&m, "out", row->to, KA_OUT, PAIRS);
    make_for(&m, "e", make_number(0), make_number(PAIRS), width, &e);
    struct laffine at = make_affine(&m, 0, e, 1, NULL, 0, NULL, 0);
    for (uint32_t i = 0; i < row->arity; i++)
        arg[i] = make_load(&m, in[i], at, width, 1);
    struct lvalue *result = make_op(&m, row->op, compares(row->op) ? KT_BOOL : row->to, arg[0], arg[1], arg[2]);
    if (compares(row->op))
        result = make_op(&m, KX_SELECT, KT_I32, result, make_i32(&m, 1, width), make_i32(&m, 0, width));
    make_store(&m, out, at, result, 1, NULL);
    make_end(&m);
    return make_program(&m);
}

static union element value_at(enum ktype type, uint32_t i) {
    return type == KT_F32 ? (union element){.f = floats[i % 16]} : (union element){.i = ints[i % 16]};
}

static bool same(enum ktype type, union element x, union element y) {
    return type == KT_F32 ? bits_of(x.f) == bits_of(y.f) : x.i == y.i;
}

static void check_row(const struct row *row, const struct compiled *c, const struct test_target *t, uint32_t width) {
    union element in[3][PAIRS], out[PAIRS];
    const void *data[] = {in[0], in[1], in[2], NULL};
    for (uint32_t p = 0; p < PAIRS; p++)
        for (uint32_t i = 0; i < 3; i++)
            in[i][p] = value_at(row->from, i == 0 ? p : i == 1 ? p / 16 : p * 7 + p / 16 * 3);
    _Alignas(64) char arena[PAIRS * 4];
    CU_ASSERT_TRUE_FATAL(run(c, row->name, arena, data, NULL));
    memcpy(out, arena, sizeof out);
    for (uint32_t p = 0; p < PAIRS; p++) {
        union element wanted = row->reference(in[0][p], in[1][p], in[2][p], t->arith == KARITH_FMA);
        bool good = same(row->to, out[p], wanted);
        CU_ASSERT_TRUE(good);
        if (!good)
            printf("\n%s on %s width %u: %08x, %08x, %08x gave %08x, not %08x\n", row->name, t->cpu, width,
                   (unsigned)in[0][p].i, (unsigned)in[1][p].i, (unsigned)in[2][p].i, (unsigned)out[p].i,
                   (unsigned)wanted.i);
    }
}

static void check_width(const struct test_target *t, uint32_t width) {
    struct arena arena;
    arena_init(&arena, NULL);
    const struct kprogram *programs[ROWS];
    for (uint32_t r = 0; r < ROWS; r++)
        programs[r] = program_of(&rows[r], &arena, t->arith, width);
    struct compiled c = compile(t->cpu, NULL, programs, ROWS);
    CU_ASSERT_PTR_NULL(c.message);
    for (uint32_t r = 0; r < ROWS; r++)
        check_row(&rows[r], &c, t, width);
    compiled_free(&c);
    arena_deinit(&arena);
}

static void test_every_operator(void) {
    struct test_target targets[4];
    size_t count = test_targets(targets, 4);
    CU_ASSERT_TRUE(count > 0);
    for (size_t t = 0; t < count; t++) {
        check_width(&targets[t], targets[t].lanes);
        check_width(&targets[t], 1);
    }
}

/* A machine with FMA may still run what says `arith muladd`, and must then round twice. */
static void test_muladd_on_any_target(void) {
    struct test_target targets[4];
    size_t count = test_targets(targets, 4);
    for (size_t t = 0; t < count; t++) {
        targets[t].arith = KARITH_MULADD;
        check_width(&targets[t], targets[t].lanes);
    }
}

/* ---- max with a constant, where the emitter takes a shorter form; division by constants; u8 and bool ---- */

static const float constants[] = {0.0f, -0.0f, 2.0f, -3.0f, INFINITY, -INFINITY, NAN};
enum { CONSTANTS = sizeof constants / sizeof *constants };

static void test_max_with_constants(void) {
    struct test_target targets[4];
    size_t count = test_targets(targets, 4);
    for (size_t t = 0; t < count; t++) {
        uint32_t width = targets[t].lanes;
        struct arena arena;
        struct make m;
        const struct lterm *e;
        arena_init(&arena, NULL);
        make_init(&m, &arena, "max", targets[t].arith, width);
        struct kbuffer *in = make_data(&m, "in", KT_F32, 16);
        struct kbuffer *out = make_buffer(&m, "out", KT_F32, KA_OUT, 2 * CONSTANTS * 16);
        make_for(&m, "e", make_number(0), make_number(16), width, &e);
        struct lvalue *x = make_load(&m, in, make_affine(&m, 0, e, 1, NULL, 0, NULL, 0), width, 1);
        for (uint32_t i = 0; i < 2 * CONSTANTS; i++) {
            struct lvalue *one = make_f32(&m, constants[i / 2], 1), *c = make_splat(&m, one, width);
            struct lvalue *y = make_op(&m, KX_MAX, KT_F32, i % 2 ? c : x, i % 2 ? x : c, NULL);
            make_store(&m, out, make_affine(&m, i * 16, e, 1, NULL, 0, NULL, 0), y, 1, NULL);
        }
        make_end(&m);
        const struct kprogram *program = make_program(&m);
        struct compiled c = compile(targets[t].cpu, NULL, &program, 1);
        _Alignas(64) float got[2 * CONSTANTS * 16];
        const void *data[] = {floats, NULL};
        CU_ASSERT_TRUE_FATAL(run(&c, "max", got, data, NULL));
        for (uint32_t i = 0; i < 2 * CONSTANTS * 16; i++) {
            float constant = constants[i / 32], other = floats[i % 16];
            float wanted = i / 16 % 2 ? maximum(constant, other) : maximum(other, constant);
            CU_ASSERT_EQUAL(bits_of(got[i]), bits_of(wanted));
        }
        compiled_free(&c);
        arena_deinit(&arena);
    }
}

static const int32_t divisors[] = {1, 2, 3, 7, 8, 10, 784, 65536, 1000003};
enum { DIVISORS = sizeof divisors / sizeof *divisors };
static const int32_t numerators[16] = {0,   1,   2,   3,     6,     7,       8,           9,
                                       783, 784, 785, 65535, 65536, 1000003, INT_MAX - 1, INT_MAX};

static void test_division_by_constants(void) {
    struct test_target targets[4];
    size_t count = test_targets(targets, 4);
    for (size_t t = 0; t < count; t++) {
        uint32_t width = targets[t].lanes;
        struct arena arena;
        struct make m;
        const struct lterm *e;
        arena_init(&arena, NULL);
        make_init(&m, &arena, "divide", targets[t].arith, width);
        struct kbuffer *in = make_data(&m, "in", KT_I32, 16);
        struct kbuffer *out = make_buffer(&m, "out", KT_I32, KA_OUT, 2 * DIVISORS * 16);
        make_for(&m, "e", make_number(0), make_number(16), width, &e);
        struct lvalue *x = make_load(&m, in, make_affine(&m, 0, e, 1, NULL, 0, NULL, 0), width, 1);
        for (uint32_t i = 0; i < 2 * DIVISORS; i++) {
            struct lvalue *d = make_i32(&m, divisors[i / 2], width);
            struct lvalue *y = make_op(&m, i % 2 ? KX_MOD : KX_DIV, KT_I32, x, d, NULL);
            make_store(&m, out, make_affine(&m, i * 16, e, 1, NULL, 0, NULL, 0), y, 1, NULL);
        }
        make_end(&m);
        const struct kprogram *program = make_program(&m);
        struct compiled c = compile(targets[t].cpu, NULL, &program, 1);
        _Alignas(64) int32_t got[2 * DIVISORS * 16];
        const void *data[] = {numerators, NULL};
        CU_ASSERT_TRUE_FATAL(run(&c, "divide", got, data, NULL));
        for (uint32_t i = 0; i < 2 * DIVISORS * 16; i++) {
            int32_t n = numerators[i % 16], d = divisors[i / 32];
            CU_ASSERT_EQUAL(got[i], i / 16 % 2 ? n % d : n / d);
        }
        compiled_free(&c);
        arena_deinit(&arena);
    }
}

/* out f[e] = f32(u[e]); w[e] = u8(i32(u[e]) + 3000 * e); p[e] = select((u > 100 && !(u == 200)) || scalar, 1, 0) */
static void test_small_types(void) {
    enum { N = 256 };
    struct test_target targets[4];
    size_t count = test_targets(targets, 4);
    for (size_t t = 0; t < 2 * count; t++) {
        uint32_t width = t % 2 ? 1 : targets[t / 2].lanes;
        struct arena arena;
        struct make m;
        const struct lterm *e;
        arena_init(&arena, NULL);
        make_init(&m, &arena, "small", targets[t / 2].arith, width);
        struct kbuffer *u = make_data(&m, "u", KT_U8, N);
        struct kbuffer *f = make_buffer(&m, "f", KT_F32, KA_OUT, N), *w = make_buffer(&m, "w", KT_U8, KA_OUT, N);
        struct kbuffer *p = make_buffer(&m, "p", KT_I32, KA_OUT, N);
        struct kscalar *scalar = make_scalar(&m, "all", KT_BOOL);
        make_for(&m, "e", make_number(0), make_number(N), width, &e);
        struct laffine at = make_affine(&m, 0, e, 1, NULL, 0, NULL, 0);
        struct lvalue *x = make_load(&m, u, at, width, 1), *wide = make_op(&m, KX_TO_I32, KT_I32, x, NULL, NULL);
        make_store(&m, f, at, make_op(&m, KX_TO_F32, KT_F32, x, NULL, NULL), 1, NULL);
        struct lvalue *number = make_value(&m, LO_INTEGER, KT_I32, width);
        number->integer = make_affine(&m, 7, e, 3000, NULL, 0, NULL, 0);
        make_define(&m, number);
        struct lvalue *lane = make_value(&m, LO_LANE, KT_I32, width);
        struct lvalue *sum = make_op(&m, KX_ADD, KT_I32, make_op(&m, KX_ADD, KT_I32, wide, number, NULL), lane, NULL);
        make_store(&m, w, at, sum, 1, NULL); /* an i32 into a u8 place: truncated */
        struct lvalue *large = make_op(&m, KX_GT, KT_BOOL, wide, make_i32(&m, 100, width), NULL);
        struct lvalue *small = make_op(&m, KX_TO_U8, KT_U8, make_i32(&m, 200 + 256, width), NULL, NULL);
        struct lvalue *is200 = make_op(&m, KX_EQ, KT_BOOL, x, small, NULL);
        struct lvalue *not200 = make_op(&m, KX_NOT, KT_BOOL, is200, NULL, NULL);
        struct lvalue *all = make_value(&m, LO_SCALAR, KT_BOOL, width);
        all->scalar = scalar;
        struct lvalue *both = make_op(&m, KX_LAND, KT_BOOL, large, not200, NULL);
        struct lvalue *any = make_op(&m, KX_LOR, KT_BOOL, both, all, NULL);
        make_store(&m, p, at, make_op(&m, KX_TO_I32, KT_I32, any, NULL, NULL), 1, NULL);
        make_end(&m);
        const struct kprogram *program = make_program(&m);
        struct compiled c = compile(targets[t / 2].cpu, NULL, &program, 1);
        uint8_t bytes[N];
        for (uint32_t i = 0; i < N; i++)
            bytes[i] = (uint8_t)(i * 37);
        char *memory = aligned_alloc(64, (size_t)m.arena_bytes);
        const void *data[] = {bytes, NULL};
        for (int32_t on = 0; on < 2; on++) {
            union xent_scalar scalars[XENT_MAX_SCALARS] = {{.i = on * 4}};
            CU_ASSERT_TRUE_FATAL(run(&c, "small", memory, data, scalars));
            const float *got_f = (void *)(memory + make_offset(&m, f));
            const uint8_t *got_w = (void *)(memory + make_offset(&m, w));
            const int32_t *got_p = (void *)(memory + make_offset(&m, p));
            for (uint32_t i = 0; i < N; i++) {
                uint32_t l = i % width, base = i - l;
                CU_ASSERT_EQUAL(got_f[i], (float)bytes[i]);
                CU_ASSERT_EQUAL(got_w[i], (uint8_t)(bytes[i] + 7 + 3000 * base + l));
                CU_ASSERT_EQUAL(got_p[i], (bytes[i] > 100 && bytes[i] != 200) || on);
            }
        }
        free(memory);
        compiled_free(&c);
        arena_deinit(&arena);
    }
}

void suite_operators(void) {
    CU_pSuite suite = CU_add_suite("operators", NULL, NULL);
    CU_add_test(suite, "every operator on awkward values", test_every_operator);
    CU_add_test(suite, "arith muladd rounds twice everywhere", test_muladd_on_any_target);
    CU_add_test(suite, "max with constants", test_max_with_constants);
    CU_add_test(suite, "i32 division by constants", test_division_by_constants);
    CU_add_test(suite, "u8 and bool", test_small_types);
}
