/* Statements: loops in rotated form (a guard where the trip count may be zero, then the test at the end), a phi for
 * each carried register, branches. A loop of one iteration is no loop. */
#include "emit.h"

#include <llvm-c/DebugInfo.h>

enum { MOST_BRIEF = 2, MOST_COPIES = 8 };

static LLVMBasicBlockRef new_block(struct emitter *e, const char *name) {
    return LLVMAppendBasicBlockInContext(e->module->context, e->function, name);
}

static LLVMBasicBlockRef here(struct emitter *e) { return LLVMGetInsertBlock(e->builder); }

static LLVMValueRef i64_binary(struct emitter *e, LLVMOpcode opcode, LLVMValueRef a, LLVMValueRef b) {
    return LLVMBuildBinOp(e->builder, opcode, a, b, "");
}

static LLVMValueRef scaled(struct emitter *e, LLVMValueRef a, int64_t factor) {
    return factor == 1 ? a : LLVMBuildNSWMul(e->builder, a, emit_constant_i64(e, factor), "");
}

/* ---- bounds ---- */

struct bounds {
    LLVMValueRef lo, hi;
    uint32_t lo_depth;
    bool surely_runs;
    bool once; /* exactly one iteration */
};

static struct bounds find_bounds(struct emitter *e, const struct lstatement *s) {
    struct bounds b = {.surely_runs = true};
    uint32_t hi_depth;
    for (uint32_t l = 0; l < s->los; l++)
        for (uint32_t h = 0; h < s->his; h++)
            b.surely_runs = b.surely_runs && emit_surely_less(&s->lo[l], &s->hi[h]);
    b.once = b.surely_runs && !s->parallel && emit_most_iterations(s) <= 1;
    b.lo = emit_greatest(e, s->lo, s->los, &b.lo_depth);
    b.hi = emit_least(e, s->hi, s->his, &hi_depth);
    return b;
}

/* Where a thread's run begins: with the light iterations last, as many wholes and parts lie before it as there are of
 * the work, to the nearest iteration. */
static LLVMValueRef share_begin(struct emitter *e, const struct lshare *share, LLVMValueRef count,
                                LLVMValueRef thread) {
    if (!share->light)
        return i64_binary(e, LLVMUDiv, i64_binary(e, LLVMMul, count, thread), e->threads);
    LLVMValueRef whole = emit_constant_i64(e, share->whole), part = emit_constant_i64(e, share->part);
    LLVMValueRef heavy = i64_binary(e, LLVMSub, count, emit_constant_i64(e, share->light));
    LLVMValueRef before = i64_binary(e, LLVMMul, heavy, whole);
    LLVMValueRef all = i64_binary(e, LLVMAdd, before, emit_constant_i64(e, share->light * share->part));
    LLVMValueRef at = i64_binary(e, LLVMUDiv, i64_binary(e, LLVMMul, all, thread), e->threads);
    LLVMValueRef rounded = i64_binary(e, LLVMAdd, at, emit_constant_i64(e, share->whole / 2));
    LLVMValueRef behind = i64_binary(e, LLVMSub, at, before);
    behind = i64_binary(e, LLVMAdd, behind, emit_constant_i64(e, share->part / 2));
    return LLVMBuildSelect(e->builder, LLVMBuildICmp(e->builder, LLVMIntULE, at, before, ""),
                           i64_binary(e, LLVMUDiv, rounded, whole),
                           i64_binary(e, LLVMAdd, heavy, i64_binary(e, LLVMUDiv, behind, part)), "");
}

/* This thread's run. */
static void share(struct emitter *e, const struct lstatement *s, struct bounds *b) {
    LLVMBuilderRef builder = e->builder;
    LLVMValueRef one = emit_constant_i64(e, 1), zero = emit_constant_i64(e, 0), step = emit_constant_i64(e, s->step);
    LLVMValueRef count = i64_binary(e, LLVMSub, b->hi, b->lo);
    count = i64_binary(e, LLVMAdd, count, emit_constant_i64(e, s->step - 1));
    count = LLVMBuildSelect(builder, LLVMBuildICmp(builder, LLVMIntSLT, count, zero, ""), zero, count, "");
    if (s->step != 1)
        count = i64_binary(e, LLVMUDiv, count, step);
    LLVMValueRef next_thread = i64_binary(e, LLVMAdd, e->thread, one);
    LLVMValueRef from = share_begin(e, &s->share, count, e->thread);
    LLVMValueRef to = share_begin(e, &s->share, count, next_thread);
    b->hi = LLVMBuildNSWAdd(builder, b->lo, scaled(e, to, s->step), "");
    b->lo = LLVMBuildNSWAdd(builder, b->lo, scaled(e, from, s->step), "");
    b->surely_runs = false;
}

/* ---- loops ---- */

static void no_loop(struct emitter *e, const struct lstatement *s, const struct bounds *b) {
    e->vars[s->var->number] = (struct emit_integer){b->lo, b->lo_depth, 0};
    for (uint32_t i = 0; i < s->carries; i++)
        emit_bind(e, s->carried[i].phi, emit_use(e, s->carried[i].first));
    emit_block(e, &s->body);
    LLVMValueRef *next = ARENA_ARRAY(e->module->arena, LLVMValueRef, s->carries + 1);
    for (uint32_t i = 0; i < s->carries; i++)
        next[i] = emit_use(e, s->carried[i].next);
    for (uint32_t i = 0; i < s->carries; i++)
        emit_bind(e, s->carried[i].phi, next[i]);
}

static void no_unrolling(struct emitter *e, LLVMValueRef branch) {
    static const char text[] = "llvm.loop.unroll.disable";
    LLVMContextRef context = e->module->context;
    LLVMMetadataRef name = LLVMMDStringInContext2(context, text, sizeof text - 1);
    LLVMMetadataRef option = LLVMMDNodeInContext2(context, &name, 1);
    LLVMMetadataRef self = LLVMTemporaryMDNode(context, NULL, 0), operands[] = {self, option};
    LLVMMetadataRef loop = LLVMMDNodeInContext2(context, operands, 2);
    LLVMMetadataReplaceAllUsesWith(self, loop); /* frees self; a loop's id is a node that names itself */
    LLVMSetMetadata(branch, LLVMGetMDKindIDInContext(context, "llvm.loop", 9), LLVMMetadataAsValue(context, loop));
}

/* Times that the innermost statements are written out for the loops in it that are brief; 0: one is not. */
static int64_t copies(const struct lblock *block);

/* A loop of so few iterations, around none or such loops, that each is written out under a condition of its own: what
 * the addresses need is then computed where the bounds are, outside the loops around it. */
static int64_t brief_copies(const struct lstatement *s) {
    int64_t iterations = emit_most_iterations(s);
    if (s->parallel || iterations > MOST_BRIEF)
        return 0;
    int64_t count = (iterations ? iterations : 1) * copies(&s->body);
    return count <= MOST_COPIES ? count : 0;
}

static int64_t copies(const struct lblock *block) {
    int64_t most = 1;
    for (size_t i = 0; i < block->list.count; i++) {
        const struct lstatement *s = block->list.at[i];
        int64_t body = 1, otherwise = 1;
        if (s->kind == LS_FOR)
            body = brief_copies(s);
        else if (s->kind == LS_IF || s->kind == LS_ONCE)
            body = copies(&s->body), otherwise = copies(&s->otherwise);
        if (!body || !otherwise)
            return 0;
        most = body > most ? body : most;
        most = otherwise > most ? otherwise : most;
    }
    return most;
}

static bool is_innermost(const struct lblock *block) { return copies(block) > 0; }

/* The iteration at lo + offset, if there is one. */
static void brief_iteration(struct emitter *e, const struct lstatement *s, const struct bounds *b, int64_t offset) {
    LLVMBuilderRef builder = e->builder;
    LLVMValueRef *first = ARENA_ARRAY(e->module->arena, LLVMValueRef, s->carries + 1);
    LLVMValueRef *next = ARENA_ARRAY(e->module->arena, LLVMValueRef, s->carries + 1);
    for (uint32_t i = 0; i < s->carries; i++)
        first[i] = emit_use(e, s->carried[i].phi);
    bool certain = offset == 0 && b->surely_runs;
    LLVMBasicBlockRef before = here(e), body = new_block(e, s->var->name), behind = new_block(e, "");
    LLVMValueRef anchor;
    if (certain) {
        anchor = LLVMBuildBr(builder, body);
    } else {
        LLVMValueRef at = LLVMBuildNSWAdd(builder, b->lo, emit_constant_i64(e, offset), "");
        anchor = LLVMBuildCondBr(builder, LLVMBuildICmp(builder, LLVMIntSLT, at, b->hi, ""), body, behind);
    }
    LLVMPositionBuilderAtEnd(builder, body);
    emit_open(e, anchor);
    e->vars[s->var->number] = (struct emit_integer){b->lo, b->lo_depth, offset};
    for (uint32_t i = 0; i < s->carries; i++)
        emit_bind(e, s->carried[i].phi, first[i]);
    emit_block(e, &s->body);
    for (uint32_t i = 0; i < s->carries; i++)
        next[i] = emit_use(e, s->carried[i].next);
    emit_close(e);
    LLVMBasicBlockRef leave = here(e);
    LLVMBuildBr(builder, behind);
    LLVMMoveBasicBlockAfter(behind, leave);
    LLVMPositionBuilderAtEnd(builder, behind);
    for (uint32_t i = 0; i < s->carries; i++) {
        LLVMValueRef result = next[i];
        if (!certain) {
            result = LLVMBuildPhi(builder, LLVMTypeOf(first[i]), "");
            LLVMAddIncoming(result, &first[i], &before, 1);
            LLVMAddIncoming(result, &next[i], &leave, 1);
        }
        emit_bind(e, s->carried[i].phi, result);
    }
}

static void loop(struct emitter *e, const struct lstatement *s) {
    LLVMBuilderRef builder = e->builder;
    struct bounds b = find_bounds(e, s);
    if (s->parallel)
        share(e, s, &b);
    if (b.once) {
        no_loop(e, s, &b);
        return;
    }
    if (brief_copies(s)) {
        for (uint32_t i = 0; i < s->carries; i++)
            emit_bind(e, s->carried[i].phi, emit_use(e, s->carried[i].first));
        for (int64_t i = 0, count = emit_most_iterations(s); i < count; i++)
            brief_iteration(e, s, &b, i * s->step);
        return;
    }
    LLVMValueRef *first = ARENA_ARRAY(e->module->arena, LLVMValueRef, s->carries + 1), guard = NULL;
    LLVMValueRef *phi = ARENA_ARRAY(e->module->arena, LLVMValueRef, s->carries + 1), anchor;
    for (uint32_t i = 0; i < s->carries; i++)
        first[i] = emit_use(e, s->carried[i].first);
    LLVMBasicBlockRef before = here(e), body = new_block(e, s->var->name), behind = NULL, enter = before;
    if (b.surely_runs) {
        anchor = LLVMBuildBr(builder, body);
    } else {
        enter = LLVMInsertBasicBlockInContext(e->module->context, body, "");
        guard = LLVMBuildICmp(builder, LLVMIntSLT, b.lo, b.hi, "");
        behind = new_block(e, "");
        anchor = LLVMBuildCondBr(builder, guard, enter, behind);
        LLVMPositionBuilderAtEnd(builder, enter);
        LLVMBuildBr(builder, body);
    }

    LLVMPositionBuilderAtEnd(builder, body);
    emit_open(e, anchor);
    LLVMValueRef var = LLVMBuildPhi(builder, e->module->i64, s->var->name);
    LLVMAddIncoming(var, &b.lo, &enter, 1);
    struct emit_loop innermost = {.var = var, .first = b.lo, .enter = enter, .body = body};
    if (is_innermost(&s->body))
        e->scopes.at[emit_depth(e)].loop = &innermost;
    e->vars[s->var->number] = (struct emit_integer){var, emit_depth(e), 0};
    for (uint32_t i = 0; i < s->carries; i++) {
        phi[i] = LLVMBuildPhi(builder, LLVMTypeOf(first[i]), "");
        LLVMAddIncoming(phi[i], &first[i], &enter, 1);
        emit_bind(e, s->carried[i].phi, phi[i]);
    }
    emit_block(e, &s->body);
    LLVMBasicBlockRef latch = here(e);
    LLVMValueRef following = LLVMBuildNSWAdd(builder, var, emit_constant_i64(e, s->step), "");
    LLVMAddIncoming(var, &following, &latch, 1);
    for (size_t i = 0; i < innermost.multiples.count; i++) {
        const struct emit_multiple *m = &innermost.multiples.at[i];
        LLVMValueRef further = LLVMBuildNSWAdd(builder, m->phi, emit_constant_i64(e, m->factor * s->step), "");
        LLVMAddIncoming(m->phi, &further, &latch, 1);
    }
    LLVMValueRef *next = ARENA_ARRAY(e->module->arena, LLVMValueRef, s->carries + 1);
    for (uint32_t i = 0; i < s->carries; i++) {
        next[i] = emit_use(e, s->carried[i].next);
        LLVMAddIncoming(phi[i], &next[i], &latch, 1);
    }
    LLVMValueRef again = LLVMBuildICmp(builder, LLVMIntSLT, following, b.hi, "");
    LLVMBasicBlockRef leave = new_block(e, "");
    LLVMValueRef branch = LLVMBuildCondBr(builder, again, body, leave);
    if (is_innermost(&s->body))
        no_unrolling(e, branch);
    emit_close(e);
    LLVMPositionBuilderAtEnd(builder, leave);
    if (behind) {
        LLVMBuildBr(builder, behind);
        LLVMMoveBasicBlockAfter(behind, leave);
        LLVMPositionBuilderAtEnd(builder, behind);
    }
    for (uint32_t i = 0; i < s->carries; i++) {
        LLVMValueRef result = next[i];
        if (behind) {
            result = LLVMBuildPhi(builder, LLVMTypeOf(next[i]), "");
            LLVMAddIncoming(result, &first[i], &before, 1);
            LLVMAddIncoming(result, &next[i], &leave, 1);
        }
        emit_bind(e, s->carried[i].phi, result);
    }
}

/* ---- branches ---- */

static LLVMBasicBlockRef side(struct emitter *e, LLVMBasicBlockRef block, LLVMValueRef anchor,
                              const struct lblock *statements, const struct lstatement *s, bool then,
                              LLVMValueRef *out_values) {
    LLVMPositionBuilderAtEnd(e->builder, block);
    emit_open(e, anchor);
    emit_block(e, statements);
    for (uint32_t i = 0; i < s->carries; i++)
        out_values[i] = emit_use(e, then ? s->carried[i].first : s->carried[i].next);
    emit_close(e);
    return here(e);
}

static void branch(struct emitter *e, const struct lstatement *s, LLVMValueRef condition) {
    bool two = s->otherwise.list.count > 0 || s->carries > 0;
    LLVMValueRef *then_values = ARENA_ARRAY(e->module->arena, LLVMValueRef, s->carries + 1);
    LLVMValueRef *else_values = ARENA_ARRAY(e->module->arena, LLVMValueRef, s->carries + 1);
    LLVMBasicBlockRef then = new_block(e, ""), otherwise = two ? new_block(e, "") : NULL, behind = new_block(e, "");
    LLVMValueRef anchor = LLVMBuildCondBr(e->builder, condition, then, two ? otherwise : behind);
    LLVMBasicBlockRef then_end = side(e, then, anchor, &s->body, s, true, then_values), else_end = NULL;
    LLVMBuildBr(e->builder, behind);
    if (two) {
        LLVMMoveBasicBlockAfter(otherwise, then_end);
        else_end = side(e, otherwise, anchor, &s->otherwise, s, false, else_values);
        LLVMBuildBr(e->builder, behind);
    }
    LLVMMoveBasicBlockAfter(behind, two ? else_end : then_end);
    LLVMPositionBuilderAtEnd(e->builder, behind);
    for (uint32_t i = 0; i < s->carries; i++) {
        LLVMValueRef phi = LLVMBuildPhi(e->builder, LLVMTypeOf(then_values[i]), "");
        LLVMAddIncoming(phi, &then_values[i], &then_end, 1);
        LLVMAddIncoming(phi, &else_values[i], &else_end, 1);
        emit_bind(e, s->carried[i].phi, phi);
    }
}

static void once(struct emitter *e, const struct lstatement *s) {
    LLVMValueRef zero = emit_constant_i64(e, 0);
    branch(e, s, LLVMBuildICmp(e->builder, LLVMIntEQ, e->thread, zero, ""));
}

void emit_block(struct emitter *e, const struct lblock *block) {
    for (size_t i = 0; i < block->list.count; i++) {
        const struct lstatement *s = block->list.at[i];
        switch (s->kind) {
        case LS_DEFINE: emit_define(e, s->value); break;
        case LS_STORE: emit_store(e, s); break;
        case LS_FOR: loop(e, s); break;
        case LS_IF: branch(e, s, emit_use(e, s->value)); break;
        case LS_PREFETCH: emit_prefetch(e, s); break;
        case LS_FORGET: emit_forget(e); break;
        case LS_ONCE: once(e, s); break;
        }
    }
}
