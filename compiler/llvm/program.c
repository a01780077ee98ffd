/* A program: void NAME(self, call, thread, threads). It takes arena, data and scalars from the call by their fixed
 * offsets, calls each kernel's function, and meets the other threads where the program has a barrier. */
#include "abi.h"
#include "module.h"

#include <string.h>

enum { CALL_ARENA, CALL_DATA, CALL_SCALAR, CALL_BARRIER, CALL_BARRIER_CONTEXT }; /* rows of abi_call */

struct program_emitter {
    struct emit_module *m;
    const struct kprogram *program;
    LLVMValueRef function, call, thread, threads, thread64, threads64, arena;
    LLVMValueRef data[XENT_MAX_DATA], scalar[XENT_MAX_SCALARS];
    const LLVMValueRef *kernels;
};

/* ---- how buffers are passed ---- */

static void consider_call(const struct kcall *call, struct emit_argument *arguments) {
    const struct kernel *kernel = call->kernel;
    for (size_t i = 0; i < kernel->buffers.count; i++) {
        const struct kvar *var = call->argument[i];
        if (var->place == KP_DATA || (kvar_in_arena(var) && var->offset % 64))
            arguments[i].align = emit_bytes(var->type);
        for (size_t j = 0; j < kernel->buffers.count; j++) {
            bool written = kernel->buffers.at[i]->access != KA_IN || kernel->buffers.at[j]->access != KA_IN;
            if (i != j && written && kvar_overlap(var, call->argument[j]))
                arguments[i].apart = false;
        }
    }
}

struct emit_argument *program_arguments(struct arena *arena, const struct kprogram *program,
                                        const struct kernel *kernel) {
    struct emit_argument *arguments = ARENA_ARRAY(arena, struct emit_argument, kernel->buffers.count + 1);
    for (size_t i = 0; i < kernel->buffers.count; i++)
        arguments[i] = (struct emit_argument){.align = 64, .apart = true};
    for (size_t c = 0; c < program->calls.count; c++)
        if (program->calls.at[c].kernel == kernel)
            consider_call(&program->calls.at[c], arguments);
    return arguments;
}

/* ---- the function ---- */

static LLVMValueRef field(struct program_emitter *p, uint32_t row, uint32_t i) {
    LLVMTypeRef type = abi_type(p->m, &abi_call);
    LLVMValueRef index[] = {LLVMConstInt(p->m->i32, 0, 0), LLVMConstInt(p->m->i32, row, 0),
                            LLVMConstInt(p->m->i32, i, 0)};
    return LLVMBuildInBoundsGEP2(p->m->builder, type, p->call, index, abi_call.field[row].count > 1 ? 3 : 2, "");
}

static LLVMValueRef load_pointer(struct program_emitter *p, uint32_t row, uint32_t i) {
    return LLVMBuildLoad2(p->m->builder, p->m->ptr, field(p, row, i), "");
}

static LLVMValueRef load_scalar(struct program_emitter *p, const struct kscalar *scalar) {
    struct emit_module *m = p->m;
    LLVMValueRef at = field(p, CALL_SCALAR, scalar->number);
    LLVMValueRef value = LLVMBuildLoad2(m->builder, scalar->type == KT_F32 ? m->f32 : m->i32, at, scalar->name);
    if (scalar->type != KT_BOOL)
        return value;
    return LLVMBuildICmp(m->builder, LLVMIntNE, value, LLVMConstInt(m->i32, 0, 0), "");
}

static void load_call(struct program_emitter *p) {
    const struct kprogram *program = p->program;
    p->arena = load_pointer(p, CALL_ARENA, 0);
    for (size_t i = 0; i < program->vars.count; i++) {
        const struct kvar *var = program->vars.at[i];
        if (var->place == KP_DATA && !p->data[var->slot])
            p->data[var->slot] = load_pointer(p, CALL_DATA, var->slot);
    }
    for (size_t i = 0; i < program->scalars.count; i++)
        p->scalar[program->scalars.at[i]->number] = load_scalar(p, program->scalars.at[i]);
}

/* The values, and behind them room for a whole vector to be read. Tables that are equal are one global: LLVM has each
 * constant once. */
static LLVMValueRef table(struct emit_module *m, const struct kvar *var) {
    enum { VECTOR = 16 };
    size_t elements = (size_t)var->layout.elements, padded = (elements + VECTOR - 1) / VECTOR * VECTOR;
    LLVMValueRef *values = ARENA_ARRAY(m->arena, LLVMValueRef, padded);
    for (size_t i = 0; i < padded; i++)
        values[i] = LLVMConstReal(m->f32, i < elements ? (double)var->value[i] : 0);
    LLVMValueRef list = LLVMConstArray2(m->f32, values, padded), global = LLVMGetFirstGlobal(m->module);
    while (global && LLVMGetInitializer(global) != list)
        global = LLVMGetNextGlobal(global);
    if (global)
        return global;
    global = LLVMAddGlobal(m->module, LLVMTypeOf(list), var->name);
    LLVMSetInitializer(global, list);
    LLVMSetGlobalConstant(global, 1);
    LLVMSetLinkage(global, LLVMPrivateLinkage);
    LLVMSetAlignment(global, 64);
    return global;
}

static LLVMValueRef var_address(struct program_emitter *p, const struct kvar *var) {
    if (var->place == KP_DATA)
        return p->data[var->slot];
    if (var->place == KP_CONST)
        return table(p->m, var);
    LLVMValueRef offset = LLVMConstInt(p->m->i64, (uint64_t)var->offset, 0);
    return LLVMBuildInBoundsGEP2(p->m->builder, p->m->i8, p->arena, &offset, 1, var->name);
}

static void call_kernel(struct program_emitter *p, const struct kcall *call) {
    const struct kernel *kernel = call->kernel;
    size_t buffers = kernel->buffers.count, scalars = kernel->scalars.count, which = 0;
    LLVMValueRef *args = ARENA_ARRAY(p->m->arena, LLVMValueRef, buffers + scalars + 2);
    while (p->program->kernels.at[which] != kernel)
        which++;
    for (size_t i = 0; i < buffers; i++)
        args[i] = var_address(p, call->argument[i]);
    for (size_t i = 0; i < scalars; i++)
        args[buffers + i] = p->scalar[call->scalar[i]->number];
    args[buffers + scalars] = p->thread64;
    args[buffers + scalars + 1] = p->threads64;
    LLVMBuildCall2(p->m->builder, emit_kernel_type(p->m, kernel), p->kernels[which], args,
                   (unsigned)(buffers + scalars + 2), "");
}

static void barrier(struct program_emitter *p) {
    struct emit_module *m = p->m;
    LLVMBasicBlockRef meet = LLVMAppendBasicBlockInContext(m->context, p->function, "barrier");
    LLVMBasicBlockRef go_on = LLVMAppendBasicBlockInContext(m->context, p->function, "");
    LLVMValueRef several = LLVMBuildICmp(m->builder, LLVMIntUGT, p->threads, LLVMConstInt(m->i32, 1, 0), "");
    LLVMBuildCondBr(m->builder, several, meet, go_on);
    LLVMPositionBuilderAtEnd(m->builder, meet);
    LLVMTypeRef types[] = {m->ptr, m->i32};
    LLVMValueRef args[] = {load_pointer(p, CALL_BARRIER_CONTEXT, 0), p->thread};
    LLVMBuildCall2(m->builder, LLVMFunctionType(m->nothing, types, 2, 0), load_pointer(p, CALL_BARRIER, 0), args, 2,
                   "");
    LLVMBuildBr(m->builder, go_on);
    LLVMPositionBuilderAtEnd(m->builder, go_on);
}

static LLVMValueRef declare(struct program_emitter *p) {
    struct emit_module *m = p->m;
    LLVMTypeRef types[] = {m->ptr, m->ptr, m->i32, m->i32};
    LLVMValueRef function = LLVMAddFunction(m->module, p->program->name,
                                            LLVMFunctionType(m->nothing, types, 4, 0));
    static const char *const names[] = {"self", "call", "thread", "threads"};
    for (uint32_t i = 0; i < 4; i++)
        LLVMSetValueName2(LLVMGetParam(function, i), names[i], strlen(names[i]));
    emit_target_attributes(m, function);
    emit_in_a_hurry(m, function); /* a few loads for each call */
    return function;
}

LLVMValueRef program_emit(struct emit_module *m, const struct kprogram *program, const LLVMValueRef *kernels) {
    struct program_emitter p = {.m = m, .program = program, .kernels = kernels};
    p.function = declare(&p);
    p.call = LLVMGetParam(p.function, 1);
    p.thread = LLVMGetParam(p.function, 2);
    p.threads = LLVMGetParam(p.function, 3);
    LLVMPositionBuilderAtEnd(m->builder, LLVMAppendBasicBlockInContext(m->context, p.function, ""));
    p.thread64 = LLVMBuildZExt(m->builder, p.thread, m->i64, "");
    p.threads64 = LLVMBuildZExt(m->builder, p.threads, m->i64, "");
    load_call(&p);
    for (size_t c = 0; c < program->calls.count; c++) {
        const struct kcall *call = &program->calls.at[c];
        if (call->kernel)
            call_kernel(&p, call);
        else
            barrier(&p);
    }
    LLVMBuildRetVoid(m->builder);
    return p.function;
}
