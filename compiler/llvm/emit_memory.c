/* Loads and stores. A lane that a mask leaves out touches no memory: masked accesses are LLVM's own, which become one
 * instruction where the target has it and a branch per lane elsewhere. */
#include "emit.h"
#include "target.h"

#include <assert.h>
#include <string.h>

static enum ktype place_type(const struct lplace *place) {
    return place->buffer ? place->buffer->type : place->local->type;
}

/* What may be said of the alignment of a contiguous access. */
static uint32_t alignment(struct emitter *e, const struct lplace *place, bool aligned, uint32_t width) {
    uint32_t element = emit_bytes(place_type(place)), base = 64;
    if (place->buffer)
        base = e->arguments[place->buffer->number].align;
    uint32_t whole = element * width;
    if (!aligned || base < whole)
        return element;
    return whole > 64 ? 64 : whole;
}

/* llvm.masked.* carry the alignment as an operand up to LLVM 21, afterwards as an attribute of the pointer. */
static LLVMValueRef masked(struct emitter *e, const char *name, LLVMTypeRef *types, LLVMValueRef *args, uint32_t count,
                           uint32_t pointer, uint32_t align) {
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    LLVMValueRef function = LLVMGetIntrinsicDeclaration(e->module->module, id, types, 2), all[4];
    LLVMTypeRef type = LLVMGlobalGetValueType(function);
    bool operand = LLVMCountParamTypes(type) == count + 1;
    uint32_t n = 0;
    for (uint32_t i = 0; i < count; i++) {
        all[n++] = args[i];
        if (operand && i == pointer)
            all[n++] = emit_constant_i32(e, (int32_t)align, 1);
    }
    LLVMValueRef call = LLVMBuildCall2(e->builder, type, function, all, n, "");
    if (!operand) {
        unsigned kind = LLVMGetEnumAttributeKindForName("align", 5);
        LLVMAddCallSiteAttribute(call, pointer + 1, LLVMCreateEnumAttribute(e->module->context, kind, align));
    }
    return call;
}

static LLVMValueRef lane(struct emitter *e, LLVMValueRef vector, uint32_t l) {
    return LLVMBuildExtractElement(e->builder, vector, emit_constant_i32(e, (int32_t)l, 1), "");
}

static LLVMValueRef offset(struct emitter *e, LLVMValueRef base, LLVMValueRef bytes) {
    return LLVMBuildInBoundsGEP2(e->builder, e->module->i8, base, &bytes, 1, "");
}

/* Of a single lane: `index` times so many bytes further. */
static LLVMValueRef at_index(struct emitter *e, LLVMValueRef base, const struct lvalue *index, int64_t bytes) {
    LLVMValueRef wide = LLVMBuildSExt(e->builder, emit_use(e, index), e->module->i64, "");
    return offset(e, base, LLVMBuildNSWMul(e->builder, wide, emit_constant_i64(e, bytes), ""));
}

/* Pointers of all lanes: base + index[l] * stride, or base + l * stride, in elements of `element` bytes. */
static LLVMValueRef pointers(struct emitter *e, LLVMValueRef base, LLVMValueRef index, int64_t stride,
                             LLVMTypeRef element, uint32_t width) {
    LLVMTypeRef wide = LLVMVectorType(e->module->i64, width);
    LLVMValueRef at;
    if (index) {
        at = LLVMBuildSExt(e->builder, index, wide, "");
        if (stride != 1)
            at = LLVMBuildNSWMul(e->builder, at, emit_splat(e, emit_constant_i64(e, stride), width), "");
    } else {
        LLVMValueRef steps[16];
        for (uint32_t l = 0; l < width; l++)
            steps[l] = emit_constant_i64(e, l * stride);
        at = LLVMConstVector(steps, width);
    }
    return LLVMBuildInBoundsGEP2(e->builder, element, base, &at, 1, "");
}

static LLVMValueRef load_one(struct emitter *e, LLVMTypeRef type, LLVMValueRef address, uint32_t align) {
    LLVMValueRef load = LLVMBuildLoad2(e->builder, type, address, "");
    LLVMSetAlignment(load, align);
    return load;
}

/* One element for all lanes; read only when some lane is on. */
static LLVMValueRef load_splat(struct emitter *e, const struct lvalue *value, LLVMValueRef address, LLVMValueRef mask,
                               LLVMTypeRef element) {
    uint32_t bytes = emit_bytes(place_type(&value->place)), width = value->width;
    if (!mask)
        return emit_splat(e, load_one(e, element, address, bytes), width);
    LLVMTypeRef type = emit_type(e, value->type, width);
    LLVMTypeRef types[] = {type, LLVMVectorType(e->module->ptr, width)};
    LLVMValueRef args[] = {emit_splat(e, address, width), mask, emit_zero(type)};
    return masked(e, "llvm.masked.gather", types, args, 3, 0, bytes);
}

/* Scalar under a mask of width 1: a vector of one lane keeps the promise that nothing is read. */
static LLVMValueRef load_scalar_masked(struct emitter *e, LLVMTypeRef element, LLVMValueRef address, LLVMValueRef mask,
                                       uint32_t bytes) {
    LLVMTypeRef one = LLVMVectorType(element, 1), types[] = {one, e->module->ptr};
    LLVMValueRef zero = emit_constant_i32(e, 0, 1);
    LLVMValueRef mask1 = LLVMBuildInsertElement(e->builder, LLVMGetPoison(LLVMVectorType(e->module->i1, 1)), mask,
                                                zero, "");
    LLVMValueRef args[] = {address, mask1, emit_zero(one)};
    return LLVMBuildExtractElement(e->builder, masked(e, "llvm.masked.load", types, args, 3, 0, bytes), zero, "");
}

static LLVMValueRef load_apart(struct emitter *e, const struct lvalue *value, LLVMValueRef address,
                               LLVMTypeRef element) {
    LLVMValueRef result = LLVMGetPoison(emit_type(e, value->type, value->width));
    int64_t bytes = emit_bytes(place_type(&value->place));
    for (uint32_t l = 0; l < value->width; l++) {
        LLVMValueRef at = offset(e, address, emit_constant_i64(e, l * value->stride * bytes));
        result = LLVMBuildInsertElement(e->builder, result, load_one(e, element, at, (uint32_t)bytes),
                                        emit_constant_i32(e, (int32_t)l, 1), "");
    }
    return result;
}

/* Without registers for masks, LLVM compares again next to each use, in the innermost loop too, and keeps both operands
 * for it. As whole words the mask itself is kept; an access looks at their signs alone. */
static LLVMValueRef mask_of(struct emitter *e, const struct lvalue *value) {
    LLVMValueRef mask = emit_use(e, value);
    if (e->module->target->facts.masks || value->width == 1 || !LLVMIsAInstruction(mask) ||
        LLVMIsAPHINode(mask) || LLVMGetInstructionParent(mask) == LLVMGetInsertBlock(e->builder))
        return mask;
    LLVMTypeRef words = emit_type(e, KT_I32, value->width);
    LLVMPositionBuilderBefore(e->module->early, LLVMGetNextInstruction(mask));
    LLVMValueRef held = LLVMBuildSExt(e->module->early, mask, words, "");
    return LLVMBuildICmp(e->builder, LLVMIntSLT, held, emit_zero(words), "");
}

LLVMValueRef emit_load(struct emitter *e, const struct lvalue *value) {
    uint32_t width = value->width, bytes = emit_bytes(place_type(&value->place));
    LLVMTypeRef element = emit_type(e, value->type, 1), type = emit_type(e, value->type, width);
    LLVMValueRef address = emit_address(e, &value->place);
    LLVMValueRef mask = value->mask ? mask_of(e, value->mask) : NULL;
    assert(value->type == place_type(&value->place));
    if (width == 1) {
        if (value->index)
            address = at_index(e, address, value->index, value->stride * bytes);
        return mask ? load_scalar_masked(e, element, address, mask, bytes) : load_one(e, element, address, bytes);
    }
    if (!value->index && value->stride == 0)
        return load_splat(e, value, address, mask, element);
    if (!value->index && value->stride == 1) {
        uint32_t align = alignment(e, &value->place, value->aligned, width);
        if (!mask)
            return load_one(e, type, address, align);
        LLVMTypeRef types[] = {type, e->module->ptr};
        LLVMValueRef args[] = {address, mask, emit_zero(type)};
        return masked(e, "llvm.masked.load", types, args, 3, 0, align);
    }
    if (!value->index && !mask) /* sixteen loads and inserts beat a gather of fixed distances nearly everywhere */
        return load_apart(e, value, address, element);
    LLVMValueRef index = value->index ? emit_use(e, value->index) : NULL;
    LLVMTypeRef types[] = {type, LLVMVectorType(e->module->ptr, width)};
    LLVMValueRef args[] = {pointers(e, address, index, value->stride, element, width),
                           mask ? mask : emit_all_lanes(e, width), emit_zero(type)};
    return masked(e, "llvm.masked.gather", types, args, 3, 0, bytes);
}

/* ---- stores ---- */

static void store_one(struct emitter *e, LLVMValueRef value, LLVMValueRef address, uint32_t align) {
    LLVMSetAlignment(LLVMBuildStore(e->builder, value, address), align);
}

/* Where only the first lanes are on, and which ones is known: how many, 0 if not so. */
static uint32_t first_lanes(const struct emitter *e, const struct lvalue *mask) {
    if (e->module->target->facts.masks || !mask || mask->op != LO_KOP || mask->kop != KX_LT ||
        mask->arg[0]->op != LO_LANE)
        return 0;
    const struct lvalue *end = mask->arg[1]->op == LO_SPLAT ? mask->arg[1]->arg[0] : mask->arg[1];
    return end->op == LO_CONST && end->i32 > 0 && (uint32_t)end->i32 < mask->width ? (uint32_t)end->i32 : 0;
}

/* Lanes [from, from + count) of a vector. */
static LLVMValueRef part_of(struct emitter *e, LLVMValueRef vector, uint32_t from, uint32_t count) {
    uint32_t lanes[16];
    if (count == 1)
        return lane(e, vector, from);
    for (uint32_t l = 0; l < count; l++)
        lanes[l] = from + l;
    return emit_shuffle(e, vector, LLVMGetPoison(LLVMTypeOf(vector)), lanes, count);
}

/* Halves and halves of them: processors without registers for masks are slow at storing under one. */
static void store_first(struct emitter *e, LLVMValueRef value, LLVMValueRef address, uint32_t count, uint32_t bytes) {
    for (uint32_t from = 0, part = 1; from < count; from += part) {
        for (part = 1; 2 * part <= count - from;)
            part *= 2;
        store_one(e, part_of(e, value, from, part), offset(e, address, emit_constant_i64(e, from * bytes)), bytes);
    }
}

static LLVMValueRef as_stored(struct emitter *e, const struct lstatement *s) {
    enum ktype to = place_type(&s->place);
    LLVMValueRef value = emit_use(e, s->value);
    if (to == KT_U8 && s->value->type == KT_I32)
        return LLVMBuildTrunc(e->builder, value, emit_type(e, KT_U8, s->value->width), "");
    assert(to == s->value->type && to != KT_BOOL);
    return value;
}

void emit_store(struct emitter *e, const struct lstatement *s) {
    uint32_t width = s->value->width, bytes = emit_bytes(place_type(&s->place));
    uint32_t first = width > 1 && !s->index && s->stride == 1 ? first_lanes(e, s->mask) : 0;
    LLVMValueRef value = as_stored(e, s), mask = s->mask && !first ? mask_of(e, s->mask) : NULL;
    LLVMValueRef address = emit_address(e, &s->place);
    if (first) {
        store_first(e, value, address, first, bytes);
        return;
    }
    LLVMTypeRef type = LLVMTypeOf(value);
    if (width == 1 && s->index)
        address = at_index(e, address, s->index, s->stride * bytes);
    if (width == 1 && mask) {
        LLVMTypeRef types[] = {LLVMVectorType(type, 1), e->module->ptr};
        LLVMValueRef zero = emit_constant_i32(e, 0, 1), one = LLVMGetPoison(types[0]);
        LLVMValueRef mask1 = LLVMGetPoison(LLVMVectorType(e->module->i1, 1));
        LLVMValueRef args[] = {LLVMBuildInsertElement(e->builder, one, value, zero, ""), address,
                               LLVMBuildInsertElement(e->builder, mask1, mask, zero, "")};
        masked(e, "llvm.masked.store", types, args, 3, 1, bytes);
    } else if (width == 1) {
        store_one(e, value, address, bytes);
    } else if (!s->index && s->stride == 1 && !mask) {
        store_one(e, value, address, alignment(e, &s->place, s->aligned, width));
    } else if (!s->index && s->stride == 1) {
        LLVMTypeRef types[] = {type, e->module->ptr};
        LLVMValueRef args[] = {value, address, mask};
        masked(e, "llvm.masked.store", types, args, 3, 1, alignment(e, &s->place, s->aligned, width));
    } else if (!s->index && !mask) {
        for (uint32_t l = 0; l < width; l++)
            store_one(e, lane(e, value, l), offset(e, address, emit_constant_i64(e, l * s->stride * bytes)), bytes);
    } else {
        LLVMValueRef index = s->index ? emit_use(e, s->index) : NULL;
        LLVMTypeRef types[] = {type, LLVMVectorType(e->module->ptr, width)};
        LLVMValueRef args[] = {value, pointers(e, address, index, s->stride, LLVMGetElementType(type), width),
                               mask ? mask : emit_all_lanes(e, width)};
        masked(e, "llvm.masked.scatter", types, args, 3, 1, bytes);
    }
}

void emit_forget(struct emitter *e) { LLVMBuildFence(e->builder, LLVMAtomicOrderingAcquireRelease, 1, ""); }

void emit_prefetch(struct emitter *e, const struct lstatement *s) {
    LLVMTypeRef type = e->module->ptr;
    LLVMValueRef args[] = {emit_address(e, &s->place), emit_constant_i32(e, s->write, 1), emit_constant_i32(e, 3, 1),
                           emit_constant_i32(e, 1, 1)};
    emit_intrinsic(e, "llvm.prefetch", &type, 1, args, 4);
}
