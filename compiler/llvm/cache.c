/* The folder of objects: an entry is a header with a hash over everything, then the object. Entries are read into
 * memory, not mapped, so that nobody can change one between its check and its use. */
#include "cache_hash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    DEFAULT_MIB = 256,
    ENTRY_NAME = 2 * OBJECT_HASH + 4, /* hexadecimal and ".xo"; room for the NUL */
    UNFINISHED_SECONDS = 3600,        /* older ones were left by a process that was killed */
};
static const char unfinished_prefix[] = "new-";

struct entry_header {
    char magic[8];
    struct object_key key;
    uint64_t size;                   /* of what follows */
    unsigned char hash[OBJECT_HASH]; /* of the fields above and of what follows */
};
static const char magic[8] = "xentobj1";

/* ---- the folder ---- */

char *object_cache_path(void) {
    const char *cache = secure_getenv("XDG_CACHE_HOME"), *home = secure_getenv("HOME");
    char *path = NULL;
    int length = -1;
    if (cache && *cache == '/')
        length = asprintf(&path, "%s/xent/objects", cache);
    else if (home && *home == '/')
        length = asprintf(&path, "%s/.cache/xent/objects", home);
    return length < 0 ? NULL : path;
}

/* What is missing of the path, like mkdir -p, but for its owner alone. */
static void make_folders(char *path) {
    for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        mkdir(path, 0700);
        *at = '/';
    }
    mkdir(path, 0700);
}

static bool is_ours(const struct stat *status) {
    return status->st_uid == geteuid() && (status->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

const char *object_cache_limit(uint64_t *out) {
    const char *mib = secure_getenv("XENT_CACHE_MB");
    int64_t number;
    bool fits = mib && text_to_int(mib, &number) && number >= 0 && number <= INT64_MAX >> 20;
    *out = (uint64_t)(fits ? number : DEFAULT_MIB) << 20;
    return fits ? NULL : mib;
}

struct object_cache object_cache_open(bool create) {
    struct object_cache cache = {.folder = -1};
    object_cache_limit(&cache.limit);
    char *path = object_cache_path();
    if (!path)
        return cache;
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    cache.folder = open(path, flags);
    if (cache.folder < 0 && errno == ENOENT && create) {
        make_folders(path);
        cache.folder = open(path, flags);
    }
    free(path);
    struct stat status;
    if (cache.folder >= 0 && (fstat(cache.folder, &status) != 0 || !is_ours(&status)))
        object_cache_close(&cache);
    return cache;
}

void object_cache_close(struct object_cache *cache) {
    if (cache->folder >= 0)
        close(cache->folder);
    cache->folder = -1;
}

/* ---- one entry ---- */

static void entry_name(const struct object_key *key, char name[ENTRY_NAME]) {
    for (size_t i = 0; i < OBJECT_HASH; i++)
        snprintf(name + 2 * i, 3, "%02x", key->bytes[i]);
    memcpy(name + (size_t)2 * OBJECT_HASH, ".xo", 4);
}

static bool is_entry(const char *name) {
    return strlen(name) == ENTRY_NAME - 1 && strspn(name, "0123456789abcdef") == (size_t)2 * OBJECT_HASH &&
           strcmp(name + (size_t)2 * OBJECT_HASH, ".xo") == 0;
}

static bool is_unfinished(const char *name) {
    return strncmp(name, unfinished_prefix, sizeof unfinished_prefix - 1) == 0;
}

static bool read_all(int fd, void *bytes, size_t size) {
    for (char *at = bytes; size > 0;) {
        ssize_t count = read(fd, at, size);
        if (count == 0 || (count < 0 && errno != EINTR))
            return false;
        at += count > 0 ? count : 0;
        size -= count > 0 ? (size_t)count : 0;
    }
    return true;
}

static bool write_all(int fd, const void *bytes, size_t size) {
    for (const char *at = bytes; size > 0;) {
        ssize_t count = write(fd, at, size);
        if (count < 0 && errno != EINTR)
            return false;
        at += count > 0 ? count : 0;
        size -= count > 0 ? (size_t)count : 0;
    }
    return true;
}

/* The object of an entry's file, or NULL. */
static unsigned char *read_entry(int fd, const struct object_key *key, size_t *out_size) {
    struct stat status;
    struct entry_header header;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || !is_ours(&status) || status.st_size < 0 ||
        (uint64_t)status.st_size > SIZE_MAX || (size_t)status.st_size <= sizeof header)
        return NULL;
    size_t size = (size_t)status.st_size - sizeof header;
    if (!read_all(fd, &header, sizeof header) || memcmp(header.magic, magic, sizeof magic) != 0 ||
        memcmp(&header.key, key, sizeof *key) != 0 || header.size != size)
        return NULL;
    unsigned char *object = malloc(size), hash[OBJECT_HASH];
    if (!object)
        return NULL;
    bool good = read_all(fd, object, size);
    if (good) {
        object_hash(&header, offsetof(struct entry_header, hash), object, size, hash);
        good = memcmp(hash, header.hash, OBJECT_HASH) == 0;
    }
    if (!good) {
        free(object);
        return NULL;
    }
    *out_size = size;
    return object;
}

unsigned char *object_cache_find(const struct object_cache *cache, const struct object_key *key, size_t *out_size) {
    char name[ENTRY_NAME];
    if (cache->folder < 0)
        return NULL;
    entry_name(key, name);
    int fd = openat(cache->folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    unsigned char *object = fd >= 0 ? read_entry(fd, key, out_size) : NULL;
    if (object)
        futimens(fd, NULL); /* used now: the last to be removed */
    if (fd >= 0)
        close(fd);
    return object;
}

/* ---- all entries ---- */

struct found {
    char name[ENTRY_NAME];
    uint64_t bytes;
    struct timespec used;
};

static int by_use(const void *a, const void *b) {
    const struct found *x = a, *y = b;
    if (x->used.tv_sec != y->used.tv_sec)
        return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
    return (x->used.tv_nsec > y->used.tv_nsec) - (x->used.tv_nsec < y->used.tv_nsec);
}

typedef bool (*visitor)(void *context, const char *name, const struct stat *status);

/* Calls `visit` for each entry and each unfinished one, until it says false. Other files are not ours to touch. */
static void visit_all(const struct object_cache *cache, visitor visit, void *context) {
    int fd = cache->folder >= 0 ? openat(cache->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (!folder) {
        if (fd >= 0)
            close(fd);
        return;
    }
    struct stat status;
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL)
        if ((is_entry(entry->d_name) || is_unfinished(entry->d_name)) &&
            fstatat(cache->folder, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode) &&
            !visit(context, entry->d_name, &status))
            break;
    closedir(folder);
}

static bool add_use(void *context, const char *name, const struct stat *status) {
    struct object_cache_use *use = context;
    use->bytes += (uint64_t)status->st_size;
    *(is_entry(name) ? &use->entries : &use->unfinished) += 1;
    return true;
}

struct object_cache_use object_cache_use(const struct object_cache *cache) {
    struct object_cache_use use = {0};
    visit_all(cache, add_use, &use);
    return use;
}

static bool remove_one(void *context, const char *name, const struct stat *status) {
    const struct object_cache *cache = context;
    (void)status;
    unlinkat(cache->folder, name, 0);
    return true;
}

void object_cache_clear(const struct object_cache *cache, struct object_cache_use *out_left) {
    struct object_cache copy = *cache;
    visit_all(cache, remove_one, &copy);
    *out_left = object_cache_use(cache);
}

struct trimming {
    const struct object_cache *cache;
    struct found *list;
    size_t count, capacity;
    uint64_t bytes;
    time_t now;
};

static bool note_found(void *context, const char *name, const struct stat *status) {
    struct trimming *trimming = context;
    if (!is_entry(name)) {
        if (status->st_mtim.tv_sec < trimming->now - UNFINISHED_SECONDS)
            unlinkat(trimming->cache->folder, name, 0);
        return true;
    }
    if (trimming->count == trimming->capacity) {
        size_t capacity = trimming->capacity ? 2 * trimming->capacity : 64;
        struct found *list = realloc(trimming->list, capacity * sizeof *list);
        if (!list)
            return false;
        trimming->list = list;
        trimming->capacity = capacity;
    }
    struct found *found = &trimming->list[trimming->count++];
    memcpy(found->name, name, ENTRY_NAME);
    found->bytes = (uint64_t)status->st_size;
    found->used = status->st_mtim;
    trimming->bytes += found->bytes;
    return true;
}

/* Makes room for `wanted` bytes. Another process may do the same at the same time: then more goes than has to. */
static void trim(const struct object_cache *cache, uint64_t wanted) {
    struct trimming trimming = {.cache = cache, .now = time(NULL)};
    visit_all(cache, note_found, &trimming);
    if (trimming.count && trimming.bytes + wanted > cache->limit)
        qsort(trimming.list, trimming.count, sizeof *trimming.list, by_use);
    for (size_t i = 0; i < trimming.count && trimming.bytes + wanted > cache->limit; i++) {
        unlinkat(cache->folder, trimming.list[i].name, 0);
        trimming.bytes -= trimming.list[i].bytes;
    }
    free(trimming.list);
}

/* A file that may not grow so far would end the process by a signal. */
static bool may_write(uint64_t bytes) {
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && (limit.rlim_cur == RLIM_INFINITY || bytes <= limit.rlim_cur);
}

void object_cache_store(const struct object_cache *cache, const struct object_key *key, const unsigned char *object,
                        size_t size) {
    struct entry_header header = {.key = *key, .size = size};
    uint64_t random, bytes = sizeof header + (uint64_t)size;
    char name[ENTRY_NAME], unfinished[sizeof unfinished_prefix + 16];
    if (cache->folder < 0 || bytes > cache->limit || !may_write(bytes) ||
        getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random)
        return;
    trim(cache, bytes);
    memcpy(header.magic, magic, sizeof magic);
    object_hash(&header, offsetof(struct entry_header, hash), object, size, header.hash);
    entry_name(key, name);
    snprintf(unfinished, sizeof unfinished, "%s%016" PRIx64, unfinished_prefix, random);
    int fd = openat(cache->folder, unfinished, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    bool written = write_all(fd, &header, sizeof header) && write_all(fd, object, size);
    if (close(fd) != 0 || !written || renameat(cache->folder, unfinished, cache->folder, name) != 0)
        unlinkat(cache->folder, unfinished, 0);
}
