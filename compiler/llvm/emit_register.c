/* Registers: each is emitted where its DEFINE stands and found by its number afterwards. Constants, scalars and lane
 * numbers may also be used without a DEFINE. */
#include "emit.h"

#include <assert.h>

void emit_bind(struct emitter *e, const struct lvalue *value, LLVMValueRef as) {
    uint32_t depth = emit_depth(e);
    e->registers[value->number] = (struct emit_register){as, depth, e->scopes.at[depth].serial};
}

static LLVMValueRef constant(struct emitter *e, const struct lvalue *value) {
    LLVMTypeRef type = emit_type(e, value->type, 1);
    LLVMValueRef scalar = value->type == KT_F32 ? LLVMConstReal(type, (double)value->f32)
                                                : LLVMConstInt(type, (uint32_t)value->i32, 0);
    return emit_splat(e, scalar, value->width);
}

static LLVMValueRef lane_numbers(struct emitter *e, uint32_t width) {
    LLVMValueRef lane[16];
    for (uint32_t l = 0; l < width; l++)
        lane[l] = emit_constant_i32(e, (int32_t)l, 1);
    return width == 1 ? lane[0] : LLVMConstVector(lane, width);
}

static LLVMValueRef integer(struct emitter *e, const struct lvalue *value) {
    LLVMValueRef wide = emit_affine(e, &value->integer).value;
    return emit_splat(e, LLVMBuildTrunc(e->builder, wide, e->module->i32, ""), value->width);
}

static LLVMValueRef compute(struct emitter *e, const struct lvalue *value) {
    switch (value->op) {
    case LO_CONST: return constant(e, value);
    case LO_SCALAR: return emit_splat(e, e->scalars[value->scalar->number], value->width);
    case LO_INTEGER: return integer(e, value);
    case LO_LANE: return lane_numbers(e, value->width);
    case LO_SPLAT: return emit_splat(e, emit_use(e, value->arg[0]), value->width);
    case LO_KOP: return emit_operator(e, value);
    case LO_LOAD: return emit_load(e, value);
    case LO_FOLD16: return emit_fold16(e, value);
    case LO_JOIN: return emit_join(e, value);
    case LO_TRANSPOSED: return emit_transposed(e, value);
    case LO_PART: return emit_part(e, value);
    case LO_PHI: break;
    }
    assert(!"a phi is bound by its loop or branch");
    return NULL;
}

LLVMValueRef emit_use(struct emitter *e, const struct lvalue *value) {
    const struct emit_register *r = &e->registers[value->number];
    if (!r->value || !emit_is_open(e, r->depth, r->serial)) {
        assert(value->op == LO_CONST || value->op == LO_SCALAR || value->op == LO_LANE || value->op == LO_INTEGER);
        emit_define(e, value);
    }
    return r->value;
}

void emit_define(struct emitter *e, const struct lvalue *value) { emit_bind(e, value, compute(e, value)); }
