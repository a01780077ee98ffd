/* `xentc eval --dump`: one JSON object a line and example. */
#ifndef XENT_DRIVER_DUMP_H
#define XENT_DRIVER_DUMP_H

#include <xent/output.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dump_tensor {
    const char *name;
    bool gradient; /* else an output */
    size_t count;
    double *values;
};

struct dump {
    struct xent_output *output; /* NULL: no dump */
    int digits;
    struct xent_error error; /* after a failure */
};

/* False after a failure. */
bool dump_example(struct dump *dump, uint64_t index, double loss, const struct dump_tensor *tensors, size_t count);

#endif
