/* Needs: a program and the target. Leaves behind: a schedule for every kernel that had none. Changes no bit. */
#include "passes.h"
#include "schedule.h"

bool pass_schedule(struct pass_context *context)
{
    kernel_schedule(context->program, context->target);
    return true;
}
