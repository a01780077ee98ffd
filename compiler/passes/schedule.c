/* Needs: a program and the target, perhaps schedules from a file. Leaves behind: a schedule for every kernel, the
 * file's where it has one and a derived one for the others that had none. Changes no bit. */
#include "passes.h"
#include "schedule.h"

bool pass_schedule(struct pass_context *context)
{
    if (context->schedules &&
        !kernel_schedules_apply(context->schedules, context->program, context->target, context->diags))
        return false;
    kernel_schedule(context->program, context->target);
    return true;
}
