/* A whole training step of a small network, by hand in cases/step.xkr. Its bits after three steps are fixed: whoever
 * changes them has changed the arithmetic. */
#include "test_kernel.h"

#include <math.h>
#include <string.h>

enum { EXAMPLES = 100, STATE_BYTES = 6016 };

/* FNV-1a over the bits of the state, as 32-bit words so that it does not depend on the byte order. */
static uint64_t hash_state(const struct bench *b)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < STATE_BYTES / 4; i++) {
        uint32_t word;
        memcpy(&word, b->memory + 4 * i, sizeof word);
        hash = (hash ^ word) * 1099511628211u;
    }
    return hash;
}

static void prepare(struct bench *b)
{
    bench_open_case(b, "step", EXAMPLES);
    uint8_t *images = b->data[0];
    int32_t *labels = b->data[1];
    for (int i = 0; i < EXAMPLES; i++) {
        labels[i] = bench_random_below(b, 5);
        for (int k = 0; k < 49; k++)
            images[i * 49 + k] = (uint8_t)(bench_random_below(b, 64) + (k / 10 == labels[i] ? 150 : 0));
    }
    static const char *const filled[] = {"l1.weight", "l1.bias", "l2.weight", "l2.bias"};
    for (size_t i = 0; i < sizeof filled / sizeof *filled; i++) {
        bench_fill(b, filled[i]);
        const struct kvar *var = bench_var(b, filled[i]);
        for (int64_t e = 0; e < var->layout.elements; e++)
            ((float *)(void *)(b->memory + var->offset))[e] *= 0.25f;
    }
    bench_set_f(b, "lr", 0.1f);
}

static float step(struct bench *b, int number, int live)
{
    for (int m = 0; m < 32; m++)
        I(b, "pick", m) = m < live ? (number * 32 + m) % EXAMPLES : 0;
    bench_set_i(b, "live", live);
    bench_set_i(b, "first", number == 0);
    bench_run(b);
    return F(b, "loss", 0);
}

static void bits_are_fixed(void)
{
    struct bench b;
    prepare(&b);
    step(&b, 0, 32);
    step(&b, 1, 32);
    step(&b, 2, 27); /* a short batch */
    CU_ASSERT_EQUAL(hash_state(&b), 0x612b64a97f4546ccu);
    if (hash_state(&b) != 0x612b64a97f4546ccu)
        fprintf(stderr, "the state's hash is 0x%016llx\n", (unsigned long long)hash_state(&b));
    bench_close(&b);
}

static void it_learns(void)
{
    struct bench b;
    prepare(&b);
    float first = step(&b, 0, 32), last = first;
    for (int i = 1; i < 60; i++)
        last = step(&b, i, 32);
    CU_ASSERT(first > 1.0f && last < 0.1f);
    bench_close(&b);
}

/* What lies in the lanes of absent examples must not matter. */
static void absent_examples_do_not_count(void)
{
    uint64_t hash[2];
    for (int i = 0; i < 2; i++) {
        struct bench b;
        prepare(&b);
        for (int m = 0; m < 32; m++)
            I(&b, "pick", m) = m < 19 ? m : i ? 99 - m : 0;
        bench_set_i(&b, "live", 19);
        bench_set_i(&b, "first", 1);
        bench_run(&b);
        hash[i] = hash_state(&b);
        bench_close(&b);
    }
    CU_ASSERT_EQUAL(hash[0], hash[1]);
}

CU_ErrorCode add_step_tests(void)
{
    CU_TestInfo tests[] = {{"bits are fixed", bits_are_fixed},
                           {"it learns", it_learns},
                           {"absent examples do not count", absent_examples_do_not_count},
                           CU_TEST_INFO_NULL};
    CU_SuiteInfo suites[] = {{"step", NULL, NULL, NULL, NULL, tests}, CU_SUITE_INFO_NULL};
    return CU_register_suites(suites);
}
