/* References from one place in loaded code to another, as this machine's instructions hold them. */
#ifndef XENT_LLVM_LOAD_H
#define XENT_LLVM_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#define RELOCATION_MACHINE EM_X86_64
#else
#define RELOCATION_MACHINE EM_AARCH64
#endif

/* Writes the reference of ELF's kind `kind` at `at`, with `room` bytes, to the address `to` (addend included). False:
 * no such kind, no room, too far away, or between two of the units in which the instruction counts. */
bool relocate(uint32_t kind, unsigned char *at, size_t room, uint64_t to);

#endif
