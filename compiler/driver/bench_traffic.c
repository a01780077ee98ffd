/* Where the data of each call come from: as many bytes as a step touches between two uses of a buffer must fit into a
 * cache for the second one to find it there. Steps follow each other, so what was touched last in the step before
 * counts too. */
#include "bench.h"
#include "work.h"

struct walk {
    const struct kprogram *program;
    const struct kernel_batch *batch;
    const struct kvar **seen; /* between the two uses */
    size_t seen_count;
};

static bool is_row_of_data(const struct kbuffer *buffer)
{
    return buffer->rank && buffer->extent[0] == KERNEL_UNKNOWN;
}

static bool same_memory(const struct kvar *a, const struct kvar *b)
{
    return a == b || (kvar_in_arena(a) && kvar_in_arena(b) && a->offset == b->offset);
}

/* Bytes of what this call touches, but for `own` and what the walk has seen. */
static double fresh_bytes(struct walk *walk, const struct kcall *call, const struct kvar *own)
{
    double bytes = 0;
    for (size_t i = 0; i < call->kernel->buffers.count; i++) {
        const struct kvar *var = call->argument[i];
        bool known = same_memory(var, own);
        for (size_t s = 0; !known && s < walk->seen_count; s++)
            known = same_memory(var, walk->seen[s]);
        if (known)
            continue;
        walk->seen[walk->seen_count++] = var;
        bytes += kernel_buffer_bytes(call->kernel, call->kernel->buffers.at[i], walk->batch);
    }
    return bytes;
}

static bool touches(const struct kcall *call, const struct kvar *var)
{
    for (size_t i = 0; i < call->kernel->buffers.count; i++)
        if (kvar_overlap(call->argument[i], var))
            return true;
    return false;
}

/* Bytes that the calls between this one and the one that touched `var` before it touch, and its own. */
static double bytes_apart(struct walk *walk, size_t which, const struct kvar *var, double own)
{
    size_t calls = walk->program->calls.count;
    double apart = own;
    walk->seen_count = 0;
    for (size_t back = 1; back <= calls; back++) {
        const struct kcall *call = &walk->program->calls.at[(which + calls - back) % calls];
        if (!call->kernel)
            continue;
        if (back < calls && touches(call, var))
            break;
        apart += fresh_bytes(walk, call, var);
    }
    return apart;
}

void bench_traffic(struct arena *arena, const struct kprogram *program, size_t which, const struct kernel_batch *batch,
                   uint64_t examples, struct call_time *out)
{
    const struct kcall *call = &program->calls.at[which];
    const struct kernel *kernel = call->kernel;
    struct walk walk = {.program = program, .batch = batch};
    walk.seen = ARENA_ARRAY(arena, const struct kvar *, program->vars.count + 1);
    struct call_buffer *buffer = ARENA_ARRAY(arena, struct call_buffer, kernel->buffers.count + 1);
    for (size_t i = 0; i < kernel->buffers.count; i++) {
        double bytes = kernel_buffer_bytes(kernel, kernel->buffers.at[i], batch);
        const struct kvar *var = call->argument[i];
        /* rows of a data set are picked at random: the whole of it passes before one comes again */
        double apart = is_row_of_data(kernel->buffers.at[i]) ? bytes / (double)batch->live * (double)examples
                                                             : bytes_apart(&walk, which, var, bytes);
        buffer[i] = (struct call_buffer){bytes, apart, kernel->buffers.at[i]->access != KA_IN};
    }
    out->bytes = kernel_bytes(kernel, batch);
    out->buffer = buffer;
    out->buffers = (uint32_t)kernel->buffers.count;
}
