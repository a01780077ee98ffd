/* Types, constants, lanes: the words that the emitter's other files are written in. */
#include "emit.h"

#include <assert.h>
#include <string.h>

LLVMTypeRef emit_type(struct emitter *e, enum ktype type, uint32_t width) {
    const struct emit_module *m = e->module;
    LLVMTypeRef element = type == KT_F32 ? m->f32 : type == KT_I32 ? m->i32 : type == KT_U8 ? m->i8 : m->i1;
    return width == 1 ? element : LLVMVectorType(element, width);
}

uint32_t emit_bytes(enum ktype type) { return type == KT_F32 || type == KT_I32 ? 4 : 1; }

static LLVMValueRef same_lanes(LLVMValueRef constant, uint32_t width) {
    LLVMValueRef lane[16];
    if (width == 1)
        return constant;
    assert(width <= 16);
    for (uint32_t l = 0; l < width; l++)
        lane[l] = constant;
    return LLVMConstVector(lane, width);
}

LLVMValueRef emit_constant_i32(struct emitter *e, int32_t value, uint32_t width) {
    return same_lanes(LLVMConstInt(e->module->i32, (uint32_t)value, 0), width);
}

LLVMValueRef emit_constant_i64(struct emitter *e, int64_t value) {
    return LLVMConstInt(e->module->i64, (uint64_t)value, 0);
}

LLVMValueRef emit_all_lanes(struct emitter *e, uint32_t width) {
    return same_lanes(LLVMConstInt(e->module->i1, 1, 0), width);
}

LLVMValueRef emit_zero(LLVMTypeRef type) { return LLVMConstNull(type); }

LLVMValueRef emit_splat(struct emitter *e, LLVMValueRef scalar, uint32_t width) {
    if (width == 1)
        return scalar;
    if (LLVMIsConstant(scalar))
        return same_lanes(scalar, width);
    LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(scalar), width);
    LLVMValueRef zero = LLVMConstInt(e->module->i32, 0, 0);
    LLVMValueRef first = LLVMBuildInsertElement(e->builder, LLVMGetPoison(type), scalar, zero, "");
    return LLVMBuildShuffleVector(e->builder, first, LLVMGetPoison(type),
                                  LLVMConstNull(LLVMVectorType(e->module->i32, width)), "");
}

LLVMValueRef emit_shuffle(struct emitter *e, LLVMValueRef a, LLVMValueRef b, const uint32_t *lanes, uint32_t count) {
    LLVMValueRef lane[16];
    for (uint32_t l = 0; l < count; l++)
        lane[l] = LLVMConstInt(e->module->i32, lanes[l], 0);
    return LLVMBuildShuffleVector(e->builder, a, b, LLVMConstVector(lane, count), "");
}

LLVMValueRef emit_intrinsic(struct emitter *e, const char *name, LLVMTypeRef *types, uint32_t type_count,
                            LLVMValueRef *args, uint32_t arg_count) {
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    assert(id);
    LLVMValueRef function = LLVMGetIntrinsicDeclaration(e->module->module, id, types, type_count);
    return LLVMBuildCall2(e->builder, LLVMGlobalGetValueType(function), function, args, arg_count, "");
}
