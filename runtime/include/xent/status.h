/* How the runtime reports the world's failures: a status and one message. Zero is success. Functions of this library
 * never print and never exit, and leave no half-written file. */
#ifndef XENT_STATUS_H
#define XENT_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define XENT_API __attribute__((visibility("default")))
#else
#define XENT_API
#endif

enum xent_status {
    XENT_OK = 0,
    XENT_ERROR_ARGUMENT, /* the caller's mistake: a batch of 0, an unknown hyperparameter, data of another shape */
    XENT_ERROR_DATA,     /* a file says something that it may not say */
    XENT_ERROR_IO,       /* a file cannot be opened, read or written */
    XENT_ERROR_MEMORY,
    XENT_ERROR_THREAD,  /* a thread cannot be started */
    XENT_ERROR_NUMERIC, /* a loss or a weight became NaN or infinite */
};

/* Filled by every function that fails; untouched by those that succeed. The message is one line of UTF-8 in lower case
 * without a final period, names file and cause, and shows odd bytes as \xNN. Where a place in a text file is
 * wrong, two more lines follow, each after a '\n': the text there, and a caret below it. */
struct xent_error {
    enum xent_status status;
    char message[4096];
};

/* "ok", "argument", "data", "io", "memory", "thread", "numeric". */
XENT_API const char *xent_status_name(enum xent_status status);

#ifdef __cplusplus
}
#endif
#endif
