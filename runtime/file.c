/* Files as bytes. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What cannot be sized beforehand (a pipe) may have so many bytes. */
static const size_t stream_limit = (size_t)4 << 30;

static enum xent_status read_all(int fd, const char *path, char **bytes, size_t *size, struct xent_error *error) {
    struct stat status;
    if (fstat(fd, &status) != 0)
        return rt_fail_io(error, path, "cannot read", errno);
    if (S_ISDIR(status.st_mode))
        return rt_fail_io(error, path, "cannot read", EISDIR);
    size_t capacity = S_ISREG(status.st_mode) && status.st_size > 0 ? (size_t)status.st_size + 1 : 1 << 16;
    for (*size = 0;;) {
        char *grown = *bytes && *size < capacity ? *bytes : realloc(*bytes, capacity + 1);
        if (!grown)
            return rt_fail_memory(error, path, capacity);
        *bytes = grown;
        ssize_t count = read(fd, *bytes + *size, capacity - *size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            return rt_fail_io(error, path, "cannot read", errno);
        if (count == 0)
            break;
        *size += (size_t)count;
        if (*size == capacity && capacity > stream_limit && !S_ISREG(status.st_mode))
            return rt_fail(error, XENT_ERROR_DATA, "%s: does not end after %zu bytes", path, *size);
        if (*size == capacity)
            capacity *= 2;
    }
    (*bytes)[*size] = 0;
    return XENT_OK;
}

enum xent_status rt_file_read(const char *path, char **out_bytes, size_t *out_size, struct xent_error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return rt_fail_io(error, path, "cannot open", errno);
    char *bytes = NULL;
    enum xent_status status = read_all(fd, path, &bytes, out_size, error);
    close(fd);
    if (status) {
        free(bytes);
        return status;
    }
    *out_bytes = bytes;
    return XENT_OK;
}

enum xent_status rt_file_peek(const char *path, unsigned char first[4], size_t *out_size, struct xent_error *error) {
    struct stat status;
    *out_size = 0;
    if (stat(path, &status) != 0)
        return rt_fail_io(error, path, "cannot open", errno);
    if (!S_ISREG(status.st_mode))
        return XENT_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return rt_fail_io(error, path, "cannot open", errno);
    ssize_t got = read(fd, first, 4);
    int cause = errno;
    close(fd);
    if (got < 0)
        return rt_fail_io(error, path, "cannot read", cause);
    *out_size = (size_t)got;
    return XENT_OK;
}

bool rt_write_all(int fd, const void *bytes, size_t count) {
    const char *at = bytes;
    while (count) {
        ssize_t written = write(fd, at, count);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        at += written, count -= (size_t)written;
    }
    return true;
}

/* FNV-1a over 64-bit words in four lanes, which modern cores run at memory speed. */
uint64_t rt_hash(const void *bytes, size_t size) {
    const uint64_t prime = 0x100000001b3u;
    uint64_t lane[4] = {0xcbf29ce484222325u, 0x9ae16a3b2f90404fu, 0xc949d7c7509e6557u, 0xff51afd7ed558ccdu};
    const char *at = bytes;
    size_t left = size;
    for (; left >= 32; left -= 32, at += 32)
        for (int i = 0; i < 4; i++) {
            uint64_t word;
            memcpy(&word, at + 8 * i, 8);
            lane[i] = (lane[i] ^ word) * prime;
            lane[i] ^= lane[i] >> 29;
        }
    uint64_t hash = size;
    for (int i = 0; i < 4; i++)
        hash = (hash ^ lane[i]) * prime ^ lane[i] >> 32;
    for (; left; left--, at++)
        hash = (hash ^ (unsigned char)*at) * prime;
    return hash ^ hash >> 32;
}
