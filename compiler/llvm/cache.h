/* Objects kept between runs, in $XDG_CACHE_HOME/xent/objects or ~/.cache/xent/objects. An entry is named by the hash of
 * all that its code depends on and holds a hash of all that it says, so that nothing but what this very compiler made
 * of these very programs is ever loaded. It appears by a rename: other processes see it whole or not at all. Nothing
 * here is an error: a cache that does not work is done without. */
#ifndef XENT_LLVM_CACHE_H
#define XENT_LLVM_CACHE_H

#include "codegen.h"

enum { OBJECT_HASH = 32 };
struct object_key {
    unsigned char bytes[OBJECT_HASH];
};
/* Of the compiler, LLVM, the target, the programs' text, and what else they are compiled by. False: this build cannot
 * be told from others (or memory is short), and nothing may be cached. */
bool object_key(const struct codegen_target *target, const struct kprogram *const *programs, size_t count,
                const char *also, struct object_key *out);

struct object_cache {
    int folder;     /* -1: there is none */
    uint64_t limit; /* bytes of all entries: XENT_CACHE_MB MiB, or 256 */
};
/* The bytes that $XENT_CACHE_MB allows; returns what it says where that is no whole number of MiB, else NULL. */
const char *object_cache_limit(uint64_t *out);
/* `create`: the folder is made where it is missing. A folder of another user's, or one that others may write to, is
 * none. */
struct object_cache object_cache_open(bool create);
void object_cache_close(struct object_cache *cache);

/* The object with this key, malloc'ed; NULL: there is none that can be trusted. */
unsigned char *object_cache_find(const struct object_cache *cache, const struct object_key *key, size_t *out_size);
/* Keeps the object, and removes the least recently used ones where all exceed the limit. */
void object_cache_store(const struct object_cache *cache, const struct object_key *key, const unsigned char *object,
                        size_t size);

struct object_cache_use {
    uint64_t entries, bytes, unfinished; /* unfinished: files of processes that write now, or were killed */
};
struct object_cache_use object_cache_use(const struct object_cache *cache);
/* Removes all entries and what is unfinished; what is left is in *out. */
void object_cache_clear(const struct object_cache *cache, struct object_cache_use *out_left);
/* Where the folder is or would be, malloc'ed; NULL: neither XDG_CACHE_HOME nor HOME is an absolute path. */
char *object_cache_path(void);

#endif
