/* Files that appear whole or not at all. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER = 1 << 16, PENDING = 16, LINKS = 40 };

/* Names that a signal handler unlinks when it ends the process. Whoever changes a slot's state owns its path: a handler
 * in another thread never reads one that is being written. */
enum { SLOT_FREE, SLOT_TAKEN, SLOT_PENDING, SLOT_ABANDONED };
static struct {
    atomic_int state;
    char path[PATH_MAX];
} pending[PENDING];

struct xent_output {
    int fd, slot; /* slot: in `pending`, -1: none */
    bool direct, backup; /* direct: no temporary name */
    size_t used;
    char path[PATH_MAX];   /* as the user gave it, for messages */
    char target[PATH_MAX]; /* links followed */
    char temporary[PATH_MAX];
    char buffer[BUFFER];
};

static int claim_slot(void) {
    for (int i = 0; i < PENDING; i++) {
        int free_slot = SLOT_FREE;
        if (atomic_compare_exchange_strong(&pending[i].state, &free_slot, SLOT_TAKEN))
            return i;
    }
    return -1;
}

static void release_slot(int slot) {
    int was = SLOT_PENDING;
    if (slot >= 0)
        atomic_compare_exchange_strong(&pending[slot].state, &was, SLOT_FREE);
}

void xent_output_abandon(void) {
    for (int i = 0; i < PENDING; i++) {
        int was = SLOT_PENDING;
        if (atomic_compare_exchange_strong(&pending[i].state, &was, SLOT_ABANDONED))
            unlink(pending[i].path);
    }
}

/* The name is pending before the file exists: no signal finds the file without it. */
static void create(struct xent_output *output) {
    output->slot = claim_slot();
    if (output->slot >= 0) {
        strcpy(pending[output->slot].path, output->temporary);
        atomic_store(&pending[output->slot].state, SLOT_PENDING);
    }
    output->fd = open(output->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    int cause = errno;
    if (output->fd < 0)
        release_slot(output->slot);
    errno = cause;
}

/* Opens target.PID-N.tmp, a name that nobody has, with the mode of the file that it will replace. */
static int open_temporary(struct xent_output *output, const struct stat *replaced) {
    for (int n = 0; n < 100; n++) {
        int length = snprintf(output->temporary, PATH_MAX, "%s.%ld-%d.tmp", output->target, (long)getpid(), n);
        if (length >= PATH_MAX)
            return ENAMETOOLONG;
        create(output);
        if (output->fd < 0 && errno != EEXIST)
            return errno;
        if (output->fd >= 0) {
            if (replaced)
                fchmod(output->fd, replaced->st_mode & 07777); /* best effort: some file systems have no modes */
            return 0;
        }
    }
    return EEXIST;
}

/* What the links at `path` lead to, where no file is: a link whose file is missing is written through. */
static int follow_links(const char *path, char target[PATH_MAX]) {
    strcpy(target, path);
    for (int n = 0; n < LINKS; n++) {
        char link[PATH_MAX];
        ssize_t length = readlink(target, link, sizeof link - 1);
        if (length < 0)
            return 0;
        link[length] = 0;
        char *slash = strrchr(target, '/');
        size_t folder = link[0] != '/' && slash ? (size_t)(slash + 1 - target) : 0;
        if (folder + (size_t)length >= PATH_MAX)
            return ENAMETOOLONG;
        strcpy(target + folder, link);
    }
    return ELOOP;
}

/* errno-like cause, 0 on success. */
static int open_target(struct xent_output *output, bool reopen_device) {
    struct stat status;
    bool exists = stat(output->path, &status) == 0;
    if (!exists && errno != ENOENT)
        return errno;
    if (!exists || S_ISREG(status.st_mode)) {
        if (exists && access(output->path, W_OK) != 0)
            return errno;
        int cause = exists ? 0 : follow_links(output->path, output->target);
        if (cause)
            return cause;
        if (exists && !realpath(output->path, output->target))
            return errno;
        return open_temporary(output, exists ? &status : NULL);
    }
    if (S_ISDIR(status.st_mode))
        return EISDIR;
    output->direct = true;
    if (!reopen_device)
        return access(output->path, W_OK) == 0 ? 0 : errno;
    output->fd = open(output->path, O_WRONLY | O_CLOEXEC);
    return output->fd < 0 ? errno : 0;
}

static enum xent_status prepare(const char *path, bool backup, bool reopen_device, struct xent_output **out,
                                struct xent_error *error) {
    if (strlen(path) >= PATH_MAX)
        return rt_fail_io(error, path, "cannot write", ENAMETOOLONG);
    size_t length = strlen(path);
    if (!length || path[length - 1] == '/')
        return rt_fail_io(error, length ? path : "\"\"", "cannot write", length ? EISDIR : ENOENT);
    struct xent_output *output = malloc(sizeof *output);
    if (!output)
        return rt_fail_memory(error, path, sizeof *output);
    output->fd = output->slot = -1;
    output->direct = false;
    output->backup = backup;
    output->used = 0;
    strcpy(output->path, path);
    int cause = open_target(output, reopen_device);
    if (cause) {
        free(output);
        return rt_fail_io(error, path, "cannot write", cause);
    }
    *out = output;
    return XENT_OK;
}

enum xent_status xent_output_open(const char *path, bool backup, struct xent_output **out, struct xent_error *error) {
    return prepare(path, backup, true, out, error);
}

/* Nothing is written: a device like /dev/full refuses zero bytes as it refuses one. */
static int try_device(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISCHR(status.st_mode))
        return 0; /* a pipe is not opened: that would wait for its reader */
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno;
    int cause = isatty(fd) || write(fd, "", 0) == 0 ? 0 : errno;
    close(fd);
    return cause == EAGAIN || cause == EINVAL ? 0 : cause;
}

/* File systems that cannot reserve say so with one of these; then only writing will tell. */
static int reserve(int fd, uint64_t bytes) {
    if (bytes > INT64_MAX)
        return EFBIG;
    int cause = bytes ? posix_fallocate(fd, 0, (off_t)bytes) : 0;
    return cause == EOPNOTSUPP || cause == ENOSYS || cause == EINVAL ? 0 : cause;
}

enum xent_status xent_check_room(const char *path, uint64_t bytes, struct xent_error *error) {
    struct xent_output *output;
    enum xent_status status = prepare(path, false, false, &output, error);
    if (status)
        return status;
    int cause = output->direct ? try_device(path) : reserve(output->fd, bytes);
    xent_output_abort(output);
    return cause ? rt_fail_io(error, path, "cannot write", cause) : XENT_OK;
}

enum xent_status xent_check_writable(const char *path, struct xent_error *error) {
    return xent_check_room(path, 0, error);
}

enum xent_status xent_output_flush(struct xent_output *output, struct xent_error *error) {
    size_t used = output->used;
    output->used = 0;
    if (!rt_write_all(output->fd, output->buffer, used))
        return rt_fail_io(error, output->path, "cannot write", errno);
    return XENT_OK;
}

enum xent_status xent_output_write(struct xent_output *output, const void *bytes, size_t count,
                                   struct xent_error *error) {
    if (output->used + count > BUFFER) {
        enum xent_status status = xent_output_flush(output, error);
        if (status)
            return status;
    }
    if (count > BUFFER) {
        if (!rt_write_all(output->fd, bytes, count))
            return rt_fail_io(error, output->path, "cannot write", errno);
        return XENT_OK;
    }
    memcpy(output->buffer + output->used, bytes, count);
    output->used += count;
    return XENT_OK;
}

enum xent_status xent_output_printf(struct xent_output *output, struct xent_error *error, const char *format, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    if (length < 0)
        return rt_fail_memory(error, output->path, 0);
    enum xent_status status = xent_output_write(output, text, (size_t)length, error);
    free(text);
    return status;
}

/* The old file keeps its place until the new one takes it in one step; where there are no hard links, but for the
 * moment between two renames. */
static int take_place(const struct xent_output *output) {
    if (!output->backup || access(output->target, F_OK) != 0)
        return rename(output->temporary, output->target) == 0 ? 0 : errno;
    char backup[PATH_MAX];
    if (snprintf(backup, sizeof backup, "%s~", output->target) >= PATH_MAX)
        return ENAMETOOLONG;
    if (unlink(backup) != 0 && errno != ENOENT)
        return errno;
    bool linked = link(output->target, backup) == 0;
    if (!linked && rename(output->target, backup) != 0)
        return errno;
    if (rename(output->temporary, output->target) == 0)
        return 0;
    int cause = errno;
    if (!linked && rename(backup, output->target) != 0)
        return errno;
    return cause;
}

/* So that the new name outlives a power failure. Best effort: not every file system syncs folders, and the file is
 * there already. */
static void sync_folder(const char *target) {
    char folder[PATH_MAX];
    const char *slash = strrchr(target, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash + 1 - target) : 1, slash ? target : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

enum xent_status xent_output_commit(struct xent_output *output, struct xent_error *error) {
    enum xent_status status = xent_output_flush(output, error);
    if (!status && !output->direct && fsync(output->fd) != 0)
        status = rt_fail_io(error, output->path, "cannot write", errno);
    if (close(output->fd) != 0 && !status)
        status = rt_fail_io(error, output->path, "cannot write", errno);
    output->fd = -1;
    int cause = status || output->direct ? 0 : take_place(output);
    if (cause)
        status = rt_fail_io(error, output->path, "cannot write", cause);
    if (status && !output->direct)
        unlink(output->temporary);
    release_slot(output->slot);
    if (!status && !output->direct)
        sync_folder(output->target);
    free(output);
    return status;
}

void xent_output_abort(struct xent_output *output) {
    if (!output)
        return;
    if (output->fd >= 0)
        close(output->fd);
    if (!output->direct)
        unlink(output->temporary);
    release_slot(output->slot);
    free(output);
}
