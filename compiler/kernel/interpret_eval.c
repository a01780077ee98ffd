/* Evaluation of nodes over a run. Results lie in the node's own place, or, for a load of neighbouring elements, where
 * they are in memory. */
#include "interpret.h"

#include <assert.h>
#include <math.h>
#include <string.h>

int64_t interpret_slot_sum(const struct machine *m, const struct slot_sum *sum)
{
    int64_t value = sum->constant;
    for (uint32_t i = 0; i < sum->count; i++)
        value += sum->term[i].factor * m->slot[sum->term[i].slot];
    return value;
}

/* ---- places ---- */

static int64_t special_offset(const struct special *s, int64_t index)
{
    assert(index >= 0 && (s->extent == KERNEL_UNKNOWN || index < s->extent)); /* indirect: the data is wrong */
    return s->table ? s->table[index] : index * s->stride;
}

/* Adds the places of a varying subscript to the offsets. */
static void add_varying(struct machine *m, struct special *s, int64_t *offset, size_t count)
{
    if (s->node) {
        const int32_t *index = interpret_eval(m, s->node, count);
        for (size_t i = 0; i < count; i++)
            offset[i] += special_offset(s, index[i]);
    } else {
        int64_t index = interpret_slot_sum(m, &s->sum);
        for (size_t i = 0; i < count; i++)
            offset[i] += special_offset(s, index + (int64_t)i * s->run_factor);
    }
}

struct located interpret_locate(struct machine *m, struct place *place, size_t count)
{
    struct located at = {.address = interpret_slot_sum(m, &place->address), .step = place->step, .unit = 1};
    for (uint32_t i = 0; i < place->specials; i++) {
        struct special *s = &place->special[i];
        if (!s->uniform)
            continue;
        int64_t index = s->node ? *(const int32_t *)interpret_eval(m, s->node, 1) : interpret_slot_sum(m, &s->sum);
        at.address += special_offset(s, index);
    }
    if (place->varying == 0)
        return at;
    if (place->varying == 1 && place->step == 0) {
        struct special *s = place->special;
        while (s->uniform)
            s++;
        if (!s->node && s->table && s->run_factor == 1) {
            int64_t index = interpret_slot_sum(m, &s->sum);
            assert(index >= 0 && index + (int64_t)count <= s->extent);
            at.offset = s->table + index;
            at.unit = s->unit;
            at.phase = index % s->unit;
            return at;
        }
    }
    for (size_t i = 0; i < count; i++)
        place->offset[i] = (int64_t)i * place->step;
    for (uint32_t i = 0; i < place->specials; i++)
        if (!place->special[i].uniform)
            add_varying(m, &place->special[i], place->offset, count);
    at.step = 0;
    at.offset = place->offset;
    return at;
}

size_t interpret_stretch(const struct located *at, size_t i, size_t count)
{
    if (!at->offset)
        return count;
    size_t end = i + (size_t)(at->unit - (at->phase + (int64_t)i) % at->unit);
    return end < count ? end : count;
}

static const void *load_words(struct node *node, const struct located *at, const uint32_t *base, size_t count)
{
    uint32_t *out = node->out;
    base += at->address;
    if (!at->offset) {
        if (at->step == 1 || count == 1)
            return base;
        for (size_t i = 0; i < count; i++)
            out[i] = base[(int64_t)i * at->step];
        return out;
    }
    if (at->unit > 1) {
        if (interpret_stretch(at, 0, count) == count)
            return base + at->offset[0];
        for (size_t i = 0, end; i < count; i = end) {
            end = interpret_stretch(at, i, count);
            memcpy(out + i, base + at->offset[i], (end - i) * sizeof *out);
        }
        return out;
    }
    for (size_t i = 0; i < count; i++)
        out[i] = base[at->offset[i]];
    return out;
}

static const void *load(struct machine *m, struct node *node, size_t count)
{
    struct located at = interpret_locate(m, &node->place, count);
    const char *base = m->base[node->place.bank];
    if (node->place.bytes == 4)
        return load_words(node, &at, (const uint32_t *)(const void *)base, count);
    int32_t *out = node->out;
    const uint8_t *from = (const uint8_t *)base + at.address;
    for (size_t i = 0; i < count; i++)
        out[i] = from[at.offset ? at.offset[i] : (int64_t)i * at.step];
    return out;
}

void interpret_store(struct machine *m, struct place *place, const void *values, bool uniform, size_t count)
{
    struct located at = interpret_locate(m, place, count);
    const uint32_t *word = values;
    for (size_t i = 0; i < count; i++) {
        int64_t address = at.address + (at.offset ? at.offset[i] : (int64_t)i * at.step);
        uint32_t value = word[uniform ? 0 : i];
        if (place->bytes == 4)
            ((uint32_t *)(void *)m->base[place->bank])[address] = value;
        else
            ((uint8_t *)m->base[place->bank])[address] = (uint8_t)value;
    }
}

/* ---- operators ---- */

static float max_f32(float a, float b)
{
    return isnan(a) ? a : isnan(b) ? b : a < b ? b : a;
}

static float from_bits(int32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static int32_t wrap(uint32_t value)
{
    return (int32_t)value;
}

#define EACH(type_out, expression)                                                                                     \
    do {                                                                                                               \
        type_out *out = node->out;                                                                                     \
        for (size_t i = 0; i < count; i++)                                                                             \
            out[i] = (expression);                                                                                     \
        return out;                                                                                                    \
    } while (0)
#define A(type) (((const type *)a)[i * as])
#define B(type) (((const type *)b)[i * bs])
#define C(type) (((const type *)c)[i * cs])

static const void *unary(struct node *node, const void *a, size_t as, size_t count)
{
    enum ktype from = node->arg[0]->type;
    switch (node->op) {
    case KX_NEG:
        if (from == KT_F32)
            EACH(float, -A(float));
        EACH(int32_t, wrap(0u - A(uint32_t)));
    case KX_NOT: EACH(int32_t, !A(int32_t));
    case KX_ABS:
        if (from == KT_F32)
            EACH(float, fabsf(A(float)));
        EACH(int32_t, A(int32_t) < 0 ? wrap(0u - A(uint32_t)) : A(int32_t));
    case KX_SQRT: EACH(float, sqrtf(A(float)));
    case KX_TO_F32: EACH(float, (float)A(int32_t));
    case KX_TO_I32:
    case KX_BITS: EACH(int32_t, A(int32_t));
    case KX_TO_U8: EACH(int32_t, A(int32_t) & 255);
    default: EACH(float, from_bits(A(int32_t))); /* FROM_BITS */
    }
}

static const void *binary_f32(struct node *node, const void *a, size_t as, const void *b, size_t bs, size_t count)
{
    switch (node->op) {
    case KX_ADD: EACH(float, A(float) + B(float));
    case KX_SUB: EACH(float, A(float) - B(float));
    case KX_MUL: EACH(float, A(float) * B(float));
    case KX_DIV: EACH(float, A(float) / B(float));
    case KX_MAX: EACH(float, max_f32(A(float), B(float)));
    case KX_EQ: EACH(int32_t, A(float) == B(float));
    case KX_NE: EACH(int32_t, A(float) != B(float));
    case KX_LT: EACH(int32_t, A(float) < B(float));
    case KX_LE: EACH(int32_t, A(float) <= B(float));
    case KX_GT: EACH(int32_t, A(float) > B(float));
    default: EACH(int32_t, A(float) >= B(float)); /* GE */
    }
}

static const void *binary_i32(struct node *node, const void *a, size_t as, const void *b, size_t bs, size_t count)
{
    switch (node->op) {
    case KX_ADD: EACH(int32_t, wrap(A(uint32_t) + B(uint32_t)));
    case KX_SUB: EACH(int32_t, wrap(A(uint32_t) - B(uint32_t)));
    case KX_MUL: EACH(int32_t, wrap(A(uint32_t) * B(uint32_t)));
    case KX_DIV: EACH(int32_t, A(int32_t) / B(int32_t)); /* the verifier saw to it: a >= 0, b > 0 */
    case KX_MOD: EACH(int32_t, A(int32_t) % B(int32_t));
    case KX_MAX: EACH(int32_t, A(int32_t) < B(int32_t) ? B(int32_t) : A(int32_t));
    case KX_SHL: EACH(int32_t, wrap(A(uint32_t) << B(uint32_t)));
    case KX_SHR: EACH(int32_t, A(int32_t) >> B(int32_t));
    case KX_LSHR: EACH(int32_t, wrap(A(uint32_t) >> B(uint32_t)));
    case KX_AND: EACH(int32_t, A(int32_t) & B(int32_t));
    case KX_OR: EACH(int32_t, A(int32_t) | B(int32_t));
    case KX_XOR: EACH(int32_t, A(int32_t) ^ B(int32_t));
    case KX_EQ: EACH(int32_t, A(int32_t) == B(int32_t));
    case KX_NE: EACH(int32_t, A(int32_t) != B(int32_t));
    case KX_LT: EACH(int32_t, A(int32_t) < B(int32_t));
    case KX_LE: EACH(int32_t, A(int32_t) <= B(int32_t));
    case KX_GT: EACH(int32_t, A(int32_t) > B(int32_t));
    default: EACH(int32_t, A(int32_t) >= B(int32_t)); /* GE */
    }
}

static const void *fma_node(struct machine *m, struct node *node, const void *const *value, size_t count)
{
    float *out = node->out;
    const float *c = value[2];
    for (size_t i = 0; i < count; i++)
        out[i] = c[node->arg[2]->uniform ? 0 : i];
    m->fma(out, count, value[0], 0, node->arg[0]->uniform, value[1], 0, node->arg[1]->uniform, 1);
    return out;
}

static const void *operator_node(struct machine *m, struct node *node, size_t count)
{
    const void *value[3] = {0};
    for (uint32_t i = 0; i < node->args; i++)
        value[i] = interpret_eval(m, node->arg[i], count);
    const void *a = value[0], *b = value[1], *c = value[2];
    size_t as = !node->arg[0]->uniform;
    if (node->args == 1)
        return unary(node, a, as, count);
    size_t bs = !node->arg[1]->uniform;
    if (node->args == 2)
        return node->arg[0]->type == KT_F32 ? binary_f32(node, a, as, b, bs, count)
                                            : binary_i32(node, a, as, b, bs, count);
    if (node->op == KX_FMA)
        return fma_node(m, node, value, count);
    size_t cs = !node->arg[2]->uniform;
    EACH(uint32_t, A(int32_t) ? B(uint32_t) : C(uint32_t)); /* SELECT */
}

/* ---- what is not evaluated everywhere ---- */

/* The arm's values for points begin .. end-1 of the run, into the node's place. */
static void eval_arm(struct machine *m, struct node *node, struct node *arm, size_t begin, size_t end)
{
    uint32_t *out = node->out;
    if (node->run != NO_RUN)
        m->slot[node->run] += (int64_t)begin;
    const uint32_t *value = interpret_eval(m, arm, end - begin);
    if (node->run != NO_RUN)
        m->slot[node->run] -= (int64_t)begin;
    for (size_t i = begin; i < end; i++)
        out[i] = value[arm->uniform ? 0 : i - begin];
}

static const void *where(struct machine *m, struct node *node, size_t count)
{
    const int32_t *condition = interpret_eval(m, node->arg[0], count);
    size_t step = !node->arg[0]->uniform;
    for (size_t begin = 0, end; begin < count; begin = end) {
        end = step ? begin + 1 : count;
        while (end < count && !condition[end] == !condition[begin])
            end++;
        eval_arm(m, node, node->arg[condition[begin * step] ? 1 : 2], begin, end);
    }
    return node->out;
}

static const void *call(struct machine *m, struct node *node, size_t count)
{
    for (uint32_t i = 0; i < node->steps; i++)
        node->step[i]->held = interpret_eval(m, node->step[i], count);
    return interpret_eval(m, node->arg[0], count);
}

static const void *scalar(struct machine *m, struct node *node)
{
    int32_t bits = m->scalar[node->number]->i;
    *(int32_t *)node->out = node->type == KT_BOOL ? bits != 0 : bits;
    return node->out;
}

const void *interpret_eval(struct machine *m, struct node *node, size_t count)
{
    if (node->uniform)
        count = 1;
    switch (node->op) {
    case KX_CONST_F32:
    case KX_CONST_I32:
    case KX_CONST_BOOL: return &node->bits;
    case KX_INDEX: EACH(int32_t, (int32_t)(m->slot[node->number] + (int64_t)i));
    case KX_SCALAR: return scalar(m, node);
    case KX_LOAD: return load(m, node, count);
    case KX_LET: return node->refers->held;
    case KX_REDUCE: return interpret_reduce(m, node, count);
    case KX_POSITION:
        interpret_eval(m, node->arg[0], count);
        return node->arg[0]->reduction->position;
    case KX_CALL: return call(m, node, count);
    case KX_WHERE: return where(m, node, count);
    default: return operator_node(m, node, count);
    }
}
