/* The functions that every program may call; their texts are in math.c. */
#ifndef XENT_KERNEL_MATH_FUNCTIONS_H
#define XENT_KERNEL_MATH_FUNCTIONS_H

#include "kernel.h"

bool kernel_is_builtin(const char *name);
/* Their names, ended by NULL. */
const char *const *kernel_builtins(void);

#endif
