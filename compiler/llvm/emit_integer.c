/* Integers and addresses. Each operation goes to the scope where its operands last change and is known by its operands
 * while that scope is open; sums are built from the outermost scope inwards, so that accesses which differ in constants
 * share one variable part per loop and the constants end up in the instructions' displacements. */
#include "emit.h"

#include <assert.h>

enum { OP_MUL, OP_ADD, OP_ADD_CONSTANT, OP_DIV, OP_MOD, OP_EXTEND, OP_POINTER, OP_MAX, OP_MIN };

void emit_open(struct emitter *e, LLVMValueRef anchor) {
    if (e->scopes.count)
        e->scopes.at[e->scopes.count - 1].anchor = anchor;
    vec_push(e->module->arena, &e->scopes, (struct emit_scope){.serial = ++e->serials});
}

void emit_close(struct emitter *e) {
    e->scopes.count--;
    if (e->scopes.count)
        e->scopes.at[e->scopes.count - 1].anchor = NULL;
}

/* ---- the table of what is known ---- */

static uint32_t bucket_of(uint32_t op, LLVMValueRef a, LLVMValueRef b, int64_t constant) {
    uint64_t hash = (uint64_t)(uintptr_t)a * 0x9e3779b97f4a7c15u;
    hash = (hash ^ (uint64_t)(uintptr_t)b) * 0xff51afd7ed558ccdu;
    hash = (hash ^ (uint64_t)constant ^ op) * 0xc4ceb9fe1a85ec53u;
    return (uint32_t)(hash >> 40) % EMIT_BUCKETS;
}

/* An operation in the scope at `depth`: emitted, or found. */
static struct emit_integer operation(struct emitter *e, uint32_t op, uint32_t depth, LLVMValueRef a, LLVMValueRef b,
                                     int64_t constant) {
    uint32_t bucket = bucket_of(op, a, b, constant);
    for (uint32_t i = e->bucket[bucket]; i; i = e->known.at[i - 1].next) {
        const struct emit_known *k = &e->known.at[i - 1];
        if (k->op == op && k->a == a && k->b == b && k->constant == constant &&
            emit_is_open(e, k->result.depth, k->serial))
            return k->result;
    }
    LLVMBuilderRef builder = e->builder;
    if (depth < emit_depth(e)) {
        builder = e->module->early;
        LLVMPositionBuilderBefore(builder, e->scopes.at[depth].anchor);
    }
    LLVMValueRef c = emit_constant_i64(e, constant), value = NULL;
    bool power = constant > 0 && (constant & (constant - 1)) == 0;
    uint32_t shift = power ? (uint32_t)__builtin_ctzll((uint64_t)constant) : 0;
    switch (op) {
    case OP_MUL: value = LLVMBuildNSWMul(builder, a, c, ""); break;
    case OP_ADD: value = LLVMBuildNSWAdd(builder, a, b, ""); break;
    case OP_ADD_CONSTANT: value = LLVMBuildNSWAdd(builder, a, c, ""); break;
    case OP_DIV:
        value = power ? LLVMBuildLShr(builder, a, emit_constant_i64(e, shift), "") : LLVMBuildUDiv(builder, a, c, "");
        break;
    case OP_MOD:
        value = power ? LLVMBuildAnd(builder, a, emit_constant_i64(e, constant - 1), "")
                      : LLVMBuildURem(builder, a, c, "");
        break;
    case OP_EXTEND: value = LLVMBuildSExt(builder, a, e->module->i64, ""); break;
    case OP_POINTER: value = LLVMBuildInBoundsGEP2(builder, e->module->i8, a, &b, 1, ""); break;
    case OP_MAX:
    case OP_MIN:
        value = LLVMBuildSelect(builder, LLVMBuildICmp(builder, op == OP_MAX ? LLVMIntSGT : LLVMIntSLT, a, b, ""), a, b,
                                "");
        break;
    default: assert(0);
    }
    struct emit_integer result = {value, depth, 0};
    vec_push(e->module->arena, &e->known,
             (struct emit_known){.op = op, .serial = e->scopes.at[depth].serial, .next = e->bucket[bucket], .a = a,
                                 .b = b, .constant = constant, .result = result});
    e->bucket[bucket] = (uint32_t)e->known.count;
    return result;
}

static uint32_t deeper(uint32_t a, uint32_t b) { return a > b ? a : b; }

static LLVMValueRef multiple(struct emitter *e, struct emit_loop *loop, int64_t factor) {
    for (size_t i = 0; i < loop->multiples.count; i++)
        if (loop->multiples.at[i].factor == factor)
            return loop->multiples.at[i].phi;
    LLVMBuilderRef early = e->module->early;
    LLVMPositionBuilderBefore(early, LLVMGetBasicBlockTerminator(loop->enter));
    LLVMValueRef first = LLVMBuildNSWMul(early, loop->first, emit_constant_i64(e, factor), "");
    LLVMPositionBuilderBefore(early, LLVMGetFirstInstruction(loop->body));
    LLVMValueRef phi = LLVMBuildPhi(early, e->module->i64, "");
    LLVMAddIncoming(phi, &first, &loop->enter, 1);
    vec_push(e->module->arena, &loop->multiples, (struct emit_multiple){factor, phi});
    return phi;
}

/* Without its offset. Factors that an x86 address has anyway need no register of their own. */
static struct emit_integer times(struct emitter *e, struct emit_integer a, int64_t factor) {
    a.offset = 0;
    if (factor == 1)
        return a;
    struct emit_loop *loop = e->scopes.at[a.depth].loop;
    bool free = factor == 2 || factor == 4 || factor == 8;
    if (loop && loop->var == a.value && !free)
        return (struct emit_integer){multiple(e, loop, factor), a.depth, 0};
    return operation(e, OP_MUL, a.depth, a.value, NULL, factor);
}

static struct emit_integer plus(struct emitter *e, struct emit_integer a, struct emit_integer b) {
    return operation(e, OP_ADD, deeper(a.depth, b.depth), a.value, b.value, 0);
}

/* ---- terms and sums ---- */

static struct emit_integer term(struct emitter *e, const struct lterm *t) {
    switch (t->kind) {
    case LT_VAR: return e->vars[t->var->number];
    case LT_SCALAR: return operation(e, OP_EXTEND, 0, e->scalars[t->scalar->number], NULL, 0);
    case LT_VALUE: {
        LLVMValueRef value = emit_use(e, t->value);
        return operation(e, OP_EXTEND, e->registers[t->value->number].depth, value, NULL, 0);
    }
    case LT_DIV:
    case LT_MOD: break;
    }
    struct emit_integer of = emit_affine(e, &t->of);
    if (LLVMIsConstant(of.value)) {
        uint64_t value = LLVMConstIntGetZExtValue(of.value), divisor = (uint64_t)t->divisor;
        return (struct emit_integer){
            emit_constant_i64(e, (int64_t)(t->kind == LT_DIV ? value / divisor : value % divisor)), 0, 0};
    }
    return operation(e, t->kind == LT_DIV ? OP_DIV : OP_MOD, of.depth, of.value, NULL, t->divisor);
}

/* The variable parts of an affine expression, times `scale`, outermost first, at most one per scope; constants that
 * turn up are added to *constant. */
struct parts {
    uint32_t count;
    struct emit_integer *at;
};

static struct parts variable_parts(struct emitter *e, const struct laffine *affine, int64_t scale, int64_t *constant) {
    struct parts parts = {0, NULL};
    if (affine->count == 0)
        return parts;
    struct emit_integer *at = ARENA_ARRAY(e->module->arena, struct emit_integer, affine->count);
    uint32_t count = 0;
    for (uint32_t i = 0; i < affine->count; i++) {
        struct emit_integer t = term(e, affine->product[i].term);
        int64_t factor = affine->product[i].factor * scale;
        *constant += t.offset * factor;
        if (LLVMIsConstant(t.value)) {
            *constant += LLVMConstIntGetSExtValue(t.value) * factor;
            continue;
        }
        t = times(e, t, factor);
        uint32_t p = count;
        while (p > 0 && at[p - 1].depth > t.depth)
            p--;
        if (p > 0 && at[p - 1].depth == t.depth) {
            at[p - 1] = plus(e, at[p - 1], t);
            continue;
        }
        for (uint32_t k = count; k > p; k--)
            at[k] = at[k - 1];
        at[p] = t;
        count++;
    }
    parts.count = count;
    parts.at = at;
    return parts;
}

struct emit_integer emit_affine(struct emitter *e, const struct laffine *affine) {
    int64_t constant = affine->constant;
    struct parts parts = variable_parts(e, affine, 1, &constant);
    if (parts.count == 0)
        return (struct emit_integer){emit_constant_i64(e, constant), 0, 0};
    struct emit_integer sum = parts.at[0];
    for (uint32_t i = 1; i < parts.count; i++)
        sum = plus(e, sum, parts.at[i]);
    return constant ? operation(e, OP_ADD_CONSTANT, sum.depth, sum.value, NULL, constant) : sum;
}

LLVMValueRef emit_address(struct emitter *e, const struct lplace *place) {
    enum ktype type = place->buffer ? place->buffer->type : place->local->type;
    int64_t bytes = emit_bytes(type), constant = place->element.constant * bytes;
    LLVMValueRef base = place->buffer ? e->buffers[place->buffer->number] : e->locals[place->local->number];
    struct emit_integer at = {base, 0, 0};
    struct parts parts = variable_parts(e, &place->element, bytes, &constant);
    for (uint32_t i = 0; i < parts.count; i++)
        at = operation(e, OP_POINTER, deeper(at.depth, parts.at[i].depth), at.value, parts.at[i].value, 0);
    if (constant) /* here, so that it becomes the instruction's displacement and no register */
        at = operation(e, OP_POINTER, emit_depth(e), at.value, emit_constant_i64(e, constant), 0);
    return at.value;
}

/* ---- bounds ---- */

static void range(const struct laffine *affine, int64_t *out_least, int64_t *out_most) {
    *out_least = *out_most = affine->constant;
    for (uint32_t i = 0; i < affine->count; i++) {
        int64_t factor = affine->product[i].factor;
        const struct lterm *t = affine->product[i].term;
        int64_t most = t->kind == LT_SCALAR && t->scalar->limit == 0 ? INT32_MAX : t->most;
        *out_least += factor * (factor > 0 ? t->least : most);
        *out_most += factor * (factor > 0 ? most : t->least);
    }
}

static bool same_affine(const struct laffine *a, const struct laffine *b);

static bool same_term(const struct lterm *a, const struct lterm *b) {
    if (a == b)
        return true;
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case LT_VAR: return a->var == b->var;
    case LT_SCALAR: return a->scalar == b->scalar;
    case LT_VALUE: return a->value == b->value;
    case LT_DIV:
    case LT_MOD: break;
    }
    return a->divisor == b->divisor && a->of.constant == b->of.constant && same_affine(&a->of, &b->of);
}

/* Equal but for the constants. */
static bool same_affine(const struct laffine *a, const struct laffine *b) {
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (a->product[i].factor != b->product[i].factor || !same_term(a->product[i].term, b->product[i].term))
            return false;
    return true;
}

/* Whether hi - lo is constant, and what. */
static bool constant_difference(const struct laffine *lo, const struct laffine *hi, int64_t *out_difference) {
    *out_difference = hi->constant - lo->constant;
    return same_affine(lo, hi);
}

bool emit_surely_less(const struct laffine *lo, const struct laffine *hi) {
    int64_t difference, lo_least, lo_most, hi_least, hi_most;
    if (constant_difference(lo, hi, &difference))
        return difference > 0;
    range(lo, &lo_least, &lo_most);
    range(hi, &hi_least, &hi_most);
    return lo_most < hi_least;
}

/* The most that hi - lo can be; false: not known. Both may be the same sum divided, but for a constant. */
static bool most_difference(const struct laffine *lo, const struct laffine *hi, int64_t *out_most) {
    int64_t difference = hi->constant - lo->constant;
    if (!same_affine(lo, hi)) {
        if (lo->count != 1 || hi->count != 1 || lo->product[0].factor != 1 || hi->product[0].factor != 1)
            return false;
        const struct lterm *a = lo->product[0].term, *b = hi->product[0].term;
        if (a->kind != LT_DIV || b->kind != LT_DIV || a->divisor != b->divisor || !same_affine(&a->of, &b->of))
            return false;
        int64_t more = b->of.constant - a->of.constant; /* below a multiple of the divisor, one more is passed */
        difference += more > 0 ? (more + a->divisor - 1) / a->divisor : -(-more / a->divisor);
    }
    *out_most = difference;
    return true;
}

int64_t emit_most_iterations(const struct lstatement *loop) {
    int64_t most = INT64_MAX, difference;
    for (uint32_t l = 0; l < loop->los; l++)
        for (uint32_t h = 0; h < loop->his; h++)
            if (most_difference(&loop->lo[l], &loop->hi[h], &difference) && difference < most)
                most = difference;
    return most < 0 ? 0 : most == INT64_MAX ? most : (most + loop->step - 1) / loop->step;
}

static LLVMValueRef extreme(struct emitter *e, uint32_t op, const struct laffine *list, uint32_t count,
                            uint32_t *out_depth) {
    struct emit_integer best = emit_affine(e, &list[0]);
    for (uint32_t i = 1; i < count; i++) {
        struct emit_integer other = emit_affine(e, &list[i]);
        best = operation(e, op, deeper(best.depth, other.depth), best.value, other.value, 0);
    }
    *out_depth = LLVMIsConstant(best.value) ? 0 : best.depth;
    return best.value;
}

LLVMValueRef emit_greatest(struct emitter *e, const struct laffine *list, uint32_t count, uint32_t *out_depth) {
    return extreme(e, OP_MAX, list, count, out_depth);
}

LLVMValueRef emit_least(struct emitter *e, const struct laffine *list, uint32_t count, uint32_t *out_depth) {
    return extreme(e, OP_MIN, list, count, out_depth);
}
