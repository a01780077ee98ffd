/* The table of passes and the loop that runs them. The graph or the program is verified behind each pass (in a hurry
 * behind the last of either): what is wrong then is our own bug, reported as such with the pass and the node. */
#include "passes.h"

#include <assert.h>
#include <string.h>
#include <time.h>

enum { GRAPH = false, PROGRAM = true };
const struct pass pass_table[] = {
#define PASS(name, needs, on, doc) {#name, doc, needs, on, pass_##name},
#include "passes.def"
#undef PASS
};
const size_t pass_count = sizeof pass_table / sizeof *pass_table;

const struct pass *pass_named(const char *name)
{
    for (size_t i = 0; i < pass_count; i++)
        if (strcmp(pass_table[i].name, name) == 0)
            return &pass_table[i];
    return NULL;
}

/* ---- verification ---- */

static bool types_agree(struct graph *graph, struct node *node, struct diag_list *diags)
{
    struct tensor_type had[GRAPH_MAX_OUTPUTS];
    for (uint32_t i = 0; i < node->outputs; i++)
        had[i] = node->output[i]->type;
    bool ok = op_of(node)->shape(graph, node, diags);
    for (uint32_t i = 0; i < node->outputs; i++) {
        struct value *value = node->output[i];
        if (ok && !type_equal(&had[i], &value->type)) {
            struct text old, new;
            text_init(&old, diags->arena), text_init(&new, diags->arena);
            type_print(&had[i], &old), type_print(&value->type, &new);
            diag_error(diags, node->span, "%%%s is declared as %s, but %s makes %s", value->name, text_string(&old),
                       node->op->name, text_string(&new));
            ok = false;
        }
        value->type = had[i];
    }
    return ok;
}

/* Types are checked but where infer_shapes is about to set them. */
static bool check_state(const struct pass_context *context, bool types)
{
    if (context->program)
        return kernel_verify(context->program, context->diags);
    bool ok = graph_verify(context->graph, context->diags);
    for (size_t i = 0; ok && types && i < context->graph->nodes.count; i++)
        ok = types_agree(context->graph, context->graph->nodes.at[i], context->diags);
    return ok;
}

/* ---- the loop ---- */

static const char *print_state(const struct pass_context *context)
{
    struct text text;
    text_init(&text, context->arena);
    if (context->program)
        kernel_print_program(context->program, &text);
    else
        graph_print(context->graph, &text);
    return text_string(&text);
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool fits_state(const struct pass_context *context, const struct pass *pass)
{
    if (pass->on_program == (context->program != NULL))
        return true;
    diag_error(context->diags, (struct span){0}, "the pass %s works on %s", pass->name,
               pass->on_program ? "the kernel program, which `lower` makes"
                                : "the graph, which is a kernel program by now");
    return false;
}

/* Order of a list that the user wrote: a pass may be left out, but not come before what it needs. */
static bool fits_order(const struct pass_context *context, const struct pass *const *passes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = i + 1; passes[i]->needs && k < count; k++)
            if (strcmp(passes[i]->needs, passes[k]->name) == 0) {
                diag_error(context->diags, (struct span){0}, "the pass %s builds on %s and must come behind it",
                           passes[i]->name, passes[k]->name);
                return false;
            }
    return true;
}

static bool run_one(struct pass_context *context, const struct pass *pass, bool verify, const struct pass_hooks *hooks)
{
    bool observed = hooks && hooks->after;
    const char *before = observed ? print_state(context) : NULL;
    bool had_program = context->program;
    double start = seconds_now();
    if (!fits_state(context, pass) || !pass->run(context))
        return false;
    double seconds = seconds_now() - start;
    if (verify && !check_state(context, true)) {
        diag_error(context->diags, (struct span){0}, "internal error: the pass %s left %s that does not verify",
                   pass->name, context->program ? "a program" : "a graph");
        diag_help(context->diags, "this is a bug in xent: please report it with the model");
        return false;
    }
    if (observed) {
        bool changed = had_program != (context->program != NULL) || strcmp(before, print_state(context)) != 0;
        hooks->after(hooks->context, pass, context, changed, seconds);
    }
    return true;
}

bool pass_run(struct pass_context *context, const struct pass *const *passes, size_t count, const char *stop_after,
              const struct pass_hooks *hooks)
{
    bool infers = count > 0 && strcmp(passes[0]->name, "infer_shapes") == 0;
    if (!fits_order(context, passes, count) || !check_state(context, !infers))
        return false;
    for (size_t i = 0; i < count; i++) {
        bool last = i + 1 == count || (stop_after && strcmp(passes[i]->name, stop_after) == 0);
        bool verify = last || !(hooks && hooks->hurried) || strcmp(passes[i + 1]->name, "lower") == 0;
        if (!run_one(context, passes[i], verify, hooks))
            return false;
        if (last)
            break;
    }
    return true;
}

bool pass_run_all(struct pass_context *context, const char *behind, const char *stop_after,
                  const struct pass_hooks *hooks)
{
    const struct pass **passes = ARENA_ARRAY(context->arena, const struct pass *, pass_count);
    const struct pass *first = behind ? pass_named(behind) + 1 : pass_table;
    size_t count = (size_t)(pass_table + pass_count - first);
    for (size_t i = 0; i < count; i++)
        passes[i] = &first[i];
    return pass_run(context, passes, count, stop_after, hooks);
}
