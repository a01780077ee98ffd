/* Which kernels are compiled in a hurry. LLVM takes longest for selecting good instructions; a kernel that makes up
 * less than a hundredth of a program's time cannot give that back. Kernels are weighed by their arithmetic and their
 * traffic, in cycles of a processor with two multiply-adds and a quarter of a line each cycle. */
#include "schedule_internal.h"
#include "work.h"

enum { COLD_PART = 128, BYTES_A_CYCLE = 16, CYCLES_A_PLACE = 4 };

/* A full one. */
static struct kernel_batch batch_of(const struct kprogram *program)
{
    struct kernel_batch batch = {.live = 1};
    for (size_t k = 0; k < program->kernels.count; k++)
        for (size_t i = 0; i < program->kernels.at[k]->scalars.count; i++)
            if (program->kernels.at[k]->scalars.at[i]->limit > batch.live)
                batch.live = program->kernels.at[k]->scalars.at[i]->limit;
    return batch;
}

/* Lists are made place by place. */
static double list_cycles(const struct kernel *kernel)
{
    double sum = 0;
    for (size_t i = 0; i < kernel->statements.count; i++) {
        const struct kstatement *s = kernel->statements.at[i];
        double places = CYCLES_A_PLACE;
        for (uint32_t d = 0; d < s->rank; d++)
            places *= (double)s->index[d]->extent;
        sum += kstatement_list(s) ? places : 0;
    }
    return sum;
}

static double cycles(const struct kernel *kernel, const struct kernel_batch *batch, const struct ktarget *target)
{
    double flops = (double)kernel_flops(kernel, batch), bytes = (double)kernel_bytes(kernel, batch);
    return list_cycles(kernel) + flops / (4 * target->lanes) + bytes / BYTES_A_CYCLE;
}

void schedule_cold(struct kprogram *program, const struct ktarget *target)
{
    const struct kernel_batch batch = batch_of(program);
    double total = 0;
    for (size_t c = 0; c < program->calls.count; c++)
        if (program->calls.at[c].kernel)
            total += cycles(program->calls.at[c].kernel, &batch, target);
    for (size_t k = 0; k < program->kernels.count; k++) {
        struct kernel *kernel = program->kernels.at[k];
        double its = 0;
        for (size_t c = 0; c < program->calls.count; c++)
            if (program->calls.at[c].kernel == kernel)
                its += cycles(kernel, &batch, target);
        if (!kernel->scheduled)
            kernel->schedule.cold = its * COLD_PART < total;
    }
}
