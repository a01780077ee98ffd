/* The model ABI as data: one row per field of xent/model.h, from which both the LLVM type and the constants come. A
 * test holds LLVM's offsets against offsetof. */
#include "abi.h"

#include <xent/model.h>

#include <stddef.h>
#include <string.h>

#define FIELD(type, field, kind) {#field, kind, 1, offsetof(struct type, field), 0, NULL}
#define FIELD_N(type, field, kind, count) {#field, kind, count, offsetof(struct type, field), 0, NULL}
#define FIELD_OF(type, field, kind, count, counted, of)                                                                \
    {#field, kind, count, offsetof(struct type, field), offsetof(struct type, counted), of}
#define STRUCT(type, rows) {#type, sizeof(struct type), sizeof(rows) / sizeof *(rows), rows}

static const struct abi_field call_fields[] = {
    FIELD(xent_call, arena, ABI_POINTER),
    FIELD_N(xent_call, data, ABI_POINTER, XENT_MAX_DATA),
    FIELD_N(xent_call, scalar, ABI_I32, XENT_MAX_SCALARS),
    FIELD(xent_call, barrier, ABI_POINTER),
    FIELD(xent_call, barrier_context, ABI_POINTER),
};
const struct abi_struct abi_call = STRUCT(xent_call, call_fields);

static const struct abi_field digit_fields[] = {
    FIELD(xent_digit, dim, ABI_I32),      FIELD(xent_digit, div, ABI_I32),    FIELD(xent_digit, mod, ABI_I32),
    FIELD(xent_digit, reserved, ABI_I32), FIELD(xent_digit, stride, ABI_I64),
};
static const struct abi_struct abi_digit = STRUCT(xent_digit, digit_fields);

static const struct abi_field tensor_fields[] = {
    FIELD(xent_tensor, name, ABI_STRING),
    FIELD(xent_tensor, role, ABI_I32),
    FIELD(xent_tensor, dtype, ABI_I32),
    FIELD(xent_tensor, rank, ABI_I32),
    FIELD(xent_tensor, digits, ABI_I32),
    FIELD_N(xent_tensor, shape, ABI_I64, XENT_MAX_RANK),
    FIELD_OF(xent_tensor, digit, ABI_NESTED, XENT_MAX_DIGITS, digits, &abi_digit),
    FIELD(xent_tensor, offset, ABI_I64),
    FIELD(xent_tensor, bytes, ABI_I64),
    FIELD(xent_tensor, init_bound, ABI_F32),
    FIELD(xent_tensor, init_stream, ABI_I32),
};
static const struct abi_struct abi_tensor = STRUCT(xent_tensor, tensor_fields);

static const struct abi_field feed_fields[] = {
    FIELD(xent_feed, name, ABI_STRING),       FIELD(xent_feed, kind, ABI_I32),
    FIELD(xent_feed, dtype, ABI_I32),         FIELD(xent_feed, rank, ABI_I32),
    FIELD(xent_feed, classes, ABI_I32),       FIELD_N(xent_feed, shape, ABI_I64, XENT_MAX_RANK),
    FIELD(xent_feed, ignore_index, ABI_I32),  FIELD(xent_feed, reserved, ABI_I32),
};
static const struct abi_struct abi_feed = STRUCT(xent_feed, feed_fields);

static const struct abi_field entry_fields[] = {
    FIELD(xent_entry, name, ABI_STRING),
    FIELD(xent_entry, run, ABI_FUNCTION),
    FIELD(xent_entry, context, ABI_POINTER),
    FIELD(xent_entry, capacity, ABI_I32),
    FIELD(xent_entry, batch, ABI_I32),
    FIELD(xent_entry, scalars, ABI_I32),
    FIELD(xent_entry, tensors, ABI_I32),
    FIELD_OF(xent_entry, scalar_names, ABI_STRINGS, 1, scalars, NULL),
    FIELD_OF(xent_entry, tensor, ABI_ARRAY, 1, tensors, &abi_tensor),
    FIELD(xent_entry, flops, ABI_I64),
};
const struct abi_struct abi_entry = STRUCT(xent_entry, entry_fields);

static const struct abi_field model_fields[] = {
    FIELD(xent_model, abi_version, ABI_I32),
    FIELD(xent_model, size, ABI_I32),
    FIELD(xent_model, name, ABI_STRING),
    FIELD(xent_model, arena_bytes, ABI_I64),
    FIELD(xent_model, arena_align, ABI_I64),
    FIELD(xent_model, feeds, ABI_I32),
    FIELD(xent_model, states, ABI_I32),
    FIELD(xent_model, entries, ABI_I32),
    FIELD(xent_model, reduction, ABI_I32),
    FIELD_OF(xent_model, feed, ABI_ARRAY, 1, feeds, &abi_feed),
    FIELD_OF(xent_model, state, ABI_ARRAY, 1, states, &abi_tensor),
    FIELD_OF(xent_model, entry, ABI_ARRAY, 1, entries, &abi_entry),
};
const struct abi_struct abi_model = STRUCT(xent_model, model_fields);

/* ---- types ---- */

static LLVMTypeRef single_type(struct emit_module *m, const struct abi_field *field) {
    switch (field->kind) {
    case ABI_I32: return m->i32;
    case ABI_I64: return m->i64;
    case ABI_F32: return m->f32;
    case ABI_NESTED: return abi_type(m, field->of);
    case ABI_POINTER:
    case ABI_STRING:
    case ABI_STRINGS:
    case ABI_ARRAY:
    case ABI_FUNCTION: break;
    }
    return m->ptr;
}

LLVMTypeRef abi_type(struct emit_module *m, const struct abi_struct *of) {
    LLVMTypeRef type = LLVMGetTypeByName2(m->context, of->name);
    if (type)
        return type;
    LLVMTypeRef *elements = ARENA_ARRAY(m->arena, LLVMTypeRef, of->fields);
    for (uint32_t i = 0; i < of->fields; i++) {
        elements[i] = single_type(m, &of->field[i]);
        if (of->field[i].count > 1)
            elements[i] = LLVMArrayType2(elements[i], of->field[i].count);
    }
    type = LLVMStructCreateNamed(m->context, of->name);
    LLVMStructSetBody(type, elements, of->fields, 0);
    return type;
}

/* ---- constants ---- */

struct maker {
    struct emit_module *module;
    abi_function function;
    void *context;
};

static LLVMValueRef structure(struct maker *maker, const struct abi_struct *of, const char *data);

static LLVMValueRef global(struct maker *maker, LLVMValueRef value, bool may_merge) {
    LLVMValueRef variable = LLVMAddGlobal(maker->module->module, LLVMTypeOf(value), "");
    LLVMSetInitializer(variable, value);
    LLVMSetGlobalConstant(variable, 1);
    LLVMSetLinkage(variable, LLVMPrivateLinkage);
    if (may_merge)
        LLVMSetUnnamedAddress(variable, LLVMGlobalUnnamedAddr);
    return variable;
}

static LLVMValueRef string(struct maker *maker, const char *text) {
    if (!text)
        return LLVMConstNull(maker->module->ptr);
    return global(maker, LLVMConstStringInContext(maker->module->context, text, (unsigned)strlen(text), 0), true);
}

static LLVMValueRef strings(struct maker *maker, const char *const *list, uint32_t count) {
    if (!list || count == 0)
        return LLVMConstNull(maker->module->ptr);
    LLVMValueRef *values = ARENA_ARRAY(maker->module->arena, LLVMValueRef, count);
    for (uint32_t i = 0; i < count; i++)
        values[i] = string(maker, list[i]);
    return global(maker, LLVMConstArray2(maker->module->ptr, values, count), false);
}

static LLVMValueRef structures(struct maker *maker, const struct abi_struct *of, const char *data, uint32_t count) {
    if (!data || count == 0)
        return LLVMConstNull(maker->module->ptr);
    LLVMValueRef *values = ARENA_ARRAY(maker->module->arena, LLVMValueRef, count);
    for (uint32_t i = 0; i < count; i++)
        if (!(values[i] = structure(maker, of, data + i * of->size)))
            return NULL;
    return global(maker, LLVMConstArray2(abi_type(maker->module, of), values, count), false);
}

static uint32_t u32_at(const char *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static const void *pointer_at(const char *at) {
    const void *value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* Element i of a field of the struct at `data`. */
static LLVMValueRef element(struct maker *maker, const struct abi_field *field, const char *data, uint32_t i) {
    struct emit_module *m = maker->module;
    const char *at = data + field->offset, *name;
    uint64_t wide;
    float real;
    switch (field->kind) {
    case ABI_I32: return LLVMConstInt(m->i32, u32_at(at + 4 * i), 0);
    case ABI_I64:
        memcpy(&wide, at + 8 * i, sizeof wide);
        return LLVMConstInt(m->i64, wide, 0);
    case ABI_F32:
        memcpy(&real, at + 4 * i, sizeof real);
        return LLVMConstReal(m->f32, (double)real);
    case ABI_POINTER: return LLVMConstNull(m->ptr);
    case ABI_STRING: return string(maker, pointer_at(at));
    case ABI_STRINGS: return strings(maker, pointer_at(at), u32_at(data + field->counted));
    case ABI_NESTED: return structure(maker, field->of, at + i * field->of->size);
    case ABI_ARRAY: return structures(maker, field->of, pointer_at(at), u32_at(data + field->counted));
    case ABI_FUNCTION: break;
    }
    name = pointer_at(data + entry_fields[0].offset);
    return maker->function(maker->context, name);
}

static LLVMValueRef structure(struct maker *maker, const struct abi_struct *of, const char *data) {
    struct emit_module *m = maker->module;
    LLVMValueRef *values = ARENA_ARRAY(m->arena, LLVMValueRef, of->fields), list[16];
    for (uint32_t f = 0; f < of->fields; f++) {
        const struct abi_field *field = &of->field[f];
        for (uint32_t i = 0; i < field->count; i++)
            if (!(list[i] = element(maker, field, data, i)))
                return NULL;
        values[f] = field->count == 1 ? list[0] : LLVMConstArray2(single_type(m, field), list, field->count);
    }
    return LLVMConstNamedStruct(abi_type(m, of), values, of->fields);
}

LLVMValueRef abi_constant(struct emit_module *module, const struct abi_struct *of, const void *data,
                          abi_function function, void *function_context) {
    struct maker maker = {module, function, function_context};
    return structure(&maker, of, data);
}
