/* What a kernel has to do at least: arithmetic and traffic, the two axes of a roofline. */
#ifndef XENT_KERNEL_WORK_H
#define XENT_KERNEL_WORK_H

#include "kernel.h"

/* Of a batch's examples, of which there are `live`: indices that scalars bound, and those named `index` (NULL: none),
 * whose extents may be padded to whole vectors. */
struct kernel_batch {
    const char *index;
    int64_t live;
};

/* Floating-point operations of one call: fma counts two, sums one (sum.fma and sum.blocks two) for each term whose
 * conditions hold, + - * / max sqrt one; moves, comparisons and integers none. Each let counts once for each point of
 * its index space, and of the arms of `where` the dearer one. */
int64_t kernel_flops(const struct kernel *kernel, const struct kernel_batch *batch);

/* Bytes of a buffer, what pads rows and panels included, what pads a batch left out. Of a dimension that the text does
 * not know (the examples of a data set), as many rows are touched as the batch has examples. */
double kernel_buffer_bytes(const struct kernel *kernel, const struct kbuffer *buffer, const struct kernel_batch *batch);
/* Of all buffers, an inout once. */
int64_t kernel_bytes(const struct kernel *kernel, const struct kernel_batch *batch);

#endif
