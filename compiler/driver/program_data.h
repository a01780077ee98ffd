/* Memory for one run of a kernel program by `xentc run`: filled from files or from a seed, printed afterwards. */
#ifndef XENT_DRIVER_PROGRAM_DATA_H
#define XENT_DRIVER_PROGRAM_DATA_H

#include "kernel.h"
#include "options.h"

#include <xent/model.h>

struct program_data {
    void *arena;                /* arena_bytes, aligned to 64 */
    void *block[XENT_MAX_DATA]; /* of the data slots */
    int64_t rows;               /* what `?` stands for */
    struct xent_call call;
};

/* Zero `data` first. EXIT_OK, or a status after a message. */
int program_data_fill(struct program_data *data, struct arena *arena, const struct kprogram *program,
                      const struct options *options);
void program_data_print(const struct program_data *data, const struct kprogram *program, FILE *out);
void program_data_deinit(struct program_data *data);

#endif
