/* The functions that every program may call; their texts are in math.c. */
#ifndef XENT_KERNEL_MATH_FUNCTIONS_H
#define XENT_KERNEL_MATH_FUNCTIONS_H

#include "kernel.h"

bool kernel_is_builtin(const char *name);
/* The name of the function with this number from 0, NULL past the last. */
const char *kernel_builtin(size_t number);

#endif
