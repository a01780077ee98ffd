/* The fixture of the kernel tests. */
#include "test_kernel.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t var_bytes(const struct kvar *var, int64_t rows)
{
    size_t bytes = (size_t)var->layout.elements * (var->type == KT_U8 ? 1 : 4);
    return var->rank > 0 && var->extent[0] == KERNEL_UNKNOWN ? bytes * (size_t)rows : bytes;
}

static void open_source(struct bench *b, const char *name, const char *text, size_t length, int64_t rows)
{
    b->program = kernel_parse(&b->arena, &b->diags, source_add(&b->map, name, text, length));
    if (b->program)
        kernel_verify(b->program, &b->diags);
    if (b->diags.errors > 0) {
        struct text out;
        text_init(&out, &b->arena);
        diag_render(&b->diags, &out);
        fputs(text_string(&out), stderr);
    }
    CU_ASSERT_FATAL(b->program != NULL && b->diags.errors == 0);
    b->memory = aligned_alloc(64, (size_t)b->program->arena_bytes + 64);
    memset(b->memory, 0, (size_t)b->program->arena_bytes + 64);
    for (size_t i = 0; i < b->program->vars.count; i++) {
        const struct kvar *var = b->program->vars.at[i];
        if (var->place == KP_DATA)
            b->data[var->slot] = calloc(1, var_bytes(var, rows));
    }
    b->interpreter = kernel_interpreter_create(b->program);
    CU_ASSERT_FATAL(b->interpreter != NULL);
}

static void init(struct bench *b)
{
    *b = (struct bench){.random = 88172645463325252u};
    arena_init(&b->arena, NULL);
    source_map_init(&b->map, &b->arena);
    diag_init(&b->diags, &b->arena, &b->map);
}

void bench_open_text(struct bench *b, const char *text, int64_t rows)
{
    init(b);
    open_source(b, "test", text, strlen(text), rows);
}

void bench_open_case(struct bench *b, const char *name, int64_t rows)
{
    init(b);
    const char *error;
    uint32_t file = source_load(&b->map, arena_printf(&b->arena, "%s/tests/kernel/cases/%s.xkr", XENT_SOURCE_DIR, name),
                                &error);
    CU_ASSERT_FATAL(file != 0);
    const struct source_file *source = source_file(&b->map, file);
    open_source(b, name, source->text, source->length, rows);
}

void bench_run(struct bench *b)
{
    kernel_interpret(b->interpreter, b->memory, (const void *const *)b->data, b->scalar);
}

void bench_close(struct bench *b)
{
    kernel_interpreter_destroy(b->interpreter);
    for (size_t i = 0; i < XENT_MAX_DATA; i++)
        free(b->data[i]);
    free(b->memory);
    arena_deinit(&b->arena);
}

const struct kvar *bench_var(const struct bench *b, const char *name)
{
    for (size_t i = 0; i < b->program->vars.count; i++)
        if (strcmp(b->program->vars.at[i]->name, name) == 0)
            return b->program->vars.at[i];
    fprintf(stderr, "no buffer %s\n", name);
    abort();
}

static char *base_of(const struct bench *b, const struct kvar *var)
{
    if (var->place == KP_CONST)
        return (void *)(uintptr_t)var->value;
    return var->place == KP_DATA ? b->data[var->slot] : b->memory + var->offset;
}

void *bench_at(const struct bench *b, const char *name, const int64_t *index)
{
    const struct kvar *var = bench_var(b, name);
    return base_of(b, var) + klayout_address(&var->layout, index) * (var->type == KT_U8 ? 1 : 4);
}

/* xorshift64* */
static uint64_t next(struct bench *b)
{
    b->random ^= b->random >> 12;
    b->random ^= b->random << 25;
    b->random ^= b->random >> 27;
    return b->random * 2685821657736338717u;
}

float bench_random(struct bench *b)
{
    return (float)((int32_t)(next(b) >> 40) - (1 << 23)) * 0x1p-23f;
}

int32_t bench_random_below(struct bench *b, int32_t limit)
{
    return (int32_t)((next(b) >> 33) % (uint64_t)limit);
}

void bench_fill(struct bench *b, const char *name)
{
    const struct kvar *var = bench_var(b, name);
    char *base = base_of(b, var);
    for (int64_t i = 0; i < var->layout.elements; i++) {
        if (var->type == KT_U8)
            ((uint8_t *)base)[i] = (uint8_t)bench_random_below(b, 256);
        else
            ((float *)(void *)base)[i] = bench_random(b);
    }
}

static union xent_scalar *scalar(struct bench *b, const char *name)
{
    for (size_t i = 0; i < b->program->scalars.count; i++)
        if (strcmp(b->program->scalars.at[i]->name, name) == 0)
            return &b->scalar[i];
    fprintf(stderr, "no scalar %s\n", name);
    abort();
}

void bench_set_i(struct bench *b, const char *name, int32_t value)
{
    scalar(b, name)->i = value;
}

void bench_set_f(struct bench *b, const char *name, float value)
{
    scalar(b, name)->f = value;
}

bool same_f32(float a, float b)
{
    return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0;
}

/* Every subtree is there; what is absent is -0. */
static float tree_lane(float (*value)(const void *context, int64_t m), const void *context, int64_t live, int64_t first,
                       int64_t groups, int64_t lane)
{
    if (groups == 1) {
        int64_t m = first * KERNEL_TREE_GROUP + lane;
        return m < live ? value(context, m) : -0.0f;
    }
    float left = tree_lane(value, context, live, first, groups / 2, lane);
    return left + tree_lane(value, context, live, first + groups / 2, groups / 2, lane);
}

float reference_tree(float (*value)(const void *context, int64_t m), const void *context, int64_t live)
{
    float lanes[KERNEL_TREE_GROUP];
    int64_t groups = 1;
    while (groups * KERNEL_TREE_GROUP < live)
        groups *= 2;
    for (int l = 0; l < KERNEL_TREE_GROUP; l++)
        lanes[l] = tree_lane(value, context, live, 0, groups, l);
    for (int half = 8; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lanes[l] += lanes[l + half];
    return lanes[0];
}
