/* The unpacked form of gzipped files, kept between runs: a header that names the source and a checksum, then the bytes.
 * An entry appears by a rename, so readers of other processes see it whole or not at all. Nothing here is an error: a
 * cache that does not work is done without. */
#include "internal.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct cache_header {
    char magic[8];
    uint64_t device, inode, size, seconds, nanoseconds; /* of the source */
    uint64_t bytes, hash;                               /* of what follows */
};

static void describe(const struct stat *status, struct cache_header *out) {
    *out = (struct cache_header){.device = status->st_dev,
                                 .inode = status->st_ino,
                                 .size = (uint64_t)status->st_size,
                                 .seconds = (uint64_t)status->st_mtim.tv_sec,
                                 .nanoseconds = (uint64_t)status->st_mtim.tv_nsec};
    memcpy(out->magic, "xentidx1", 8);
}

/* The folder, made where it is missing; false: there is no place for it. */
static bool cache_folder(char folder[PATH_MAX]) {
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    bool xdg = cache && cache[0] == '/';
    if (!xdg && !(home && home[0] == '/'))
        return false;
    const char *part[] = {xdg ? "" : "/.cache", "/xent", "/unpacked"};
    int length = snprintf(folder, PATH_MAX, "%s", xdg ? cache : home);
    for (size_t i = 0; i < 3; i++) {
        if (length < 0 || length >= PATH_MAX - 64)
            return false;
        length += snprintf(folder + length, (size_t)(PATH_MAX - length), "%s", part[i]);
        if (length < PATH_MAX)
            mkdir(folder, 0777);
    }
    return length < PATH_MAX - 64;
}

static bool entry_path(const char *path, char folder[PATH_MAX], char entry[PATH_MAX + 32]) {
    char *absolute = realpath(path, NULL);
    if (!absolute)
        return false;
    uint64_t key = rt_hash(absolute, strlen(absolute));
    free(absolute);
    if (!cache_folder(folder))
        return false;
    snprintf(entry, PATH_MAX + 32, "%s/%016" PRIx64 ".idx", folder, key);
    return true;
}

static bool map_entry(int fd, const struct cache_header *want, struct rt_blob *out) {
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || (size_t)status.st_size <= sizeof *want)
        return false;
    size_t size = (size_t)status.st_size;
    void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (map == MAP_FAILED)
        return false;
    struct cache_header have;
    memcpy(&have, map, sizeof have);
    const unsigned char *bytes = (const unsigned char *)map + sizeof have;
    if (memcmp(&have, want, offsetof(struct cache_header, bytes)) || have.bytes != size - sizeof have ||
        have.hash != rt_hash(bytes, have.bytes)) {
        munmap(map, size);
        return false;
    }
    *out = (struct rt_blob){.bytes = bytes, .size = have.bytes, .map = map, .map_size = size};
    return true;
}

bool rt_cache_find(const char *path, const struct stat *status, struct rt_blob *out) {
    char folder[PATH_MAX], entry[PATH_MAX + 32];
    struct cache_header want;
    describe(status, &want);
    if (!entry_path(path, folder, entry))
        return false;
    int fd = open(entry, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool found = map_entry(fd, &want, out);
    close(fd);
    return found;
}

void rt_cache_store(const char *path, const struct stat *status, const void *bytes, size_t size) {
    char folder[PATH_MAX], entry[PATH_MAX + 32], temporary[PATH_MAX + 32];
    struct cache_header header;
    describe(status, &header);
    header.bytes = size;
    header.hash = rt_hash(bytes, size);
    if (!entry_path(path, folder, entry))
        return;
    snprintf(temporary, sizeof temporary, "%s/new-XXXXXX", folder);
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return;
    bool written = rt_write_all(fd, &header, sizeof header) && rt_write_all(fd, bytes, size);
    if (close(fd) != 0 || !written || rename(temporary, entry) != 0)
        unlink(temporary);
}
