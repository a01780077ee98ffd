/* The tile that decides speed: right to the bit, and an inner loop that keeps every accumulator in a register. */
#include "gemm.h"
#include "test_llvm.h"

#include <CUnit/Basic.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct tile {
    int64_t rows, vectors;
};

static float operand(uint32_t i) { return (float)(int32_t)(i * 2654435761u >> 12) * 1e-6f - 0.5f; }

static void check_bits(const struct compiled *c, const struct make *m, const struct gemm *g, enum karith arith) {
    char *memory = aligned_alloc(64, (size_t)m->arena_bytes);
    float *w = (void *)(memory + make_offset(m, g->w)), *x = (void *)(memory + make_offset(m, g->x));
    float *bias = (void *)(memory + make_offset(m, g->bias)), *y = (void *)(memory + make_offset(m, g->y));
    for (uint32_t i = 0; i < (uint32_t)(m->arena_bytes / 4); i++)
        ((float *)(void *)memory)[i] = operand(i);
    CU_ASSERT_TRUE_FATAL(run(c, "gemm", memory, NULL, NULL));
    for (int64_t n = 0; n < g->rows; n++)
        for (int64_t e = 0; e < g->columns; e++) {
            float sum = bias[n];
            for (int64_t k = 0; k < g->inner; k++) {
                float a = w[n * g->inner + k], b = x[k * g->columns + e];
                sum = arith == KARITH_FMA ? fmaf(a, b, sum) : sum + a * b;
            }
            sum = sum > 0 ? sum : 0;
            if (bits_of(y[n * g->columns + e]) != bits_of(sum)) {
                CU_FAIL("not the bits of the same sums in C");
                free(memory);
                return;
            }
        }
    free(memory);
}

/* The loop with the most multiply-adds, between its label and the jump back to it, as a list of lines. */
struct inner_loop {
    uint32_t multiplies, loads, stores, stack, instructions;
};

static bool is_label(const char *line) { return *line == '.' && strchr(line, ':'); }

/* Cuts off a comment and the blanks before it. */
static void read_line(struct inner_loop *loop, char *line, enum karith arith) {
    size_t length = strcspn(line, "#");
    while (length && isspace((unsigned char)line[length - 1]))
        length--;
    line[length] = 0;
    while (isspace((unsigned char)*line))
        line++;
    if (!*line || *line == '#' || *line == '.')
        return;
    loop->instructions++;
    loop->multiplies += strncmp(line, arith == KARITH_FMA ? "vfmadd" : "mulps", arith == KARITH_FMA ? 6 : 5) == 0;
    loop->stack += strstr(line, "(%rsp)") || strstr(line, "(%rbp)");
    loop->loads += strchr(line, '(') != NULL;
    const char *end = strrchr(line, ')');
    loop->stores += end && !end[1];
}

static struct inner_loop hottest_loop(char *text, enum karith arith) {
    struct inner_loop best = {0}, now = {0};
    char label[64] = "", *save = NULL;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (is_label(line)) {
            snprintf(label, sizeof label, "%.*s", (int)strcspn(line, ":"), line);
            now = (struct inner_loop){0};
            continue;
        }
        read_line(&now, line, arith);
        const char *jump = strstr(line, "\tj");
        if (jump && *label && strstr(jump, label) && now.multiplies > best.multiplies)
            best = now;
    }
    return best;
}

static void check_tile(const struct test_target *t, struct tile tile) {
    struct arena arena;
    struct make m;
    char *message = NULL;
    arena_init(&arena, NULL);
    make_init(&m, &arena, "gemm", t->arith, t->lanes);
    struct gemm g = {.rows = 3 * tile.rows, .inner = 77, .columns = 2 * tile.vectors * t->lanes,
                     .tile_rows = tile.rows, .tile_lanes = tile.vectors};
    const struct kprogram *program = gemm_make(&m, &g);
    struct compiled c = compile(t->cpu, NULL, &program, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c.code);
    check_bits(&c, &m, &g, t->arith);
    char *text = codegen_asm_text(c.module, &message);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
#if defined(__x86_64__)
    struct inner_loop loop = hottest_loop(text, t->arith);
    uint32_t multiplies = (uint32_t)(tile.rows * tile.vectors);
    CU_ASSERT_EQUAL(loop.multiplies, multiplies);
    CU_ASSERT_EQUAL(loop.stores, 0);
    CU_ASSERT_EQUAL(loop.stack, 0);
    if (t->arith == KARITH_FMA) { /* FMAs, each operand once, counter, pointer, comparison, jump */
        CU_ASSERT_TRUE(loop.loads <= (uint32_t)(tile.rows * tile.vectors + tile.vectors));
        CU_ASSERT_TRUE(loop.instructions <= multiplies + (uint32_t)(tile.rows + tile.vectors) + 4);
    }
#endif
    free(text);
    compiled_free(&c);
    arena_deinit(&arena);
}

static void test_tiles(void) {
    struct test_target targets[4];
    size_t count = test_targets(targets, 4);
    static const struct tile wide[] = {{6, 4}, {8, 3}, {1, 4}, {8, 1}}, narrow[] = {{6, 2}, {4, 3}, {1, 2}};
    static const struct tile baseline[] = {{4, 2}, {1, 2}};
    for (size_t t = 0; t < count; t++) {
        const struct tile *tiles = targets[t].lanes == 16 ? wide : targets[t].lanes == 8 ? narrow : baseline;
        uint32_t tiles_count = targets[t].lanes == 16 ? 4 : targets[t].lanes == 8 ? 3 : 2;
        for (uint32_t i = 0; i < tiles_count; i++)
            check_tile(&targets[t], tiles[i]);
    }
}

void suite_gemm(void) {
    CU_pSuite suite = CU_add_suite("gemm", NULL, NULL);
    CU_add_test(suite, "tiles: bits, registers, inner loop", test_tiles);
}
