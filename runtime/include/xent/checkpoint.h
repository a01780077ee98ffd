/* Parameters in and out, as safetensors files: f32, dense, row-major, under PyTorch's state_dict names.
 *
 * Reading is strict: every header field is checked, each byte of the data belongs to exactly one tensor, and names and
 * shapes must be the model's, all of them. Header sizes that leave the data unaligned, and __metadata__, are
 * accepted. */
#ifndef XENT_CHECKPOINT_H
#define XENT_CHECKPOINT_H

#include "session.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Writes the parameters alone, in the model's order. `backup`: an existing file becomes path~. */
XENT_API enum xent_status xent_parameters_save(const struct xent_session *session, const char *path, bool backup,
                                               struct xent_error *error);

/* The size of the file that xent_parameters_save writes: for xent_check_room. 0 where memory is short. */
XENT_API uint64_t xent_parameters_bytes(const struct xent_model *model);

/* Reads all parameters; nothing changes unless everything fits. Missing, extra and misshapen tensors are all named in
 * one message. The optimizer's state becomes zero. */
XENT_API enum xent_status xent_parameters_load(struct xent_session *session, const char *path,
                                               struct xent_error *error);

/* --- Without a session --- */

struct xent_named_shape {
    const char *name;
    uint32_t rank;
    const int64_t *shape;
};

struct xent_stored_tensor {
    const char *name; /* unescaped UTF-8, NUL-terminated */
    uint32_t rank;
    int64_t shape[XENT_MAX_RANK];
    uint64_t elements;
    const void *data; /* f32, little-endian, maybe unaligned: use xent_stored_read */
};

struct xent_safetensors {
    const char *path;
    uint32_t count;
    const struct xent_stored_tensor *tensor; /* in the order of their data */
    struct xent_safetensors_storage *storage;
};

/* Reads and checks a whole file. Only F32 tensors of rank <= XENT_MAX_RANK are accepted. With `expected` (NULL: any
 * tensors) the file must hold exactly these, as xent_safetensors_match says; that comes before bytes of no tensor. */
XENT_API enum xent_status xent_safetensors_open(const char *path, const struct xent_named_shape *expected,
                                                uint32_t count, struct xent_safetensors **out,
                                                struct xent_error *error);
/* Any tensors, from bytes in memory, which must outlive the result; `path` is for messages. */
XENT_API enum xent_status xent_safetensors_parse(const char *path, const void *bytes, size_t size,
                                                 struct xent_safetensors **out, struct xent_error *error);
XENT_API void xent_safetensors_close(struct xent_safetensors *file); /* NULL is allowed */

/* Whether the file holds exactly these tensors; the message names all that are missing, extra or misshapen. */
XENT_API enum xent_status xent_safetensors_match(const struct xent_safetensors *file,
                                                 const struct xent_named_shape *expected, uint32_t count,
                                                 struct xent_error *error);
/* NULL: there is none. */
XENT_API const struct xent_stored_tensor *xent_safetensors_find(const struct xent_safetensors *file, const char *name);
XENT_API void xent_stored_read(const struct xent_stored_tensor *tensor, float *out);

#ifdef __cplusplus
}
#endif
#endif
