/* Every pass of the table: rewrites context->graph or context->program; false after reporting the user's mistakes. */
#ifndef XENT_PASSES_H
#define XENT_PASSES_H

#include "pass.h"

#define PASS(name, needs, on, doc) bool pass_##name(struct pass_context *context);
#include "passes.def"
#undef PASS

#endif
