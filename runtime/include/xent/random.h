/* The counter-based generator behind initialisation and shuffling: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel
 * Random Numbers: As Easy as 1, 2, 3", SC 2011). It has no state: a number is a function of (seed, purpose, stream,
 * index), in integer arithmetic alone, so the same seed gives the same run on every machine and for every number of
 * threads. Key = (seed low, seed high); counter = (block low, block high, stream, purpose), block = index / 4; the
 * number is word index % 4 of the result. */
#ifndef XENT_RANDOM_H
#define XENT_RANDOM_H

#include "status.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum xent_purpose {
    XENT_RANDOM_INIT = 0,    /* stream: xent_tensor.init_stream; index: element in logical row-major order */
    XENT_RANDOM_SHUFFLE = 1, /* stream: the epoch, from 0; index: the count of numbers drawn so far */
};

XENT_API void xent_philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* Number `index` of a stream: uniform over all of uint32_t. */
XENT_API uint32_t xent_random(uint64_t seed, enum xent_purpose purpose, uint32_t stream, uint64_t index);

/* Uniform in [-bound, bound): bound * (u / 2^23 - 1) with u the upper 24 bits of `word`. All but the last product is
 * exact, so the result is rounded once. */
XENT_API float xent_uniform(uint32_t word, float bound);

/* The order of epoch `epoch` (from 0): order[0..count) becomes a permutation of 0..count-1, by Fisher and Yates from
 * the end, with unbiased bounded integers (Lemire's multiplication with rejection). count < 2^31. */
XENT_API void xent_shuffle(uint64_t seed, uint32_t epoch, int32_t *order, uint32_t count);

#ifdef __cplusplus
}
#endif
#endif
