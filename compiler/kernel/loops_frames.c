/* Loops and branches while they are filled: what is emitted goes into the body of the innermost one, and registers
 * shared in there are forgotten behind it. Registers that a loop carries or a branch yields are given as places in
 * which the caller keeps the current register: opening puts there what the body begins with, closing what is valid
 * behind. */
#include "loops_internal.h"

#include <string.h>

static struct frame frame_open(struct builder *b, struct lstatement *statement)
{
    struct frame frame = {.statement = statement, .outer = b->block, .mark = scope_open(b)};
    b->block = &statement->body;
    return frame;
}

static void frame_close(struct builder *b, const struct frame *frame)
{
    frame->statement->carries = (uint32_t)frame->carried.count;
    frame->statement->carried = frame->carried.at;
    scope_close(b, frame->mark);
    b->block = frame->outer;
}

static const struct laffine *copy_affines(struct builder *b, const struct laffine *x, uint32_t count)
{
    struct laffine *copy = ARENA_ARRAY(b->arena, struct laffine, count);
    memcpy(copy, x, count * sizeof *x);
    return copy;
}

struct frame loop_open(struct builder *b, const struct lterm *var, const struct laffine *lo, uint32_t los,
                       const struct laffine *hi, uint32_t his)
{
    struct lstatement *loop = loops_emit(b, LS_FOR);
    loop->var = var->var;
    loop->los = los;
    loop->his = his;
    loop->lo = copy_affines(b, lo, los);
    loop->hi = copy_affines(b, hi, his);
    loop->step = 1;
    return frame_open(b, loop);
}

void loop_carry(struct builder *b, struct frame *frame, uint32_t count, const struct lvalue **value)
{
    for (uint32_t i = 0; i < count; i++) {
        struct lcarried carried = {.phi = value_phi(b, value[i]->type, value[i]->width), .first = value[i]};
        value[i] = carried.phi;
        vec_push(b->arena, &frame->carried, carried);
        vec_push(b->arena, &frame->value, &value[i]);
    }
}

void loop_close(struct builder *b, const struct frame *frame)
{
    for (size_t i = 0; i < frame->carried.count; i++) {
        struct lcarried *carried = &frame->carried.at[i];
        carried->next = *frame->value.at[i];
        *frame->value.at[i] = carried->phi;
    }
    frame_close(b, frame);
}

struct frame branch_open(struct builder *b, const struct lvalue *condition)
{
    struct lstatement *branch = loops_emit(b, LS_IF);
    branch->value = condition;
    return frame_open(b, branch);
}

void branch_carry(struct builder *b, struct frame *frame, uint32_t count, const struct lvalue **value)
{
    for (uint32_t i = 0; i < count; i++) {
        vec_push(b->arena, &frame->carried, (struct lcarried){.next = value[i]});
        vec_push(b->arena, &frame->value, &value[i]);
    }
}

void branch_otherwise(struct builder *b, struct frame *frame)
{
    for (size_t i = 0; i < frame->carried.count; i++) {
        frame->carried.at[i].first = *frame->value.at[i];
        *frame->value.at[i] = frame->carried.at[i].next;
    }
    scope_close(b, frame->mark);
    b->block = &frame->statement->otherwise;
}

void branch_close(struct builder *b, const struct frame *frame)
{
    bool two = b->block == &frame->statement->otherwise;
    for (size_t i = 0; i < frame->carried.count; i++) {
        struct lcarried *carried = &frame->carried.at[i];
        *(two ? &carried->next : &carried->first) = *frame->value.at[i];
        carried->phi = value_phi(b, carried->first->type, carried->first->width);
        *frame->value.at[i] = carried->phi;
    }
    frame_close(b, frame);
}
