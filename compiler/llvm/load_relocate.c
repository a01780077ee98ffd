/* The kinds of references that LLVM writes for code that may lie anywhere, all of it together: distances, and in
 * constants addresses. */
#include "load.h"

#include <elf.h>
#include <string.h>

static bool put(unsigned char *at, size_t room, const void *bytes, size_t size) {
    if (size > room)
        return false;
    memcpy(at, bytes, size);
    return true;
}

static bool put_distance(unsigned char *at, size_t room, int64_t distance) {
    int32_t word = (int32_t)distance;
    return word == distance && put(at, room, &word, sizeof word);
}

#if defined(__x86_64__)

bool relocate(uint32_t kind, unsigned char *at, size_t room, uint64_t to) {
    int64_t distance = (int64_t)(to - (uint64_t)(uintptr_t)at);
    switch (kind) {
    case R_X86_64_64: return put(at, room, &to, sizeof to);
    case R_X86_64_PC32:
    case R_X86_64_PLT32: return put_distance(at, room, distance);
    case R_X86_64_PC64: return put(at, room, &distance, sizeof distance);
    default: return false;
    }
}

#else

/* Bits of an instruction. */
static bool put_bits(unsigned char *at, size_t room, uint32_t mask, uint32_t bits) {
    uint32_t word;
    if (room < sizeof word)
        return false;
    memcpy(&word, at, sizeof word);
    word = (word & ~mask) | (bits & mask);
    return put(at, room, &word, sizeof word);
}

/* A branch: 26 bits of words. */
static bool put_branch(unsigned char *at, size_t room, int64_t distance) {
    const int64_t reach = INT64_C(1) << 27;
    return distance >= -reach && distance < reach && distance % 4 == 0 &&
           put_bits(at, room, 0x03ffffff, (uint32_t)(distance / 4));
}

/* adrp: 21 bits of pages. */
static bool put_page(unsigned char *at, size_t room, uint64_t to) {
    int64_t pages = (int64_t)((to >> 12) - ((uint64_t)(uintptr_t)at >> 12));
    const int64_t reach = INT64_C(1) << 20;
    uint32_t bits = (uint32_t)pages;
    return pages >= -reach && pages < reach &&
           put_bits(at, room, 0x60ffffe0, (bits & 3) << 29 | (bits >> 2 & 0x7ffff) << 5);
}

/* The offset in a page, in units of what is loaded. */
static bool put_offset(unsigned char *at, size_t room, uint64_t to, uint32_t shift) {
    return (to & ((UINT64_C(1) << shift) - 1)) == 0 &&
           put_bits(at, room, 0x003ffc00, (uint32_t)((to & 0xfff) >> shift) << 10);
}

bool relocate(uint32_t kind, unsigned char *at, size_t room, uint64_t to) {
    int64_t distance = (int64_t)(to - (uint64_t)(uintptr_t)at);
    switch (kind) {
    case R_AARCH64_ABS64: return put(at, room, &to, sizeof to);
    case R_AARCH64_PREL64: return put(at, room, &distance, sizeof distance);
    case R_AARCH64_PREL32: return put_distance(at, room, distance);
    case R_AARCH64_CALL26:
    case R_AARCH64_JUMP26: return put_branch(at, room, distance);
    case R_AARCH64_ADR_PREL_PG_HI21: return put_page(at, room, to);
    case R_AARCH64_ADD_ABS_LO12_NC:
    case R_AARCH64_LDST8_ABS_LO12_NC: return put_offset(at, room, to, 0);
    case R_AARCH64_LDST16_ABS_LO12_NC: return put_offset(at, room, to, 1);
    case R_AARCH64_LDST32_ABS_LO12_NC: return put_offset(at, room, to, 2);
    case R_AARCH64_LDST64_ABS_LO12_NC: return put_offset(at, room, to, 3);
    case R_AARCH64_LDST128_ABS_LO12_NC: return put_offset(at, room, to, 4);
    default: return false;
    }
}

#endif
