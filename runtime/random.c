/* Philox4x32-10, as in Salmon et al. 2011 and the Random123 library, and what is drawn from it. */
#include "internal.h"

static void philox_round(uint32_t c[4], const uint32_t k[2]) {
    uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
    uint32_t next[4] = {(uint32_t)(p1 >> 32) ^ c[1] ^ k[0], (uint32_t)p1, (uint32_t)(p0 >> 32) ^ c[3] ^ k[1],
                        (uint32_t)p0};
    for (int i = 0; i < 4; i++)
        c[i] = next[i];
}

void xent_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
    uint32_t k[2] = {key[0], key[1]};
    for (int i = 0; i < 4; i++)
        out[i] = counter[i];
    for (int round = 0; round < 10; round++) {
        philox_round(out, k);
        k[0] += 0x9E3779B9u;
        k[1] += 0xBB67AE85u;
    }
}

uint32_t xent_random(uint64_t seed, enum xent_purpose purpose, uint32_t stream, uint64_t index) {
    uint64_t block = index / 4;
    uint32_t counter[4] = {(uint32_t)block, (uint32_t)(block >> 32), stream, (uint32_t)purpose};
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)}, out[4];
    xent_philox4x32(counter, key, out);
    return out[index % 4];
}

float xent_uniform(uint32_t word, float bound) {
    return ((float)(word >> 8) * 0x1p-23f - 1.0f) * bound;
}

/* Lemire, "Fast Random Integer Generation in an Interval", 2019. */
static uint32_t bounded(uint64_t seed, uint32_t epoch, uint64_t *drawn, uint32_t bound) {
    uint32_t threshold = (0u - bound) % bound;
    for (;;) {
        uint64_t product = (uint64_t)xent_random(seed, XENT_RANDOM_SHUFFLE, epoch, (*drawn)++) * bound;
        if ((uint32_t)product >= threshold)
            return (uint32_t)(product >> 32);
    }
}

void xent_shuffle(uint64_t seed, uint32_t epoch, int32_t *order, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        order[i] = (int32_t)i;
    uint64_t drawn = 0;
    for (uint32_t i = count; i > 1; i--) {
        uint32_t j = bounded(seed, epoch, &drawn, i);
        int32_t swap = order[j];
        order[j] = order[i - 1];
        order[i - 1] = swap;
    }
}
