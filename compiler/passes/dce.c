/* Needs: nothing. Leaves behind: only nodes that some result depends on, leaves included. */
#include "passes.h"
#include "rewrite.h"

bool pass_dce(struct pass_context *context)
{
    remove_dead_nodes(context->graph);
    return true;
}
