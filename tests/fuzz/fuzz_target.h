/* What libFuzzer, or replay.c in its place, calls with each input. */
#ifndef XENT_TESTS_FUZZ_TARGET_H
#define XENT_TESTS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
