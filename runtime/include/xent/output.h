/* Files that appear whole or not at all: written to a temporary name in the target's folder and renamed, or directly
 * where the target exists and is no regular file (/dev/stdout, a pipe). */
#ifndef XENT_OUTPUT_H
#define XENT_OUTPUT_H

#include "status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct xent_output;

/* Opens `path` for writing. A symbolic link is followed, also to a file that is not there yet. `backup`: an existing
 * regular file becomes path~ when the new one takes its place. A read-only file is not replaced. */
XENT_API enum xent_status xent_output_open(const char *path, bool backup, struct xent_output **out,
                                           struct xent_error *error);
/* Buffered. After a failure the output can only be aborted. */
XENT_API enum xent_status xent_output_write(struct xent_output *output, const void *bytes, size_t count,
                                            struct xent_error *error);
XENT_API enum xent_status xent_output_printf(struct xent_output *output, struct xent_error *error, const char *format,
                                             ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 3, 4)))
#endif
    ;
/* Writes what is buffered, so that a full device shows. */
XENT_API enum xent_status xent_output_flush(struct xent_output *output, struct xent_error *error);
/* Flushes, syncs, renames, syncs the folder and frees; on failure it removes what was written and frees, too. */
XENT_API enum xent_status xent_output_commit(struct xent_output *output, struct xent_error *error);
/* Forgets what was written (what went directly to a device is gone) and frees. NULL is allowed. */
XENT_API void xent_output_abort(struct xent_output *output);

/* Unlinks the temporary names of all outputs that are open (of the first 16). For a signal handler that is about to end
 * the process: it is async-signal-safe, and no output can be committed behind it. */
XENT_API void xent_output_abandon(void);

/* Whether xent_output_open would succeed, found by trying; leaves nothing behind. For checks before long work. */
XENT_API enum xent_status xent_check_writable(const char *path, struct xent_error *error);
/* Likewise, and whether `bytes` would have room: they are reserved for a moment. */
XENT_API enum xent_status xent_check_room(const char *path, uint64_t bytes, struct xent_error *error);

#ifdef __cplusplus
}
#endif
#endif
