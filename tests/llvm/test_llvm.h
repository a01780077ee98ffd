/* The suites of this module; each adds itself to CUnit's registry. */
#ifndef XENT_TEST_LLVM_H
#define XENT_TEST_LLVM_H

#include "make.h"

#include <string.h>

void suite_target(void);
void suite_operators(void);
void suite_memory(void);
void suite_shuffle(void);
void suite_loops(void);
void suite_gemm(void);
void suite_model(void);
void suite_parallel(void);
void suite_cache(void);

/* Bits, with every NaN the same. */
static inline uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return value != value ? 0x7fc00000u : bits;
}

/* Calls `name` on one thread, as the runtime does. */
static inline bool run(const struct compiled *c, const char *name, void *arena, const void *const *data,
                       const union xent_scalar *scalars) {
    codegen_entry entry = c->code ? codegen_find(c->code, name) : NULL;
    struct xent_call call = {.arena = arena};
    if (!entry)
        return false;
    for (uint32_t i = 0; data && data[i]; i++)
        call.data[i] = data[i];
    if (scalars)
        memcpy(call.scalar, scalars, sizeof call.scalar);
    entry(NULL, &call, 0, 1);
    return true;
}

#endif
