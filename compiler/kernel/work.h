/* What a kernel has to do at least: arithmetic and traffic, the two axes of a roofline. */
#ifndef XENT_KERNEL_WORK_H
#define XENT_KERNEL_WORK_H

#include "kernel.h"

/* Floating-point operations of one call where scalars that bound a sum are `live`: fma counts two, sums one (sum.fma and
 * sum.blocks two) for each term whose conditions hold, + - * / max sqrt one; moves, comparisons and integers none. Each
 * let counts once for each point of its index space, and of the arms of `where` the dearer one. */
int64_t kernel_flops(const struct kernel *kernel, int64_t live);

/* Bytes of all buffers, padding included: what is touched. An inout counts once, for its way back can overlap with reading
 * on. Of a dimension that the text does not know (the examples of a data set), `rows` are touched. */
int64_t kernel_bytes(const struct kernel *kernel, int64_t rows);

#endif
