/* What the runtime's files share: errors, text, files, storage of data sets, tensors' places, bound calls. */
#ifndef XENT_RUNTIME_INTERNAL_H
#define XENT_RUNTIME_INTERNAL_H

#include "xent/runtime.h"

#include <locale.h>
#include <sys/stat.h>

/* --- error.c --- */

/* Fills `error` (NULL is allowed) and returns `status`. Odd bytes of the whole message become \xNN, so paths and names
 * need no care of their own. */
enum xent_status rt_fail(struct xent_error *error, enum xent_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* "path: doing: cause", with the cause from an errno; ENOMEM gives XENT_ERROR_MEMORY, everything else XENT_ERROR_IO. */
enum xent_status rt_fail_io(struct xent_error *error, const char *path, const char *doing, int cause);
/* A place in a line of text. */
struct rt_quote {
    const char *line; /* its first byte */
    size_t size;      /* without the line's end */
    size_t at, length; /* what is wrong, in bytes from `line`: marked with ^~~~ */
};
/* As rt_fail, and behind the message the line, with the place marked below it: "\n  LINE | TEXT\n       | ^~~". Long
 * lines are cut on both sides, odd bytes escaped; where there is no room for it, it is left out. */
enum xent_status rt_fail_quoting(struct xent_error *error, uint64_t line, const struct rt_quote *quote,
                                 const char *format, ...) __attribute__((format(printf, 4, 5)));
enum xent_status rt_fail_memory(struct xent_error *error, const char *what, uint64_t bytes);
/* Length of the UTF-8 character at `text` (1 to 4), 0 if the bytes are none. */
size_t rt_utf8(const unsigned char *text, size_t size);
/* At most 40 bytes of user text in quotes, NUL bytes shown as \x00. Returns `buffer`. */
enum { RT_EXCERPT = 192 };
const char *rt_excerpt(char buffer[RT_EXCERPT], const char *text, size_t size);
/* A growing message in a fixed buffer: "…" marks what did not fit. */
struct rt_list {
    char text[3000];
    size_t length, dropped;
};
void rt_list_add(struct rt_list *list, const char *separator, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "[1, 28, 28]". Returns `buffer`. */
enum { RT_SHAPE = 160 };
const char *rt_shape(char buffer[RT_SHAPE], const int64_t *shape, uint32_t rank);

/* --- file.c --- */

/* The whole file, malloc'ed, with a NUL behind it. */
enum xent_status rt_file_read(const char *path, char **out_bytes, size_t *out_size, struct xent_error *error);
/* The first bytes of a regular file; zero bytes of anything else (a pipe cannot be read twice). */
enum xent_status rt_file_peek(const char *path, unsigned char first[4], size_t *out_size, struct xent_error *error);
/* Writes all; false with errno. */
bool rt_write_all(int fd, const void *bytes, size_t count);
/* Not for adversaries: finds truncation and damage. */
uint64_t rt_hash(const void *bytes, size_t size);

/* --- number.c --- */

enum rt_number { RT_NUMBER_OK, RT_NUMBER_NOT, RT_NUMBER_RANGE };
/* [+-] ( decimal number | inf | infinity | nan ), all of text[0..size), correctly rounded; `c` is the locale C. RANGE:
 * finite text beyond double. */
enum rt_number rt_number_parse(const char *text, size_t size, locale_t c, double *out);
/* Optional sign and digits. RANGE: an integer beyond int32. */
enum rt_number rt_integer_parse(const char *text, size_t size, int32_t *out);

/* --- dataset.c --- */

/* What a data set owns. */
struct xent_storage {
    void *heap[6];
    void *map[2];
    size_t map_size[2];
    uint32_t heaps, maps;
};
/* An empty data set with this spec and origin. */
enum xent_status rt_dataset_new(const struct xent_data_spec *spec, const char *origin, struct xent_dataset **out,
                                struct xent_error *error);
/* malloc of count * each * size bytes, owned by the data set. */
enum xent_status rt_dataset_alloc(struct xent_dataset *dataset, uint64_t count, uint64_t each, size_t size,
                                  const char *path, void **out, struct xent_error *error);
bool rt_class_fits(const struct xent_data_spec *spec, int32_t class_index);
enum xent_status rt_fail_class(struct xent_error *error, const char *place, uint64_t example, int32_t class_index,
                               const struct xent_data_spec *spec);

/* --- idx.c, cache.c --- */

/* Bytes on the heap or mapped. */
struct rt_blob {
    const unsigned char *bytes;
    size_t size;
    void *heap, *map;
    size_t map_size;
};
/* The unpacked form of the file at `path`, which `status` describes. False: none, or a wrong one. */
bool rt_cache_find(const char *path, const struct stat *status, struct rt_blob *out);
/* Keeps it if that is possible. */
void rt_cache_store(const char *path, const struct stat *status, const void *bytes, size_t size);

/* --- safetensors_header.c --- */

struct rt_header_tensor {
    struct xent_stored_tensor tensor;
    uint64_t begin, end; /* bytes in the data section */
};
struct rt_header {
    struct rt_header_tensor *at;
    uint32_t count, capacity;
    char *names; /* all names, NUL-terminated, one after the other */
};
/* Parses the JSON header alone; places and shapes are not yet held against the data. The caller frees `at` and `names`,
 * after a failure too. */
enum xent_status rt_header_parse(const char *path, const char *text, size_t size, struct rt_header *out,
                                 struct xent_error *error);

/* --- tensor.c --- */

/* A walk over the elements of a tensor in row-major order; with lane >= 0, of that first index alone. */
struct rt_walk {
    const struct xent_tensor *tensor;
    int64_t index[XENT_MAX_RANK];
    int64_t outer; /* place of all dimensions but the last */
    uint64_t left;
};
void rt_walk_begin(struct rt_walk *walk, const struct xent_tensor *tensor, int64_t lane);
/* The place of the next element, in elements from the tensor's offset; -1 at the end. */
int64_t rt_walk_next(struct rt_walk *walk);
/* Whether the descriptor makes sense and stays inside `arena_bytes`. */
enum xent_status rt_tensor_check(const struct xent_tensor *tensor, uint64_t arena_bytes, const char *where,
                                 struct xent_error *error);

/* --- pool.c --- */

/* Whether a thread went to sleep in a barrier of a run since the last question. */
bool rt_pool_slept(struct xent_pool *pool);

/* --- pace.c --- */

/* Kept for each entry by thread 0. */
struct rt_pace {
    bool alone;      /* the next run is for the calling thread, not for all */
    bool trial;      /* and is so to be held against `challenged` */
    bool short_tried;
    bool slept;      /* a thread, in this window */
    uint32_t runs;   /* of this window */
    double started, seconds; /* of this run; of this window's runs */
    double challenged;       /* the mean time of a run before the trial */
    double age;              /* seconds of runs since the last decision */
    double alone_for, wide_for; /* how long a decision stands */
};
void rt_pace_init(struct rt_pace *pace);
/* A run took so long; `slept`: one of all threads slept in it. */
void rt_pace_add(struct rt_pace *pace, double seconds, bool slept);
/* The same by the clock and the pool. */
void rt_pace_begin(struct rt_pace *pace);
void rt_pace_end(struct rt_pace *pace, struct xent_pool *pool);

/* --- session.c --- */

struct xent_session {
    const struct xent_model *model;
    struct xent_pool *pool;
    struct xent_data_spec spec;
    char *arena;
    void *mapping;
    size_t mapping_bytes;
    uint64_t state_bytes; /* the state is arena[0 .. state_bytes) */
    uint64_t steps;       /* since the optimizer's state was zero */
    int32_t *pick;        /* as many as the largest capacity */
    struct rt_pace *pace; /* of each entry */
};
struct rt_pace *rt_pace_of(const struct xent_session *session, const struct xent_entry *entry);

/* A call that is ready to run but for its batch. */
struct rt_bound {
    const struct xent_entry *entry;
    struct xent_call call;
    int live, first; /* their scalars, -1: none */
};
enum xent_status rt_bind(struct xent_session *session, const struct xent_entry *entry,
                         const struct xent_dataset *dataset, const struct xent_scalar_value *scalars, uint32_t count,
                         struct rt_bound *out, struct xent_error *error);
/* The next call reads pick[0..live) (NULL: from, from + 1, …); the lanes behind repeat the last one. */
void rt_set_batch(struct xent_session *session, struct rt_bound *bound, const int32_t *pick, uint64_t from,
                  uint32_t live);

#endif
