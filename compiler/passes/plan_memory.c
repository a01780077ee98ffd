/* Needs: barriers, and context->lowered. Leaves behind: scratch buffers that share memory where their lives, counted in
 * intervals between barriers, do not meet; the state stays where it is, results live to the end. First fit, in the
 * order of first use. */
#include "lowered.h"
#include "passes.h"

struct life {
    const struct kvar *root;
    uint32_t first, last; /* intervals */
    int64_t offset, bytes;
};
struct lives {
    VEC(struct life) list;
};

static const struct kvar *root_of(const struct lowered *lowered, const struct kvar *var)
{
    for (size_t i = 0; i < lowered->views.count; i++)
        if (lowered->views.at[i].var == var)
            return lowered->views.at[i].root;
    return var;
}

static void use(struct arena *arena, struct lives *lives, const struct kvar *root, uint32_t interval)
{
    if (root->place != KP_ARENA)
        return;
    for (size_t i = 0; i < lives->list.count; i++)
        if (lives->list.at[i].root == root) {
            lives->list.at[i].last = interval;
            return;
        }
    vec_push(arena, &lives->list, (struct life){root, interval, interval, 0, lower_bytes(root)});
}

static void find_lives(struct pass_context *context, struct lives *lives)
{
    const struct kprogram *program = context->program;
    uint32_t interval = 0;
    for (size_t i = 0; i < program->calls.count; i++) {
        const struct kcall *call = &program->calls.at[i];
        interval += !call->kernel;
        for (size_t k = 0; call->kernel && k < call->kernel->buffers.count; k++)
            use(context->arena, lives, root_of(context->lowered, call->argument[k]), interval);
    }
    for (size_t i = 0; i < context->lowered->results.count; i++)
        use(context->arena, lives, root_of(context->lowered, context->lowered->results.at[i].var), interval);
}

/* The lowest place for life `n` among those before it. */
static int64_t fit(const struct lives *lives, size_t n, int64_t from)
{
    const struct life *life = &lives->list.at[n];
    int64_t offset = from;
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < n; i++) {
            const struct life *other = &lives->list.at[i];
            if (other->last < life->first || life->last < other->first || offset + life->bytes <= other->offset ||
                other->offset + other->bytes <= offset)
                continue;
            offset = other->offset + other->bytes;
            moved = true;
        }
    }
    return offset;
}

bool pass_plan_memory(struct pass_context *context)
{
    struct kprogram *program = context->program;
    struct lives lives = {0};
    int64_t end = context->lowered->state_bytes;
    find_lives(context, &lives);
    for (size_t i = 0; i < lives.list.count; i++) {
        struct life *life = &lives.list.at[i];
        life->offset = fit(&lives, i, context->lowered->state_bytes);
        if (life->offset + life->bytes > end)
            end = life->offset + life->bytes;
    }
    for (size_t v = 0; v < program->vars.count; v++)
        for (size_t i = 0; program->vars.at[v]->place == KP_ARENA && i < lives.list.count; i++)
            if (lives.list.at[i].root == root_of(context->lowered, program->vars.at[v]))
                program->vars.at[v]->offset = lives.list.at[i].offset;
    program->arena_bytes = end;
    return true;
}
