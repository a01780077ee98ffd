/* `xentc eval --reference`: the graph before any rewrite, through the ops' own definitions, in double. */
#ifndef XENT_DRIVER_REFERENCE_H
#define XENT_DRIVER_REFERENCE_H

#include "compile.h"
#include "dump.h"

#include <xent/session.h>

/* `weights` is NULL for a model without parameters. An exit status, after a message unless it is EXIT_OK. */
int reference_evaluate(struct xent_compilation *compilation, const struct xent_dataset *dataset, const char *weights,
                       struct dump *dump, struct xent_evaluation *out);

#endif
