/* Tensors of the arena: where an element lies, and dense copies in and out. A place is the sum of the digits, and each
 * digit depends on one dimension, so a place is also a sum over dimensions. */
#include "internal.h"

#include <string.h>

static int64_t dimension_place(const struct xent_tensor *tensor, uint32_t dim, int64_t index) {
    int64_t place = 0;
    for (uint32_t i = 0; i < tensor->digits; i++) {
        const struct xent_digit *digit = &tensor->digit[i];
        if (digit->dim != dim)
            continue;
        int64_t value = digit->div > 1 ? index / digit->div : index;
        place += (digit->mod ? value % digit->mod : value) * digit->stride;
    }
    return place;
}

static void place_outer(struct rt_walk *walk) {
    walk->outer = 0;
    for (uint32_t d = 0; d + 1 < walk->tensor->rank; d++)
        walk->outer += dimension_place(walk->tensor, d, walk->index[d]);
}

void rt_walk_begin(struct rt_walk *walk, const struct xent_tensor *tensor, int64_t lane) {
    *walk = (struct rt_walk){.tensor = tensor, .left = xent_tensor_elements(tensor)};
    if (lane >= 0) {
        walk->index[0] = lane;
        walk->left = xent_lane_elements(tensor);
    }
    place_outer(walk);
}

int64_t rt_walk_next(struct rt_walk *walk) {
    const struct xent_tensor *tensor = walk->tensor;
    if (!walk->left)
        return -1;
    walk->left--;
    if (!tensor->rank)
        return 0;
    uint32_t last = tensor->rank - 1;
    int64_t place = walk->outer + dimension_place(tensor, last, walk->index[last]);
    if (walk->left && ++walk->index[last] == tensor->shape[last]) {
        uint32_t d = last;
        while (d && walk->index[d] == tensor->shape[d]) {
            walk->index[d] = 0;
            walk->index[--d]++;
        }
        place_outer(walk);
    }
    return place;
}

uint64_t xent_tensor_elements(const struct xent_tensor *tensor) {
    uint64_t elements = 1;
    for (uint32_t d = 0; d < tensor->rank; d++)
        elements *= (uint64_t)tensor->shape[d];
    return elements;
}

uint64_t xent_lane_elements(const struct xent_tensor *tensor) {
    uint64_t elements = 1;
    for (uint32_t d = 1; d < tensor->rank; d++)
        elements *= (uint64_t)tensor->shape[d];
    return elements;
}

/* The largest value of (index / div) % mod for index < extent. */
static int64_t digit_limit(const struct xent_digit *digit, int64_t extent) {
    int64_t most = (extent - 1) / (digit->div > 1 ? digit->div : 1);
    return digit->mod && most >= digit->mod ? digit->mod - 1 : most;
}

static bool places_fit(const struct xent_tensor *tensor) {
    uint64_t furthest = 0, elements = 1, limit = tensor->bytes / sizeof(float);
    for (uint32_t d = 0; d < tensor->rank; d++)
        if (tensor->shape[d] < 1 || __builtin_mul_overflow(elements, (uint64_t)tensor->shape[d], &elements))
            return false;
    for (uint32_t i = 0; i < tensor->digits; i++) {
        const struct xent_digit *digit = &tensor->digit[i];
        uint64_t reach;
        if (digit->dim >= tensor->rank || digit->stride < 0 ||
            __builtin_mul_overflow((uint64_t)digit_limit(digit, tensor->shape[digit->dim]), (uint64_t)digit->stride,
                                   &reach) ||
            __builtin_add_overflow(furthest, reach, &furthest))
            return false;
    }
    return furthest < limit && elements <= limit;
}

enum xent_status rt_tensor_check(const struct xent_tensor *tensor, uint64_t arena_bytes, const char *where,
                                 struct xent_error *error) {
    const char *name = tensor->name ? tensor->name : "(no name)", *wrong = NULL;
    if (!tensor->name)
        wrong = "has no name";
    else if (tensor->dtype != XENT_F32 && tensor->dtype != XENT_I32)
        wrong = "is neither f32 nor i32";
    else if (tensor->rank > XENT_MAX_RANK || tensor->digits > XENT_MAX_DIGITS)
        wrong = "has too many dimensions or digits";
    else if (tensor->offset % sizeof(float) || tensor->offset > arena_bytes ||
             tensor->bytes > arena_bytes - tensor->offset)
        wrong = "lies outside the arena";
    else if (!places_fit(tensor))
        wrong = "has elements outside its bytes";
    return wrong ? rt_fail(error, XENT_ERROR_ARGUMENT, "%s: tensor %s %s", where, name, wrong) : XENT_OK;
}

static void copy_out(const struct xent_session *session, const struct xent_tensor *tensor, int64_t lane, void *out) {
    const char *base = session->arena + tensor->offset;
    char *at = out;
    struct rt_walk walk;
    rt_walk_begin(&walk, tensor, lane);
    for (int64_t place; (place = rt_walk_next(&walk)) >= 0; at += sizeof(float))
        memcpy(at, base + place * (int64_t)sizeof(float), sizeof(float));
}

void xent_session_get(const struct xent_session *session, const struct xent_tensor *tensor, float *out) {
    copy_out(session, tensor, -1, out);
}

void xent_session_read(const struct xent_session *session, const struct xent_tensor *tensor, uint32_t lane,
                       float *out) {
    copy_out(session, tensor, lane, out);
}

void xent_session_read_i32(const struct xent_session *session, const struct xent_tensor *tensor, uint32_t lane,
                           int32_t *out) {
    copy_out(session, tensor, lane, out);
}

void xent_session_set(struct xent_session *session, const struct xent_tensor *tensor, const float *values) {
    char *base = session->arena + tensor->offset;
    struct rt_walk walk;
    rt_walk_begin(&walk, tensor, -1);
    for (int64_t place; (place = rt_walk_next(&walk)) >= 0; values++)
        memcpy(base + place * (int64_t)sizeof(float), values, sizeof(float));
}
