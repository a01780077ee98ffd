/* The compiler's public API, libxent: the text of a network in, a `struct xent_model` (xent/model.h) out, ready for
 * libxent_runtime. examples/embed.c shows the whole way in under 60 lines.
 *
 * A compilation belongs to one thread at a time; different compilations are independent. The library never prints and
 * never exits. What it compiles runs in this process by machine code of LLVM's, or by the interpreter: same bits.
 * Machine code is kept for later runs in $XDG_CACHE_HOME/xent/objects or ~/.cache/xent/objects, unless no_cache is set;
 * a folder that cannot be used is done without. */
#ifndef XENT_COMPILER_H
#define XENT_COMPILER_H

#include <xent/data.h>
#include <xent/model.h>
#include <xent/status.h>
#include <xent/train.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Entry points to compile. A model without a loss has FORWARD alone; STEP needs an optimizer in `train`. */
enum xent_want {
    XENT_WANT_FORWARD = 1,  /* outputs and logits */
    XENT_WANT_EVAL = 2,     /* the same, with loss and metric of each example */
    XENT_WANT_GRADIENT = 4, /* the same, with the gradient of the summed loss over the input, where that is f32 */
    XENT_WANT_STEP = 8,     /* one training step */
    XENT_WANT_LAST = 16,    /* alone: the last of FORWARD, EVAL and STEP that the model has */
};

/* A pass that has run. */
struct xent_pass_report {
    const char *entry, *pass; /* "step", "fuse_loss" */
    bool changed;
    double seconds;
    const char *text; /* the graph or kernel program behind it, as text; NULL unless texts are asked for */
};

/* All zero is fine. Strings need to live only during the call. */
struct xent_compile_options {
    uint32_t wanted; /* enum xent_want, or-ed; 0: FORWARD, EVAL where there is a loss, STEP with an optimizer */
    uint32_t batch;  /* examples computed at once, at most 2^20; 0: train.batch, or 64 where there is no `train` */
    const char *cpu, *features; /* as LLVM names them; NULL: this machine */
    bool interpret;             /* run kernels by the interpreter, not by machine code */
    bool no_cache;              /* neither look for machine code of an earlier run nor keep it for a later one */
    bool lower_only;            /* stop behind the kernel programs: for xent_compilation_emit; there is no model then */
    const char *const *set;     /* overrides as of `--set`: "train.optimizer.lr=0.1" */
    uint32_t set_count;
    const char *schedules;      /* a file with schedules of kernels, as of `--schedules`; NULL: all are derived */
    bool ignore_train;      /* do as if the text had no `train` section */
    const char *stop_after; /* a pass's name: stop there; the compilation then has no model */
    /* Called after each pass; may be NULL. */
    void (*on_pass)(void *context, const struct xent_pass_report *report);
    bool pass_texts;
    void *context;
};

struct xent_compilation;

/* Compiles `text` ([length] bytes of UTF-8; `name` stands in messages and is what relative paths of data start from).
 * XENT_OK: the model is ready. XENT_ERROR_DATA: the text is wrong, XENT_ERROR_ARGUMENT: an option is; see
 * xent_compilation_messages. *out is set on failure, too, and must be destroyed; it is NULL only after
 * XENT_ERROR_MEMORY. */
XENT_API enum xent_status xent_compile(const char *name, const char *text, size_t length,
                                       const struct xent_compile_options *options, struct xent_compilation **out);
/* The same for a file; one that cannot be read is XENT_ERROR_IO. */
XENT_API enum xent_status xent_compile_file(const char *path, const struct xent_compile_options *options,
                                            struct xent_compilation **out);
/* Frees the compilation and everything that came from it, the model's code included. NULL is allowed. */
XENT_API void xent_compilation_destroy(struct xent_compilation *compilation);

/* Errors and warnings with the source lines they mean, "" when there are none. Owned by the compilation. */
XENT_API const char *xent_compilation_messages(const struct xent_compilation *compilation);
/* The model; NULL after a failed compilation or one that was stopped early. Owned by the compilation. */
XENT_API const struct xent_model *xent_compilation_model(const struct xent_compilation *compilation);

/* Stages that can be written out. AST, GRAPH, KERNELS and LOOPS are texts that xentc reads again. */
enum xent_stage {
    XENT_STAGE_AST,
    XENT_STAGE_GRAPH,   /* of one entry, after all passes over it */
    XENT_STAGE_KERNELS, /* of one entry: its kernel program */
    XENT_STAGE_SCHEDULES, /* of one entry: its kernels' schedules, as `schedules` reads them */
    XENT_STAGE_LOOPS,   /* of one entry: its kernels after their schedules were applied */
    XENT_STAGE_LLVM,    /* of all entries */
    XENT_STAGE_ASM,
    XENT_STAGE_OBJECT, /* a native object with `const struct xent_model xent_model_NAME`, needing nothing else */
};

/* A stage as bytes, to be freed with free(). `entry`: "forward", "eval", "gradient", "step"; NULL: the last of them
 * that was compiled, or, for LLVM, ASM and OBJECT, all. */
XENT_API enum xent_status xent_compilation_emit(struct xent_compilation *compilation, enum xent_stage stage,
                                                const char *entry, char **out_bytes, size_t *out_size,
                                                struct xent_error *error);

/* The data set that the text's `data` section names. `folder`: where a named source's files are, NULL: the usual places
 * (see xent_source_folder). `csv_flags`: XENT_CSV_EXACT or 0. XENT_ERROR_DATA when there is no `data` section or no
 * such split. The caller destroys it. */
XENT_API enum xent_status xent_compilation_load_data(const struct xent_compilation *compilation, enum xent_split split,
                                                     const char *folder, unsigned csv_flags, struct xent_dataset **out,
                                                     struct xent_error *error);

/* Whether the text's `data` section names this split. */
XENT_API bool xent_compilation_has_split(const struct xent_compilation *compilation, enum xent_split split);

/* Fills epochs, batch, shuffle, seed, log_every and the scalars from the text's `train` section (its defaults where it
 * is silent); everything else is 0. Scalars are owned by the compilation. */
XENT_API void xent_compilation_train_options(const struct xent_compilation *compilation,
                                             struct xent_train_options *out);

/* "0.1.0" and "LLVM 19.1.7". */
XENT_API const char *xent_version(void);
XENT_API const char *xent_llvm_version(void);

#ifdef __cplusplus
}
#endif
#endif
