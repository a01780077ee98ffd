#include "check.h"

#include <math.h>

/* Random123's kat_vectors for philox4x32 10. */
static void known_answers(void) {
    static const struct {
        uint32_t counter[4], key[2], want[4];
    } known[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        xent_philox4x32(known[i].counter, known[i].key, out);
        CU_ASSERT(!memcmp(out, known[i].want, sizeof out));
    }
}

static void addressing(void) {
    uint64_t seed = 0x0123456789abcdef, index = ((uint64_t)5 << 34) + 4 * 7 + 2; /* block = 5 * 2^32 + 7, word 2 */
    uint32_t counter[4] = {7, 5, 9, XENT_RANDOM_SHUFFLE}, key[2] = {0x89abcdef, 0x01234567}, out[4];
    xent_philox4x32(counter, key, out);
    CU_ASSERT_EQUAL(xent_random(seed, XENT_RANDOM_SHUFFLE, 9, index), out[2]);
}

static void uniform(void) {
    CU_ASSERT_EQUAL(xent_uniform(0, 0.25f), -0.25f);
    CU_ASSERT_EQUAL(xent_uniform(0x80000000u, 0.25f), 0.0f);
    CU_ASSERT_EQUAL(xent_uniform(~0u, 1.0f), 1.0f - 0x1p-23f);
    double sum = 0, squares = 0;
    enum { COUNT = 100000 };
    for (uint64_t i = 0; i < COUNT; i++) {
        double value = xent_uniform(xent_random(3, XENT_RANDOM_INIT, 0, i), 1.0f);
        sum += value, squares += value * value;
    }
    /* five standard deviations of the mean of COUNT uniform numbers (sd 0.577) and squares (sd 0.298) */
    CU_ASSERT(fabs(sum / COUNT) < 5 * 0.577 / sqrt(COUNT));
    CU_ASSERT(fabs(squares / COUNT - 1.0 / 3) < 5 * 0.298 / sqrt(COUNT));
}

static void permutations(void) {
    static const uint32_t counts[] = {1, 2, 3, 7, 64, 1009};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        int32_t order[1009], again[1009], other[1009];
        uint8_t seen[1009] = {0};
        xent_shuffle(11, 4, order, counts[c]);
        xent_shuffle(11, 4, again, counts[c]);
        xent_shuffle(11, 5, other, counts[c]);
        for (uint32_t i = 0; i < counts[c]; i++)
            seen[order[i]]++;
        for (uint32_t i = 0; i < counts[c]; i++)
            CU_ASSERT_EQUAL(seen[i], 1);
        CU_ASSERT(!memcmp(order, again, counts[c] * sizeof *order));
        if (counts[c] > 7)
            CU_ASSERT(memcmp(order, other, counts[c] * sizeof *order));
    }
}

/* Each of the 24 orders of four, over 24000 epochs: 1000 expected, standard deviation 31. */
static void unbiased(void) {
    int seen[256] = {0}, kinds = 0;
    for (uint32_t epoch = 0; epoch < 24000; epoch++) {
        int32_t o[4];
        xent_shuffle(1, epoch, o, 4);
        seen[o[0] << 6 | o[1] << 4 | o[2] << 2 | o[3]]++;
    }
    for (int i = 0; i < 256; i++)
        if (seen[i]) {
            kinds++;
            CU_ASSERT(abs(seen[i] - 1000) < 5 * 31);
        }
    CU_ASSERT_EQUAL(kinds, 24);
}

CU_ErrorCode add_random(void) {
    static const struct case_of cases[] = {{"Philox's known answers", known_answers},
                                           {"seed, purpose, stream and index each have their place", addressing},
                                           {"uniform", uniform},
                                           {"shuffles are permutations", permutations},
                                           {"shuffles are unbiased", unbiased}};
    return add_suite("random", cases, sizeof cases / sizeof *cases);
}
