/* BLAKE3, as LLVM has it. */
#ifndef XENT_LLVM_CACHE_HASH_H
#define XENT_LLVM_CACHE_HASH_H

#include "cache.h"

/* The hash of two pieces, one behind the other. */
void object_hash(const void *first, size_t first_size, const void *second, size_t second_size,
                 unsigned char out[OBJECT_HASH]);

#endif
