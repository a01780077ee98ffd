/* Needs: calls in order, and schedules. Leaves behind: a barrier before each call that reads what a call since the last
 * barrier wrote, or writes what one read or wrote, unless thread 0 alone runs both; and no other. Between two barriers
 * calls run side by side on different threads. */
#include "passes.h"

struct touched {
    const struct kvar *var;
    bool written, alone; /* by thread 0 */
};
struct interval { /* what the calls since the last barrier touch */
    VEC(struct touched) list;
};

static bool conflicts(const struct interval *interval, const struct kcall *call)
{
    bool alone = kernel_is_alone(call->kernel);
    for (size_t i = 0; i < call->kernel->buffers.count; i++)
        for (size_t k = 0; k < interval->list.count; k++)
            if (!(alone && interval->list.at[k].alone) &&
                (call->kernel->buffers.at[i]->access != KA_IN || interval->list.at[k].written) &&
                kvar_overlap(call->argument[i], interval->list.at[k].var))
                return true;
    return false;
}

bool pass_place_barriers(struct pass_context *context)
{
    struct kprogram *program = context->program;
    struct interval interval = {0};
    VEC(struct kcall) calls = {0};
    for (size_t i = 0; i < program->calls.count; i++) {
        const struct kcall *call = &program->calls.at[i];
        if (!call->kernel)
            continue;
        if (conflicts(&interval, call)) {
            vec_push(program->arena, &calls, (struct kcall){0});
            interval.list.count = 0;
        }
        for (size_t k = 0; k < call->kernel->buffers.count; k++)
            vec_push(program->arena, &interval.list,
                     (struct touched){call->argument[k], call->kernel->buffers.at[k]->access != KA_IN,
                                      kernel_is_alone(call->kernel)});
        vec_push(program->arena, &calls, *call);
    }
    program->calls.count = 0;
    for (size_t i = 0; i < calls.count; i++)
        vec_push(program->arena, &program->calls, calls.at[i]);
    return true;
}
