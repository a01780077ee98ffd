/* Data sets: the examples of one split, whole in memory (or mapped), checked when loaded.
 *
 * A data set is immutable once made, so any number of threads and sessions may read it. Every number that comes from a
 * file is checked; an error names the file and the place. */
#ifndef XENT_DATA_H
#define XENT_DATA_H

#include "model.h"
#include "status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum xent_target {
    XENT_TARGET_NONE = 0,  /* the model has no target, or the examples are only to be predicted */
    XENT_TARGET_CLASS = 1, /* one class index in [0, classes), or ignore_index */
    XENT_TARGET_PROB = 2,  /* `classes` probabilities */
};

/* What one example is. Comes from a compiled model (xent_data_spec_of) or is filled by hand. */
struct xent_data_spec {
    uint32_t dtype; /* of the input: XENT_U8 or XENT_F32 */
    uint32_t rank;
    int64_t shape[XENT_MAX_RANK]; /* of one example, such as [1, 28, 28] */
    uint32_t target;              /* enum xent_target */
    uint32_t classes;             /* 0 without a target */
    int32_t ignore_index;         /* class targets */
};

/* Read-only for everyone but the library. */
struct xent_dataset {
    struct xent_data_spec spec;
    uint64_t examples; /* 1 .. 2^31 - 1 */
    uint64_t elements; /* of one example's input */
    const void *inputs;         /* u8 or f32 [examples, elements], dense */
    const int32_t *classes;     /* [examples], class targets; else NULL */
    const float *probs;         /* [examples, spec.classes], prob targets; else NULL */
    const double *exact_inputs; /* [examples, elements] as written in a CSV file; NULL unless XENT_CSV_EXACT */
    const double *exact_probs;  /* [examples, spec.classes]; NULL unless XENT_CSV_EXACT and prob targets */
    const char *origin;         /* the file (for idx: the images') that it came from; "memory" */
    struct xent_storage *storage;
};

/* The spec of a model's feeds. Fails for a model with more than one input or target. */
XENT_API enum xent_status xent_data_spec_of(const struct xent_model *model, struct xent_data_spec *out,
                                            struct xent_error *error);

/* Examples in the caller's memory, which must outlive the data set and stay as it is; nothing is copied. `classes` and
 * `probs` as spec.target says, else NULL. Every class is checked. */
XENT_API enum xent_status xent_dataset_from_memory(const struct xent_data_spec *spec, uint64_t examples,
                                                   const void *inputs, const int32_t *classes, const float *probs,
                                                   struct xent_dataset **out, struct xent_error *error);

/* idx files, plain or gzipped (told apart by their first bytes). `labels` is NULL where spec->target is
 * XENT_TARGET_NONE. The input must be u8 of the images' size: the dimensions agree but for leading ones, or the input
 * has rank 1 and as many elements.
 * The unpacked form of gzipped files is kept in $XDG_CACHE_HOME/xent/unpacked (or ~/.cache/xent/unpacked), under the
 * source's path, inode, size and time, with a checksum; it is mapped when it is right, made anew when it is not, and
 * done without where the folder cannot be written. */
XENT_API enum xent_status xent_dataset_load_idx(const struct xent_data_spec *spec, const char *images,
                                                const char *labels, struct xent_dataset **out,
                                                struct xent_error *error);

enum xent_source { XENT_SOURCE_MNIST, XENT_SOURCE_FASHION_MNIST };
enum xent_split { XENT_SPLIT_TRAIN, XENT_SPLIT_TEST };

/* The folder that holds a named source's files, NUL-terminated in `folder`. `data` (the user's --data) is looked at
 * alone when it is not NULL: the folder itself, then its mnist/ or fashion-mnist/ (also fashion_mnist/). Else, in this
 * order: $XENT_DATA likewise, ~/.cache/xent/mnist ($XDG_CACHE_HOME/xent/mnist first, where set), and for Fashion-MNIST
 * ~/.cache/xent/fashion-mnist and Debian's /usr/share/datasets/fashion-mnist. MNIST is never taken for Fashion-MNIST:
 * $XENT_DATA itself does not count for the latter, only its subfolders. On failure the message lists the folders that
 * were looked at and says how to get the data. */
XENT_API enum xent_status xent_source_folder(enum xent_source source, const char *data, char *folder, size_t size,
                                             struct xent_error *error);

/* train-images-idx3-ubyte and train-labels-idx1-ubyte, or t10k-…, plain or with .gz (plain first). Loads this split
 * alone. */
XENT_API enum xent_status xent_dataset_load_source(const struct xent_data_spec *spec, enum xent_source source,
                                                   enum xent_split split, const char *data, struct xent_dataset **out,
                                                   struct xent_error *error);

enum xent_csv_flags {
    XENT_CSV_HEADER = 1, /* the first line holds names and is skipped */
    XENT_CSV_EXACT = 2,  /* keep the numbers as double too */
};

/* One example a row: the input's numbers in row-major order, then the target: one integer, or `classes` probabilities;
 * no target where spec->target is XENT_TARGET_NONE. Inputs of u8 are integers 0 to 255. Inputs of f32 are
 *     [+-] ( digits [. [digits]] | . digits ) [ e [+-] digits ]   or   [+-] ( inf | infinity | nan )
 * in any case, with a point whatever the locale is, rounded to double and then to float; a finite number too large for
 * float is an error. Probabilities are the same, finite and not negative; they need not sum to 1. Fields are separated
 * by commas; blanks around a number and quotes around it are allowed, so are CR LF, a byte order mark and blank lines
 * at the end. Messages begin with file:line:column: (from 1, in characters) and quote the line. */
XENT_API enum xent_status xent_dataset_load_csv(const struct xent_data_spec *spec, const char *path, unsigned flags,
                                                struct xent_dataset **out, struct xent_error *error);

/* Inputs alone, to be predicted: an idx file of images (plain or gzipped) or CSV rows, told apart by the first bytes;
 * spec->target does not matter. */
XENT_API enum xent_status xent_dataset_load_inputs(const struct xent_data_spec *spec, const char *path, unsigned flags,
                                                   struct xent_dataset **out, struct xent_error *error);

/* NULL is allowed. */
XENT_API void xent_dataset_destroy(struct xent_dataset *dataset);

#ifdef __cplusplus
}
#endif
#endif
