/* Operators of the kernel IR on registers, each with exactly the IR's rounding: nothing here may be contracted or
 * reassociated, so no fast-math flag is ever set. */
#include "emit.h"

#include <assert.h>
#include <math.h>

static bool is_float(const struct lvalue *value) { return value->type == KT_F32; }

static LLVMValueRef unary_intrinsic(struct emitter *e, const char *name, LLVMValueRef a) {
    LLVMTypeRef type = LLVMTypeOf(a);
    return emit_intrinsic(e, name, &type, 1, &a, 1);
}

static LLVMValueRef absolute(struct emitter *e, const struct lvalue *of, LLVMValueRef a) {
    if (is_float(of))
        return unary_intrinsic(e, "llvm.fabs", a);
    LLVMTypeRef type = LLVMTypeOf(a);
    LLVMValueRef args[] = {a, LLVMConstInt(e->module->i1, 0, 0)};
    return emit_intrinsic(e, "llvm.abs", &type, 1, args, 2);
}

static LLVMValueRef to_f32(struct emitter *e, const struct lvalue *of, LLVMValueRef a, uint32_t width) {
    if (is_float(of))
        return a;
    if (of->type != KT_I32) /* through i32: vpmovzxbd and vcvtdq2ps, where the direct way is scalar */
        a = LLVMBuildZExt(e->builder, a, emit_type(e, KT_I32, width), "");
    return LLVMBuildSIToFP(e->builder, a, emit_type(e, KT_F32, width), "");
}

static LLVMValueRef to_i32(struct emitter *e, const struct lvalue *of, LLVMValueRef a, uint32_t width) {
    return of->type == KT_I32 ? a : LLVMBuildZExt(e->builder, a, emit_type(e, KT_I32, width), "");
}

static LLVMValueRef to_u8(struct emitter *e, const struct lvalue *of, LLVMValueRef a, uint32_t width) {
    if (of->type == KT_U8)
        return a;
    if (of->type == KT_BOOL)
        return LLVMBuildZExt(e->builder, a, emit_type(e, KT_U8, width), "");
    return LLVMBuildTrunc(e->builder, a, emit_type(e, KT_U8, width), "");
}

static const struct lvalue *constant_of(const struct lvalue *value) {
    while (value->op == LO_SPLAT)
        value = value->arg[0];
    return value->op == LO_CONST ? value : NULL;
}

/* a if a is NaN, else b if b is NaN, else a < b ? b : a. With a constant that is no NaN one comparison is enough, and
 * one x86 instruction where the operand that wins a tie or meets a NaN is the one that maxps returns. */
static LLVMValueRef maximum(struct emitter *e, const struct lvalue *value, LLVMValueRef a, LLVMValueRef b) {
    LLVMBuilderRef builder = e->builder;
    if (!is_float(value)) {
        LLVMIntPredicate less = value->type == KT_I32 ? LLVMIntSLT : LLVMIntULT;
        return LLVMBuildSelect(builder, LLVMBuildICmp(builder, less, a, b, ""), b, a, "");
    }
    const struct lvalue *first = constant_of(value->arg[0]), *second = constant_of(value->arg[1]);
    if (second && !isnan(second->f32))
        return LLVMBuildSelect(builder, LLVMBuildFCmp(builder, LLVMRealOLT, a, b, ""), b, a, "");
    if (first && !isnan(first->f32) && first->f32 != 0.0f)
        return LLVMBuildSelect(builder, LLVMBuildFCmp(builder, LLVMRealOGT, a, b, ""), a, b, "");
    LLVMValueRef other = LLVMBuildSelect(builder, LLVMBuildFCmp(builder, LLVMRealULT, a, b, ""), b, a, "");
    if (first && !isnan(first->f32))
        return other;
    return LLVMBuildSelect(builder, LLVMBuildFCmp(builder, LLVMRealUNO, a, a, ""), a, other, "");
}

/* Division of a value >= 0 by a positive constant. */
static LLVMValueRef divide(struct emitter *e, const struct lvalue *value, LLVMValueRef a, LLVMValueRef b) {
    LLVMBuilderRef builder = e->builder;
    if (is_float(value))
        return LLVMBuildFDiv(builder, a, b, "");
    const struct lvalue *by = constant_of(value->arg[1]);
    uint32_t divisor = by ? (uint32_t)by->i32 : 0;
    bool power = divisor && (divisor & (divisor - 1)) == 0;
    if (value->kop == KX_DIV)
        return power ? LLVMBuildLShr(builder, a, emit_constant_i32(e, __builtin_ctz(divisor), value->width), "")
                     : LLVMBuildUDiv(builder, a, b, "");
    return power ? LLVMBuildAnd(builder, a, emit_constant_i32(e, (int32_t)(divisor - 1), value->width), "")
                 : LLVMBuildURem(builder, a, b, "");
}

static LLVMValueRef shift(struct emitter *e, const struct lvalue *value, LLVMOpcode opcode, LLVMValueRef a,
                          LLVMValueRef by) {
    const struct lvalue *known = constant_of(value->arg[1]);
    if (!known || (uint32_t)known->i32 > 31) /* LLVM's shifts are undefined from 32 on; ours take the low five bits */
        by = LLVMBuildAnd(e->builder, by, emit_constant_i32(e, 31, value->width), "");
    return LLVMBuildBinOp(e->builder, opcode, a, by, "");
}

struct predicate {
    LLVMRealPredicate real;
    LLVMIntPredicate with_sign, without;
};

static struct predicate predicate_of(enum kop op) {
    switch (op) {
    case KX_EQ: return (struct predicate){LLVMRealOEQ, LLVMIntEQ, LLVMIntEQ};
    case KX_NE: return (struct predicate){LLVMRealUNE, LLVMIntNE, LLVMIntNE};
    case KX_LT: return (struct predicate){LLVMRealOLT, LLVMIntSLT, LLVMIntULT};
    case KX_LE: return (struct predicate){LLVMRealOLE, LLVMIntSLE, LLVMIntULE};
    case KX_GT: return (struct predicate){LLVMRealOGT, LLVMIntSGT, LLVMIntUGT};
    default: return (struct predicate){LLVMRealOGE, LLVMIntSGE, LLVMIntUGE};
    }
}

static LLVMValueRef compare(struct emitter *e, const struct lvalue *value, LLVMValueRef a, LLVMValueRef b) {
    struct predicate p = predicate_of(value->kop);
    enum ktype type = value->arg[0]->type;
    if (type == KT_F32)
        return LLVMBuildFCmp(e->builder, p.real, a, b, "");
    return LLVMBuildICmp(e->builder, type == KT_I32 ? p.with_sign : p.without, a, b, "");
}

static LLVMValueRef fused(struct emitter *e, LLVMValueRef *args) {
    LLVMTypeRef type = LLVMTypeOf(args[0]);
    if (e->module->arith == KARITH_FMA)
        return emit_intrinsic(e, "llvm.fma", &type, 1, args, 3);
    return LLVMBuildFAdd(e->builder, LLVMBuildFMul(e->builder, args[0], args[1], ""), args[2], "");
}

LLVMValueRef emit_operator(struct emitter *e, const struct lvalue *value) {
    LLVMBuilderRef builder = e->builder;
    uint32_t width = value->width;
    bool real = is_float(value);
    LLVMValueRef arg[3] = {NULL, NULL, NULL};
    assert(value->args >= 1 && value->args <= 3);
    for (uint32_t i = 0; i < value->args; i++)
        arg[i] = emit_use(e, value->arg[i]);
    LLVMValueRef a = arg[0], b = arg[1];
    switch (value->kop) {
    case KX_NEG: return real ? LLVMBuildFNeg(builder, a, "") : LLVMBuildNeg(builder, a, "");
    case KX_NOT: return LLVMBuildNot(builder, a, "");
    case KX_ABS: return absolute(e, value->arg[0], a);
    case KX_SQRT: return unary_intrinsic(e, "llvm.sqrt", a);
    case KX_TO_F32: return to_f32(e, value->arg[0], a, width);
    case KX_TO_I32: return to_i32(e, value->arg[0], a, width);
    case KX_TO_U8: return to_u8(e, value->arg[0], a, width);
    case KX_BITS: return LLVMBuildBitCast(builder, a, emit_type(e, KT_I32, width), "");
    case KX_FROM_BITS: return LLVMBuildBitCast(builder, a, emit_type(e, KT_F32, width), "");
    case KX_ADD: return LLVMBuildBinOp(builder, real ? LLVMFAdd : LLVMAdd, a, b, "");
    case KX_SUB: return LLVMBuildBinOp(builder, real ? LLVMFSub : LLVMSub, a, b, "");
    case KX_MUL: return LLVMBuildBinOp(builder, real ? LLVMFMul : LLVMMul, a, b, "");
    case KX_DIV:
    case KX_MOD: return divide(e, value, a, b);
    case KX_MAX: return maximum(e, value, a, b);
    case KX_SHL: return shift(e, value, LLVMShl, a, b);
    case KX_SHR: return shift(e, value, LLVMAShr, a, b);
    case KX_LSHR: return shift(e, value, LLVMLShr, a, b);
    case KX_AND:
    case KX_LAND: return LLVMBuildAnd(builder, a, b, "");
    case KX_OR:
    case KX_LOR: return LLVMBuildOr(builder, a, b, "");
    case KX_XOR: return LLVMBuildXor(builder, a, b, "");
    case KX_EQ:
    case KX_NE:
    case KX_LT:
    case KX_LE:
    case KX_GT:
    case KX_GE: return compare(e, value, a, b);
    case KX_FMA: return fused(e, arg);
    case KX_SELECT: return LLVMBuildSelect(builder, a, b, arg[2], "");
    default: break;
    }
    assert(!"not an operator on registers");
    return NULL;
}
