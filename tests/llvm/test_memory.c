/* Loads and stores of every shape, their data at the end of a mapped page: a lane that is read or written although its
 * mask is off ends the test. */
#include "test_llvm.h"

#include <CUnit/Basic.h>
#include <stdlib.h>

enum { N = 16 };

/* mask[l] = l < live */
static struct lvalue *first_lanes(struct make *m, const struct kscalar *live, uint32_t width) {
    struct lvalue *lane = make_value(m, LO_LANE, KT_I32, width), *bound = make_value(m, LO_SCALAR, KT_I32, width);
    bound->scalar = live;
    return make_op(m, KX_LT, KT_BOOL, lane, bound, NULL);
}

/* The element of the data that lane l reads, or -1. */
typedef int64_t (*where)(uint32_t l, uint32_t live);

struct shape {
    const char *name;
    int64_t stride;
    bool masked, indexed;
    where element;
};
static int64_t at_lane(uint32_t l, uint32_t live) { return (void)live, (int64_t)l; }
static int64_t at_masked(uint32_t l, uint32_t live) { return l < live ? (int64_t)l : -1; }
static int64_t at_zero(uint32_t l, uint32_t live) { return (void)l, (void)live, 0; }
static int64_t at_zero_masked(uint32_t l, uint32_t live) { return l < live ? 0 : -1; }
static int64_t at_third(uint32_t l, uint32_t live) { return (void)live, 3 * (int64_t)l; }
static int64_t at_third_masked(uint32_t l, uint32_t live) { return l < live ? 3 * (int64_t)l : -1; }
static int64_t index_of(uint32_t l) { return (5 * l + 3) % N; }
static int64_t at_index(uint32_t l, uint32_t live) { return (void)live, 2 * index_of(l); }
static int64_t at_index_masked(uint32_t l, uint32_t live) { return l < live ? 2 * index_of(l) : -1; }

static const struct shape shapes[] = {
    {"contiguous", 1, false, false, at_lane},       {"masked", 1, true, false, at_masked},
    {"splat", 0, false, false, at_zero},            {"splat_masked", 0, true, false, at_zero_masked},
    {"strided", 3, false, false, at_third},         {"strided_masked", 3, true, false, at_third_masked},
    {"indexed", 2, false, true, at_index},          {"indexed_masked", 2, true, true, at_index_masked},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };
static const enum ktype types[] = {KT_F32, KT_I32, KT_U8};

/* How many elements lie before the end of the page: up to the last one that is read. */
static uint32_t extent(const struct shape *shape, uint32_t width, uint32_t live) {
    int64_t most = 0;
    for (uint32_t l = 0; l < width; l++)
        if (shape->element(l, live) > most)
            most = shape->element(l, live);
    return (uint32_t)most + 1;
}

static int32_t element_value(enum ktype type, uint32_t i) {
    return (int32_t)(type == KT_U8 ? (i * 11 + 5) % 256 : i * 1000 + 1);
}

static void fill(char *at, enum ktype type, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        int32_t value = element_value(type, i);
        float real = (float)value;
        if (type == KT_U8)
            at[i] = (char)(uint8_t)value;
        else
            memcpy(at + 4 * i, type == KT_F32 ? (void *)&real : (void *)&value, 4);
    }
}

static void check_load(const struct test_target *t, const struct shape *shape, enum ktype type, uint32_t width) {
    struct arena arena;
    struct make m;
    arena_init(&arena, NULL);
    make_init(&m, &arena, shape->name, t->arith, width);
    struct kbuffer *in = make_data(&m, "in", type, 64), *indices = make_data(&m, "indices", KT_I32, N);
    struct kbuffer *out = make_buffer(&m, "out", type, KA_OUT, N);
    struct kscalar *live = make_scalar(&m, "live", KT_I32);
    struct lvalue *mask = shape->masked ? first_lanes(&m, live, width) : NULL;
    struct lvalue *index = shape->indexed ? make_load(&m, indices, make_number(0), width, 1) : NULL;
    struct lvalue *x = make_load_masked(&m, in, make_number(0), width, shape->stride, index, mask);
    make_store(&m, out, make_number(0), x, 1, NULL);
    const struct kprogram *program = make_program(&m);
    struct compiled c = compile(t->cpu, NULL, &program, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c.code);
    uint32_t bytes = emit_bytes(type);
    int32_t index_data[N];
    for (uint32_t l = 0; l < N; l++)
        index_data[l] = (int32_t)index_of(l);
    for (uint32_t lanes = 0; lanes <= (shape->masked ? width : 0); lanes++) {
        uint32_t count = extent(shape, width, lanes);
        if (shape->masked && lanes == 0)
            count = 0; /* nothing at all may be read: the data begins at the guard */
        struct guarded memory = guarded_new(count * bytes);
        fill(memory.at, type, count);
        _Alignas(64) char got[64] = {0}, wanted[64] = {0}, all[64 * 4];
        fill(all, type, 64);
        const void *data[] = {memory.at, index_data, NULL};
        union xent_scalar scalars[XENT_MAX_SCALARS] = {{.i = (int32_t)lanes}};
        CU_ASSERT_TRUE_FATAL(run(&c, shape->name, got, data, scalars));
        for (uint32_t l = 0; l < width; l++) {
            int64_t at = shape->element(l, lanes);
            if (at >= 0)
                memcpy(wanted + l * bytes, all + at * bytes, bytes);
        }
        CU_ASSERT_EQUAL(memcmp(got, wanted, width * bytes), 0);
        guarded_free(&memory);
    }
    compiled_free(&c);
    arena_deinit(&arena);
}

/* Stores: the arena's end is the guard, and what lies between the lanes keeps its value. */
static void check_store(const struct test_target *t, const struct shape *shape, enum ktype type, uint32_t width) {
    struct arena arena;
    struct make m;
    arena_init(&arena, NULL);
    make_init(&m, &arena, shape->name, t->arith, width);
    struct kbuffer *in = make_data(&m, "in", type, N), *indices = make_data(&m, "indices", KT_I32, N);
    struct kbuffer *out = make_buffer(&m, "out", type, KA_OUT, 3 * N);
    struct kscalar *live = make_scalar(&m, "live", KT_I32);
    struct lvalue *mask = shape->masked ? first_lanes(&m, live, width) : NULL;
    struct lvalue *index = shape->indexed ? make_load(&m, indices, make_number(0), width, 1) : NULL;
    struct lvalue *x = make_load(&m, in, make_number(0), width, 1);
    make_store(&m, out, make_number(0), x, shape->stride, mask)->index = index;
    struct kprogram *program = make_program(&m);
    ((struct kvar *)m.call.argument[2])->offset = 4; /* so that no alignment may be assumed */
    struct compiled c = compile(t->cpu, NULL, (const struct kprogram *const *)&program, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c.code);
    uint32_t bytes = emit_bytes(type);
    char input[64];
    fill(input, type, N);
    int32_t index_data[N];
    for (uint32_t l = 0; l < N; l++)
        index_data[l] = (int32_t)index_of(l);
    for (uint32_t lanes = 0; lanes <= (shape->masked ? width : 0); lanes++) {
        uint32_t size = 4 + (shape->masked && lanes == 0 ? 0 : extent(shape, width, lanes) * bytes);
        struct guarded memory = guarded_new(size);
        char wanted[4 * 3 * N + 4];
        memset(memory.at, 0x5a, size);
        memset(wanted, 0x5a, sizeof wanted);
        const void *data[] = {input, index_data, NULL};
        union xent_scalar scalars[XENT_MAX_SCALARS] = {{.i = (int32_t)lanes}};
        CU_ASSERT_TRUE_FATAL(run(&c, shape->name, memory.at, data, scalars));
        for (uint32_t l = 0; l < width; l++)
            if (shape->element(l, lanes) >= 0)
                memcpy(wanted + 4 + shape->element(l, lanes) * bytes, input + l * bytes, bytes);
        CU_ASSERT_EQUAL(memcmp(memory.at, wanted, size), 0);
        guarded_free(&memory);
    }
    compiled_free(&c);
    arena_deinit(&arena);
}

static void each(void (*check)(const struct test_target *, const struct shape *, enum ktype, uint32_t), bool stores) {
    struct test_target targets[4];
    size_t count = test_targets(targets, 4);
    for (size_t t = 0; t < count; t++)
        for (uint32_t s = 0; s < SHAPES; s++)
            for (uint32_t k = 0; k < 3; k++) {
                if (stores && shapes[s].stride == 0)
                    continue;
                check(&targets[t], &shapes[s], types[k], targets[t].lanes);
                check(&targets[t], &shapes[s], types[k], 1);
            }
}

static void test_loads(void) { each(check_load, false); }
static void test_stores(void) { each(check_store, true); }

/* local[2l] = x[l]; out = local[2l] + local[0] splat; a prefetch far outside is no access. */
static void test_locals(void) {
    struct test_target targets[4];
    size_t count = test_targets(targets, 4);
    for (size_t t = 0; t < count; t++) {
        uint32_t width = targets[t].lanes;
        struct arena arena;
        struct make m;
        arena_init(&arena, NULL);
        make_init(&m, &arena, "local", targets[t].arith, width);
        struct kbuffer *in = make_data(&m, "in", KT_F32, N), *out = make_buffer(&m, "out", KT_F32, KA_OUT, N);
        struct llocal *local = make_local(&m, "tile", KT_F32, 40000);
        struct lvalue *x = make_load(&m, in, make_number(0), width, 1);
        struct lstatement *store = make_store(&m, in, make_number(2), x, 2, NULL);
        store->place = (struct lplace){.local = local, .element = make_number(32768)};
        struct lvalue *back = make_value(&m, LO_LOAD, KT_F32, width), *first = make_value(&m, LO_LOAD, KT_F32, width);
        back->place = first->place = store->place;
        back->stride = 2;
        make_define(&m, back);
        make_define(&m, first);
        make_store(&m, out, make_number(0), make_op(&m, KX_ADD, KT_F32, back, first, NULL), 1, NULL)->aligned = true;
        struct lstatement *prefetch = make_store(&m, out, make_number(1 << 28), back, 1, NULL);
        prefetch->kind = LS_PREFETCH;
        prefetch->write = true;
        const struct kprogram *program = make_program(&m);
        struct compiled c = compile(targets[t].cpu, NULL, &program, 1);
        float input[N];
        for (uint32_t i = 0; i < N; i++)
            input[i] = (float)i * 1.5f + 1.0f;
        _Alignas(64) float got[N];
        const void *data[] = {input, NULL};
        CU_ASSERT_TRUE_FATAL(run(&c, "local", got, data, NULL));
        for (uint32_t l = 0; l < width; l++)
            CU_ASSERT_EQUAL(got[l], input[l] + input[0]);
        compiled_free(&c);
        arena_deinit(&arena);
    }
}

static void test_too_large_scratch(void) {
    struct arena arena;
    struct make m;
    arena_init(&arena, NULL);
    make_init(&m, &arena, "large", KARITH_MULADD, 1);
    make_local(&m, "tile", KT_F32, (1 << 18) + 1);
    const struct kprogram *program = make_program(&m);
    struct compiled c = compile(NULL, NULL, &program, 1);
    CU_ASSERT_PTR_NULL(c.module);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c.message);
    CU_ASSERT_PTR_NOT_NULL(strstr(c.message, "kernel `large` of `large` needs 1048640 bytes of scratch"));
    compiled_free(&c);
    arena_deinit(&arena);
}

void suite_memory(void) {
    CU_pSuite suite = CU_add_suite("memory", NULL, NULL);
    CU_add_test(suite, "loads up to the end of a page", test_loads);
    CU_add_test(suite, "stores up to the end of a page", test_stores);
    CU_add_test(suite, "scratch and prefetch", test_locals);
    CU_add_test(suite, "too much scratch is refused", test_too_large_scratch);
}
