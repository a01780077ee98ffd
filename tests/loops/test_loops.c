/* Machine code = interpreter, bit for bit: every family of kernels, odd shapes, the compiler's schedule and random
 * ones, every instruction set that this machine has, one to three threads. */
#include "codegen.h"
#include "families.h"
#include "kernel.h"
#include "loops.h"
#include "suites.h"

#include <CUnit/Basic.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 70, MAX_THREADS = 3, RANDOM_SCHEDULES = 1 }; /* XENT_THOROUGH=1 tries eight times as many */

struct memory {
    unsigned char *arena;
    void *data[XENT_MAX_DATA];
};

static uint32_t mix(uint32_t x)
{
    x ^= x >> 16, x *= 0x7feb352du, x ^= x >> 15, x *= 0x846ca68bu;
    return x ^ x >> 16;
}

static int64_t elements(const struct kvar *var)
{
    int64_t n = 1;
    for (uint32_t d = 0; d < var->rank; d++)
        n *= var->extent[d] == KERNEL_UNKNOWN ? ROWS : var->extent[d];
    return n;
}

static int64_t place_of(const struct kvar *var, int64_t number)
{
    int64_t index[KERNEL_MAX_RANK] = {0};
    for (uint32_t d = var->rank; d-- > 0;) {
        int64_t extent = var->extent[d] == KERNEL_UNKNOWN ? ROWS : var->extent[d];
        index[d] = number % extent;
        number /= extent;
    }
    return klayout_address(&var->layout, index);
}

static void fill(const struct kprogram *program, struct memory *memory)
{
    memory->arena = aligned_alloc(64, (size_t)(program->arena_bytes + 63) / 64 * 64);
    memset(memory->arena, 0, (size_t)program->arena_bytes);
    for (size_t v = 0; v < program->vars.count; v++) {
        const struct kvar *var = program->vars.at[v];
        int64_t n = elements(var);
        void *at = memory->arena + var->offset;
        if (var->place == KP_DATA)
            at = memory->data[var->slot] = calloc((size_t)n + 64, 4);
        if (var->place == KP_ARENA || var->place == KP_CONST)
            continue;
        for (int64_t i = 0; i < n; i++) {
            uint32_t r = mix((uint32_t)i * 97 + (uint32_t)v * 7919 + 1);
            int64_t e = place_of(var, i);
            if (var->type == KT_F32)
                ((float *)at)[e] = (float)(int32_t)(r >> 8) / 8388608.0f - 1.0f;
            else if (var->type == KT_I32)
                ((int32_t *)at)[e] = (int32_t)(r % (strcmp(var->name, "pick") == 0 ? ROWS : 3));
            else
                ((uint8_t *)at)[e] = (uint8_t)r;
        }
    }
}

static void release(struct memory *memory)
{
    free(memory->arena);
    for (int i = 0; i < XENT_MAX_DATA; i++)
        free(memory->data[i]);
}

/* NaN payloads are outside "the same bits" */
static bool same_bits(enum ktype type, const void *x, const void *y, int64_t e)
{
    if (type == KT_U8)
        return ((const uint8_t *)x)[e] == ((const uint8_t *)y)[e];
    uint32_t a = ((const uint32_t *)x)[e], b = ((const uint32_t *)y)[e];
    bool nan = type == KT_F32 && (a & 0x7fffffff) > 0x7f800000 && (b & 0x7fffffff) > 0x7f800000;
    return a == b || nan;
}

static bool same_results(const struct kprogram *program, const struct memory *x, const struct memory *y,
                         const char *what)
{
    for (size_t v = 0; v < program->vars.count; v++) {
        const struct kvar *var = program->vars.at[v];
        if (!kvar_in_arena(var))
            continue;
        int64_t n = elements(var);
        for (int64_t i = 0; i < n; i++)
            if (!same_bits(var->type, x->arena + var->offset, y->arena + var->offset, place_of(var, i))) {
                fprintf(stderr, "%s: %s differs at element %lld\n", what, var->name, (long long)i);
                return false;
            }
    }
    return true;
}

struct team {
    codegen_entry entry;
    struct xent_call call;
    uint32_t threads;
    pthread_barrier_t barrier;
};
struct member {
    struct team *team;
    uint32_t thread;
};

static void meet(void *context, uint32_t thread)
{
    (void)thread;
    pthread_barrier_wait(&((struct team *)context)->barrier);
}

static void *work(void *argument)
{
    struct member *m = argument;
    m->team->entry(NULL, &m->team->call, m->thread, m->team->threads);
    return NULL;
}

static void run(codegen_entry entry, const struct memory *memory, const struct xent_call *call, uint32_t threads)
{
    struct team team = {.entry = entry, .call = *call, .threads = threads};
    struct member member[MAX_THREADS];
    pthread_t thread[MAX_THREADS];
    team.call.arena = memory->arena;
    memcpy((void *)team.call.data, memory->data, sizeof memory->data);
    team.call.barrier = meet;
    team.call.barrier_context = &team;
    pthread_barrier_init(&team.barrier, NULL, threads);
    for (uint32_t t = 0; t < threads; t++)
        member[t] = (struct member){&team, t};
    for (uint32_t t = 1; t < threads; t++)
        pthread_create(&thread[t], NULL, work, &member[t]);
    work(&member[0]);
    for (uint32_t t = 1; t < threads; t++)
        pthread_join(thread[t], NULL);
    pthread_barrier_destroy(&team.barrier);
}

static struct kprogram *parse(struct arena *arena, const char *source)
{
    struct source_map *map = ARENA_NEW(arena, struct source_map);
    struct diag_list *diags = ARENA_NEW(arena, struct diag_list);
    source_map_init(map, arena);
    diag_init(diags, arena, map);
    uint32_t file = source_add(map, "test.xkr", source, strlen(source));
    struct kprogram *program = kernel_parse(arena, diags, file);
    if (!program || !kernel_verify(program, diags)) {
        struct text text;
        text_init(&text, arena);
        diag_render(diags, &text);
        fprintf(stderr, "%s\n%s", source, text_string(&text));
        return NULL;
    }
    return program;
}

/* One program, one target, one schedule: compiled, run with 1 to 3 threads, compared. */
static bool agrees(const char *source, const struct codegen_target *target, uint64_t seed, const struct xent_call *call,
                   const char *what)
{
    struct arena arena;
    arena_init(&arena, NULL);
    struct kprogram *program = parse(&arena, source);
    if (!program) {
        arena_deinit(&arena);
        return false;
    }
    const struct ktarget *facts = codegen_target_facts(target);
    program->arith = facts->fma ? KARITH_FMA : KARITH_MULADD;
    struct memory expected = {0};
    fill(program, &expected);
    struct kinterpreter *interpreter = kernel_interpreter_create(program);
    kernel_interpret(interpreter, expected.arena, (const void *const *)expected.data, call->scalar);
    kernel_interpreter_destroy(interpreter);
    if (seed)
        kernel_schedule_random(program, facts, seed);
    else
        kernel_schedule(program, facts);
    char *message = NULL;
    const struct kprogram *programs[] = {program};
    struct codegen_module *module = codegen_build(target, programs, 1, &message);
    size_t size = 0;
    unsigned char *object = module ? codegen_object(module, &size, &message) : NULL;
    struct codegen_code *code = object ? codegen_load(target, object, size, &message) : NULL;
    bool same = code != NULL;
    if (!code)
        fprintf(stderr, "%s: %s\n", what, message ? message : "no code");
    for (uint32_t threads = 1; same && threads <= MAX_THREADS; threads++) {
        struct memory got = {0};
        fill(program, &got);
        run(codegen_find(code, program->name), &got, call, threads);
        same = same_results(program, &expected, &got, what);
        release(&got);
    }
    if (!same) {
        struct text text;
        text_init(&text, &arena);
        kernel_print_program(program, &text);
        fprintf(stderr, "%s\n", text_string(&text));
    }
    if (code)
        codegen_unload(code);
    free(object);
    if (module)
        codegen_destroy(module);
    free(message);
    release(&expected);
    arena_deinit(&arena);
    return same;
}

static void with_features(struct text *source, int64_t capacity, bool inputs)
{
    struct kprogram *program = parse(source->arena, text_string(source));
    CU_ASSERT_PTR_NOT_NULL_FATAL(program);
    family_features(program, capacity, inputs);
    text_init(source, source->arena);
    kernel_print_program(program, source);
}

/* Shapes from this one on have the features in the lanes. */
enum { FEATURES = 9 };

static void test_family(const struct family *family)
{
    static const char *const cpus[] = {NULL, "x86-64-v3", "x86-64"};
    uint64_t random_schedules = getenv("XENT_THOROUGH") ? 8 * RANDOM_SCHEDULES : RANDOM_SCHEDULES;
    static const struct shape shapes[] = {{1, 16, 4, 1, 3},   {7, 16, 7, 3, 4},    {16, 16, 5, 2, 3},
                                          {17, 32, 17, 7, 7}, {33, 48, 6, 5, 17},  {65, 80, 13, 17, 5},
                                          {130, 144, 9, 4, 3}, {50, 64, 11, 13, 11}, {300, 304, 4, 2, 2},
                                          {1, 1, 7, 5, 19},   {3, 3, 13, 3, 6},    {5, 7, 11, 17, 35},
                                          {2, 2, 20, 33, 4},    {20, 32, 9, 1, 5},   {6, 6, 18, 32, 2},
                                          {1000, 1008, 4, 2, 2}, {1, 1, 33, 2, 3},   {5, 6, 33, 2, 3}};
    for (size_t c = 0; c < sizeof cpus / sizeof *cpus; c++) {
        char *message = NULL;
        struct codegen_target *target = codegen_target_create(cpus[c], NULL, &message);
        free(message);
        if (!target || !codegen_target_runs_here(target)) {
            codegen_target_destroy(target);
            continue;
        }
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (uint64_t seed = 0; seed <= random_schedules; seed++) {
                struct arena arena;
                arena_init(&arena, NULL);
                struct text source;
                text_init(&source, &arena);
                family->write(&source, &shapes[s]);
                if (s >= FEATURES)
                    with_features(&source, shapes[s].capacity, s % 2);
                struct xent_call call = {0};
                call.scalar[0].i = shapes[s].live;
                call.scalar[1].f = 0.0625f;
                char what[128];
                snprintf(what, sizeof what, "%s on %s, shape %zu, schedule %d", family->name,
                         cpus[c] ? cpus[c] : "host", s, (int)seed);
                CU_ASSERT_TRUE(agrees(text_string(&source), target, seed ? seed * 1000 + s : 0, &call, what));
                arena_deinit(&arena);
            }
        codegen_target_destroy(target);
    }
}

#define FAMILY(number)                                                                                                 \
    static void test_##number(void)                                                                                    \
    {                                                                                                                  \
        test_family(&families[number]);                                                                                \
    }
FAMILY(0)
FAMILY(1)
FAMILY(2)
FAMILY(3)
FAMILY(4)
FAMILY(5)
FAMILY(6)
FAMILY(7)
FAMILY(8)
FAMILY(9)
FAMILY(10)
FAMILY(11)
FAMILY(12)
FAMILY(13)
FAMILY(14)
FAMILY(15)
FAMILY(16)

static uint32_t depth_of(const struct lblock *block)
{
    uint32_t deepest = 0;
    for (size_t i = 0; i < block->list.count; i++) {
        const struct lstatement *s = block->list.at[i];
        uint32_t body = depth_of(&s->body), otherwise = depth_of(&s->otherwise);
        uint32_t depth = (body > otherwise ? body : otherwise) + (s->kind == LS_FOR);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

/* A sum that is the same in every term of another one is computed once: no loop over c within a loop over c. */
static void test_sums_ahead(void)
{
    static const struct shape shape = {1, 16, 4, 1, 1000};
    static const struct ktarget target = {
        .lanes = 16, .registers = 32, .fma = true, .masks = true, .l1_bytes = 32768, .l2_bytes = 1 << 20};
    struct arena arena;
    struct text source;
    arena_init(&arena, NULL);
    text_init(&source, &arena);
    family_probabilities(&source, &shape);
    struct kprogram *program = parse(&arena, text_string(&source));
    CU_ASSERT_PTR_NOT_NULL_FATAL(program);
    kernel_schedule(program, &target);
    CU_ASSERT_EQUAL(depth_of(&kernel_to_loops(&arena, program, program->kernels.at[0], &target)->body), 1);
    arena_deinit(&arena);
}

static uint32_t statements_of(const struct lblock *block, enum lstatement_kind kind, enum kop kop)
{
    uint32_t n = 0;
    for (size_t i = 0; i < block->list.count; i++) {
        const struct lstatement *s = block->list.at[i];
        n += s->kind == kind && (kind != LS_DEFINE || (s->value->op == LO_KOP && s->value->kop == kop));
        n += statements_of(&s->body, kind, kop) + statements_of(&s->otherwise, kind, kop);
    }
    return n;
}

/* A tile of taps whose border positions are known: loops of positions are cut where the taps that have a term
 * change, and nothing is tested. Tap j of 3 with padding 1: two at the first position, three in the loop, two
 * at the last one. */
static void test_borders(void)
{
    static const struct ktarget target = {
        .lanes = 16, .registers = 32, .fma = true, .masks = true, .l1_bytes = 32768, .l2_bytes = 1 << 20};
    struct arena arena;
    arena_init(&arena, NULL);
    struct kprogram *program = parse(
        &arena, "program @p {\n arith fma\n memory 100000\n state X: f32[9, 16] at 0\n state Z: f32[9, 16] at 4096\n"
                " arena G: f32[3] at 8192\n"
                " kernel g(X: f32[9, 16], Z: f32[9, 16]) -> (G: f32[3]) {\n"
                "  G[j] = sum.tree(m < 16: sum.fma(x < 9 | 0 <= x + j - 1 < 9 from 0.0: Z[x, m], X[x + j - 1, m]))\n"
                "  schedule lanes m; tile j 3\n }\n call g(X, Z, G)\n}\n");
    CU_ASSERT_PTR_NOT_NULL_FATAL(program);
    const struct lblock *body = &kernel_to_loops(&arena, program, program->kernels.at[0], &target)->body;
    CU_ASSERT_EQUAL(statements_of(body, LS_DEFINE, KX_FMA), 7);
    CU_ASSERT_EQUAL(statements_of(body, LS_FOR, KX_FMA), 1);
    CU_ASSERT_EQUAL(statements_of(body, LS_IF, KX_FMA), 0);
    arena_deinit(&arena);
}

/* Digits may stand in any order: behind a panel's is one whose elements lie in what would be the panel's padding. */
static void test_digits(void)
{
    static const char source[] =
        "program @p {\n arith fma\n memory 4096\n state X: f32[2, 12] at 0\n"
        " state Y: f32[2, 12] layout (d0%48:1, d1:2) at 512\n state Z: f32[2, 12] layout (d1:2, d0:1) at 1024\n"
        " kernel k(X: f32[2, 12], inout Y: f32[2, 12] layout (d0%48:1, d1:2)) {\n"
        "  Y[i, j] = Y[i, j] * 0.5 + X[i, j]\n }\n"
        " kernel l(X: f32[2, 12]) -> (Z: f32[2, 12] layout (d1:2, d0:1)) {\n  Z[i, j] = X[i, j] * 0.5\n }\n"
        " call k(X, Y)\n call l(X, Z)\n}\n";
    char *message = NULL;
    struct codegen_target *target = codegen_target_create(NULL, NULL, &message);
    free(message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(target);
    const struct xent_call call = {0};
    for (uint64_t seed = 0; seed <= 16; seed++)
        CU_ASSERT_TRUE(agrees(source, target, seed, &call, "digits in any order"));
    codegen_target_destroy(target);
}

int main(void)
{
    static void (*const tests[])(void) = {test_0, test_1, test_2, test_3, test_4, test_5,
                                         test_6, test_7, test_8, test_9, test_10, test_11, test_12, test_13,
                                         test_14, test_15, test_16};
    CU_initialize_registry();
    CU_pSuite suite = CU_add_suite("machine code equals the interpreter", NULL, NULL);
    for (int i = 0; i < family_count; i++)
        CU_add_test(suite, families[i].name, tests[i]);
    CU_add_test(suite, "sums ahead", test_sums_ahead);
    CU_add_test(suite, "borders", test_borders);
    CU_add_test(suite, "digits", test_digits);
    return suites_run();
}
