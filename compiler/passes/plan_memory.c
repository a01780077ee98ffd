/* Needs: barriers. Leaves behind: scratch buffers that share memory where their lives, counted in
 * intervals between barriers, do not meet; the state stays where it is, results live to the end. First fit, in the
 * order of first use.
 *
 * A program that was read from a text does not say which buffers are results: there those are that no call reads behind
 * the last one that writes them. Its views are the buffers that no call writes. */
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

/* ---- what `lower` knows, from a text ---- */

/* The last call that writes the var, or, with `reads`, reads it; calls count from 1, 0: none does. */
static size_t last_call(const struct kprogram *program, const struct kvar *var, bool reads, size_t before)
{
    size_t last = 0;
    for (size_t i = 0; i < before; i++) {
        const struct kcall *call = &program->calls.at[i];
        for (size_t k = 0; call->kernel && k < call->kernel->buffers.count; k++)
            if (call->argument[k] == var && (reads ? call->kernel->buffers.at[k]->access != KA_OUT
                                                   : call->kernel->buffers.at[k]->access != KA_IN))
                last = i + 1;
    }
    return last;
}

/* Whose memory a buffer is that calls read and none writes: of those at its place, the one written last before. */
static const struct kvar *seen_root(const struct kprogram *program, const struct kvar *view)
{
    size_t all = program->calls.count, read = last_call(program, view, true, all), latest = 0;
    const struct kvar *root = NULL;
    if (!read || last_call(program, view, false, all))
        return NULL;
    for (size_t i = 0; i < program->vars.count; i++) {
        const struct kvar *var = program->vars.at[i];
        size_t written = last_call(program, var, false, read - 1);
        if (var->place == KP_ARENA && var->offset == view->offset && written > latest) {
            latest = written;
            root = var;
        }
    }
    return root;
}

/* The state keeps its room, and what lies between it and the scratch: that is other entries' state. */
static int64_t state_end(const struct kprogram *program)
{
    int64_t end = 0, scratch = INT64_MAX;
    for (size_t i = 0; i < program->vars.count; i++) {
        const struct kvar *var = program->vars.at[i];
        int64_t behind = (var->offset + lower_bytes(var) + LOWER_ALIGN - 1) / LOWER_ALIGN * LOWER_ALIGN;
        if (var->place == KP_STATE && behind > end)
            end = behind;
        if (var->place == KP_ARENA && var->offset < scratch)
            scratch = var->offset;
    }
    return scratch != INT64_MAX && scratch > end && scratch % LOWER_ALIGN == 0 ? scratch : end;
}

static void derive(struct arena *arena, const struct kprogram *program, struct lowered *out)
{
    size_t all = program->calls.count;
    out->state_bytes = state_end(program);
    for (size_t i = 0; i < program->vars.count; i++) {
        const struct kvar *root = seen_root(program, program->vars.at[i]);
        if (program->vars.at[i]->place == KP_ARENA && root)
            vec_push(arena, &out->views, (struct lowered_view){program->vars.at[i], root});
    }
    for (size_t i = 0; i < program->vars.count; i++) {
        const struct kvar *var = program->vars.at[i];
        size_t written = last_call(program, var, false, all), read = last_call(program, var, true, all);
        for (size_t k = 0; k < out->views.count; k++)
            if (out->views.at[k].root == var && last_call(program, out->views.at[k].var, true, all) > read)
                read = last_call(program, out->views.at[k].var, true, all);
        if (var->place == KP_ARENA && root_of(out, var) == var && read <= written)
            vec_push(arena, &out->results, (struct lowered_result){.name = var->name, .var = var});
    }
}

/* ---- lives ---- */

static void find_lives(const struct pass_context *context, const struct lowered *lowered, struct lives *lives)
{
    const struct kprogram *program = context->program;
    uint32_t interval = 0;
    for (size_t i = 0; i < program->calls.count; i++) {
        const struct kcall *call = &program->calls.at[i];
        interval += !call->kernel;
        for (size_t k = 0; call->kernel && k < call->kernel->buffers.count; k++)
            use(context->arena, lives, root_of(lowered, call->argument[k]), interval);
    }
    for (size_t i = 0; i < lowered->results.count; i++)
        use(context->arena, lives, root_of(lowered, lowered->results.at[i].var), interval);
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
    struct lowered derived = {0};
    const struct lowered *lowered = context->lowered ? context->lowered : &derived;
    if (!context->lowered)
        derive(context->arena, program, &derived);
    int64_t end = lowered->state_bytes;
    find_lives(context, lowered, &lives);
    for (size_t i = 0; i < lives.list.count; i++) {
        struct life *life = &lives.list.at[i];
        life->offset = fit(&lives, i, lowered->state_bytes);
        if (life->offset + life->bytes > end)
            end = life->offset + life->bytes;
    }
    for (size_t v = 0; v < program->vars.count; v++)
        for (size_t i = 0; program->vars.at[v]->place == KP_ARENA && i < lives.list.count; i++)
            if (lives.list.at[i].root == root_of(lowered, program->vars.at[v]))
                program->vars.at[v]->offset = lives.list.at[i].offset;
    program->arena_bytes = end;
    return true;
}
