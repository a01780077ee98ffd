/* A model made by hand, so that the runtime is tested without the compiler: softmax regression, W tiled and padded in
 * the arena, momentum SGD, work split over the threads by classes. */
#ifndef TESTS_RUNTIME_TOY_H
#define TESTS_RUNTIME_TOY_H

#include "xent/runtime.h"

enum { TOY_FEATURES = 6, TOY_CLASSES = 3, TOY_BATCH = 7, TOY_CAPACITY = 8 };

enum toy_kind { TOY_F32, TOY_U8, TOY_PROB };

struct toy {
    struct xent_model model;
    struct xent_feed feed[3];
    struct xent_tensor state[4], loss[1], outputs[5];
    struct xent_entry entry[4];
};

/* `toy` must stay where it is. */
void toy_make(struct toy *toy, enum toy_kind kind, enum xent_reduction reduction);

#endif
