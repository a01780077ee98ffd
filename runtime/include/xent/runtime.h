/* The runtime's public API. Link libxent_runtime: it needs neither the compiler nor LLVM. */
#ifndef XENT_RUNTIME_H
#define XENT_RUNTIME_H

#include "checkpoint.h" /* parameters as safetensors */
#include "data.h"       /* data sets: idx, CSV, memory */
#include "model.h"      /* what a compiled model is */
#include "output.h"     /* files that appear whole or not at all */
#include "pool.h"       /* threads */
#include "random.h"     /* the generator */
#include "session.h"    /* a model with its memory: run, step, evaluate */
#include "status.h"     /* errors */
#include "train.h"      /* epochs */

#endif
