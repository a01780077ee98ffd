/* What an object depends on, as one hash: who compiles (the build id that the linker gave this program, and those of
 * LLVM's libraries), for what, and the programs' text, which says everything that code is made from, their schedules or
 * what these are derived from. */
#include "cache_hash.h"
#include "target.h"

#include <elf.h>
#include <inttypes.h>
#include <link.h>
#include <llvm-c/blake3.h>
#include <string.h>
#include <sys/stat.h>

void object_hash(const void *first, size_t first_size, const void *second, size_t second_size,
                 unsigned char out[OBJECT_HASH]) {
    llvm_blake3_hasher hasher;
    llvm_blake3_hasher_init(&hasher);
    llvm_blake3_hasher_update(&hasher, first, first_size);
    llvm_blake3_hasher_update(&hasher, second, second_size);
    llvm_blake3_hasher_finalize(&hasher, out, OBJECT_HASH);
}

/* ---- who compiles ---- */

/* Collected under the dynamic linker's lock: nothing here may jump, so nothing uses an arena. */
struct identity {
    unsigned char hash[OBJECT_HASH];
    bool found;
};

static void add(struct identity *identity, const void *bytes, size_t size) {
    object_hash(identity->hash, OBJECT_HASH, bytes, size, identity->hash);
}

static bool add_note(struct identity *identity, const unsigned char *at, size_t size) {
    ElfW(Nhdr) note;
    while (size >= sizeof note) {
        memcpy(&note, at, sizeof note);
        size_t name = ((size_t)note.n_namesz + 3) & ~(size_t)3, content = ((size_t)note.n_descsz + 3) & ~(size_t)3;
        if (name > size - sizeof note || content > size - sizeof note - name)
            return false;
        const unsigned char *words = at + sizeof note;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && !memcmp(words, "GNU", 4) && note.n_descsz >= 8) {
            add(identity, words + name, note.n_descsz);
            return true;
        }
        at += sizeof note + name + content;
        size -= sizeof note + name + content;
    }
    return false;
}

/* Without a build id: a file that was written anew is another one. */
static bool add_file(struct identity *identity, const char *path) {
    struct stat status;
    if (stat(*path ? path : "/proc/self/exe", &status) != 0)
        return false;
    const uint64_t facts[] = {status.st_dev, status.st_ino, (uint64_t)status.st_size, (uint64_t)status.st_mtim.tv_sec,
                              (uint64_t)status.st_mtim.tv_nsec};
    add(identity, facts, sizeof facts);
    return true;
}

static void ourselves(void) {}

static int consider(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    struct identity *identity = context;
    const char *slash = strrchr(info->dlpi_name, '/'), *name = slash ? slash + 1 : info->dlpi_name;
    uintptr_t our_code = (uintptr_t)ourselves;
    bool ours = false, known = false;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t from = info->dlpi_addr + segment->p_vaddr;
        ours = ours || (segment->p_type == PT_LOAD && our_code >= from && our_code - from < segment->p_memsz);
    }
    if (!ours && strncmp(name, "libLLVM", 7) != 0)
        return 0;
    for (size_t i = 0; i < info->dlpi_phnum && !known; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type == PT_NOTE)
            known = add_note(identity, (const unsigned char *)(info->dlpi_addr + segment->p_vaddr), segment->p_memsz);
    }
    known = known || add_file(identity, info->dlpi_name);
    identity->found = identity->found || (ours && known);
    return !known;
}

static bool add_compiler(struct text *out) {
    struct identity identity = {{0}, false};
    if (dl_iterate_phdr(consider, &identity) != 0 || !identity.found)
        return false;
    text_printf(out, "%s ", codegen_version());
    for (size_t i = 0; i < OBJECT_HASH; i++)
        text_printf(out, "%02x", identity.hash[i]);
    text_add(out, "\n");
    return true;
}

/* ---- for what ---- */

static void add_target(struct text *out, const struct codegen_target *target) {
    const struct ktarget *facts = &target->facts;
    text_printf(out, "%s\n%s\n%s\n", target->triple, target->cpu, target->features);
    text_printf(out, "%" PRIu32 " %" PRIu32 " %d %d %d %" PRId64 " %" PRId64 "\n", facts->lanes, facts->registers,
                facts->fma, facts->masks, facts->halves, facts->l1_bytes, facts->l2_bytes);
}

static bool hash_all(struct arena *arena, const struct codegen_target *target, const struct kprogram *const *programs,
                     size_t count, const char *also, struct object_key *out) {
    struct text text;
    text_init(&text, arena);
    if (!add_compiler(&text))
        return false;
    add_target(&text, target);
    for (size_t i = 0; i < count; i++)
        kernel_print_program(programs[i], &text);
    text_add(&text, also);
    object_hash(text_string(&text), text.count, NULL, 0, out->bytes);
    return true;
}

/* The arena's jump ends here: a frame of its own, in which no variable changes. */
static __attribute__((noinline)) bool hash_guarded(struct arena *arena, jmp_buf *out_of_memory,
                                                   const struct codegen_target *target,
                                                   const struct kprogram *const *programs, size_t count,
                                                   const char *also, struct object_key *out) {
    if (setjmp(*out_of_memory))
        return false;
    return hash_all(arena, target, programs, count, also, out);
}

bool object_key(const struct codegen_target *target, const struct kprogram *const *programs, size_t count,
                const char *also, struct object_key *out) {
    struct arena arena;
    jmp_buf out_of_memory;
    arena_init(&arena, &out_of_memory);
    bool good = hash_guarded(&arena, &out_of_memory, target, programs, count, also, out);
    arena_deinit(&arena);
    return good;
}
