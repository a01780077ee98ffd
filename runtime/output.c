/* Files that appear whole or not at all. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER = 1 << 16 };

struct xent_output {
    int fd;
    bool direct, backup; /* direct: no temporary name */
    size_t used;
    char path[PATH_MAX];   /* as the user gave it, for messages */
    char target[PATH_MAX]; /* links followed */
    char temporary[PATH_MAX];
    char buffer[BUFFER];
};

/* Opens target.PID-N.tmp, a name that nobody has, with the mode of the file that it will replace. */
static int open_temporary(struct xent_output *output, const struct stat *replaced) {
    for (int n = 0; n < 100; n++) {
        int length = snprintf(output->temporary, PATH_MAX, "%s.%ld-%d.tmp", output->target, (long)getpid(), n);
        if (length >= PATH_MAX)
            return ENAMETOOLONG;
        output->fd = open(output->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
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

/* errno-like cause, 0 on success. */
static int open_target(struct xent_output *output, bool reopen_device) {
    struct stat status;
    bool exists = stat(output->path, &status) == 0;
    if (!exists && errno != ENOENT)
        return errno;
    if (!exists || S_ISREG(status.st_mode)) {
        if (exists && access(output->path, W_OK) != 0)
            return errno;
        if (!exists)
            strcpy(output->target, output->path);
        else if (!realpath(output->path, output->target))
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
    output->fd = -1;
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

/* A device is not opened: a pipe would wait for its reader. */
enum xent_status xent_check_writable(const char *path, struct xent_error *error) {
    struct xent_output *output;
    enum xent_status status = prepare(path, false, false, &output, error);
    if (!status)
        xent_output_abort(output);
    return status;
}

static enum xent_status flush(struct xent_output *output, struct xent_error *error) {
    size_t used = output->used;
    output->used = 0;
    if (!rt_write_all(output->fd, output->buffer, used))
        return rt_fail_io(error, output->path, "cannot write", errno);
    return XENT_OK;
}

enum xent_status xent_output_write(struct xent_output *output, const void *bytes, size_t count,
                                   struct xent_error *error) {
    if (output->used + count > BUFFER) {
        enum xent_status status = flush(output, error);
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

/* The old file keeps its place until the new one is there, but for the moment between two renames. */
static int take_place(const struct xent_output *output) {
    if (!output->backup || access(output->target, F_OK) != 0)
        return rename(output->temporary, output->target) == 0 ? 0 : errno;
    char backup[PATH_MAX];
    if (snprintf(backup, sizeof backup, "%s~", output->target) >= PATH_MAX)
        return ENAMETOOLONG;
    if (rename(output->target, backup) != 0)
        return errno;
    if (rename(output->temporary, output->target) == 0)
        return 0;
    int cause = errno;
    if (rename(backup, output->target) != 0)
        return errno;
    return cause;
}

enum xent_status xent_output_commit(struct xent_output *output, struct xent_error *error) {
    enum xent_status status = flush(output, error);
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
    free(output);
}
