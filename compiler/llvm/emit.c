/* One kernel's loop nest to one LLVM function; see emit.h. */
#include "emit.h"
#include "target.h"

#include <stdio.h>
#include <string.h>

static void add_text_attribute(struct emit_module *m, LLVMValueRef function, const char *key, const char *value) {
    LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex,
                            LLVMCreateStringAttribute(m->context, key, (unsigned)strlen(key), value,
                                                      (unsigned)strlen(value)));
}

static void add_flag(struct emit_module *m, LLVMValueRef function, const char *name) {
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAddAttributeAtIndex(function, LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(m->context, kind, 0));
}

void emit_in_a_hurry(struct emit_module *m, LLVMValueRef function) {
    add_flag(m, function, "optnone");
    add_flag(m, function, "noinline"); /* the one is not valid without the other */
}

static void add_parameter_attribute(struct emit_module *m, LLVMValueRef function, uint32_t parameter, const char *name,
                                    uint64_t value) {
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAddAttributeAtIndex(function, parameter + 1, LLVMCreateEnumAttribute(m->context, kind, value));
}

/* Frame pointers cost one register of sixteen and let profilers and debuggers walk the stack. */
void emit_target_attributes(struct emit_module *m, LLVMValueRef function) {
    char bits[16];
    snprintf(bits, sizeof bits, "%u", m->target->facts.lanes * 32);
    add_flag(m, function, "nounwind");
    add_text_attribute(m, function, "target-cpu", m->target->cpu);
    add_text_attribute(m, function, "target-features", m->target->features);
    add_text_attribute(m, function, "prefer-vector-width", bits);
    add_text_attribute(m, function, "frame-pointer", "all");
}

static LLVMTypeRef scalar_type(struct emit_module *m, enum ktype type) {
    return type == KT_F32 ? m->f32 : type == KT_BOOL ? m->i1 : m->i32;
}

LLVMTypeRef emit_kernel_type(struct emit_module *m, const struct kernel *kernel) {
    size_t buffers = kernel->buffers.count, scalars = kernel->scalars.count;
    LLVMTypeRef *types = ARENA_ARRAY(m->arena, LLVMTypeRef, buffers + scalars + 2);
    for (size_t i = 0; i < buffers; i++)
        types[i] = m->ptr;
    for (size_t i = 0; i < scalars; i++)
        types[buffers + i] = scalar_type(m, kernel->scalars.at[i]->type);
    types[buffers + scalars] = types[buffers + scalars + 1] = m->i64;
    return LLVMFunctionType(m->nothing, types, (unsigned)(buffers + scalars + 2), 0);
}

static LLVMValueRef declare(struct emit_module *m, const struct kernel *kernel, const char *name,
                            const struct emit_argument *arguments) {
    LLVMValueRef function = LLVMAddFunction(m->module, name, emit_kernel_type(m, kernel));
    LLVMSetLinkage(function, LLVMInternalLinkage);
    emit_target_attributes(m, function);
    for (uint32_t i = 0; i < kernel->buffers.count; i++) {
        const struct kbuffer *buffer = kernel->buffers.at[i];
        LLVMSetValueName2(LLVMGetParam(function, i), buffer->name, strlen(buffer->name));
        if (arguments[i].apart)
            add_parameter_attribute(m, function, i, "noalias", 0);
        if (buffer->access == KA_IN)
            add_parameter_attribute(m, function, i, "readonly", 0);
        if (arguments[i].align >= 64)
            add_parameter_attribute(m, function, i, "nonnull", 0);
        add_parameter_attribute(m, function, i, "align", arguments[i].align);
    }
    return function;
}

static void allocate_locals(struct emitter *e) {
    for (size_t i = 0; i < e->kernel->locals.count; i++) {
        const struct llocal *local = e->kernel->locals.at[i];
        LLVMTypeRef type = LLVMArrayType2(emit_type(e, local->type, 1), (uint64_t)local->elements);
        LLVMValueRef place = LLVMBuildAlloca(e->builder, type, local->name);
        LLVMSetAlignment(place, 64);
        e->locals[local->number] = place;
    }
}

LLVMValueRef emit_kernel(struct emit_module *m, const struct lkernel *kernel, const char *name,
                         const struct emit_argument *arguments) {
    const struct kernel *k = kernel->kernel;
    uint32_t buffers = (uint32_t)k->buffers.count, scalars = (uint32_t)k->scalars.count;
    struct emitter e = {.module = m, .builder = m->builder, .kernel = kernel, .arguments = arguments};
    e.function = declare(m, k, name, arguments);
    e.buffers = ARENA_ARRAY(m->arena, LLVMValueRef, buffers + 1);
    e.scalars = ARENA_ARRAY(m->arena, LLVMValueRef, scalars + 1);
    e.locals = ARENA_ARRAY(m->arena, LLVMValueRef, kernel->locals.count + 1);
    e.vars = ARENA_ARRAY(m->arena, struct emit_integer, kernel->vars + 1);
    e.registers = ARENA_ARRAY(m->arena, struct emit_register, kernel->values + 1);
    for (uint32_t i = 0; i < buffers; i++)
        e.buffers[i] = LLVMGetParam(e.function, i);
    for (uint32_t i = 0; i < scalars; i++)
        e.scalars[i] = LLVMGetParam(e.function, buffers + i);
    e.thread = LLVMGetParam(e.function, buffers + scalars);
    e.threads = LLVMGetParam(e.function, buffers + scalars + 1);

    LLVMPositionBuilderAtEnd(e.builder, LLVMAppendBasicBlockInContext(m->context, e.function, ""));
    emit_open(&e, NULL);
    allocate_locals(&e);
    emit_block(&e, &kernel->body);
    LLVMBuildRetVoid(e.builder);
    return e.function;
}
