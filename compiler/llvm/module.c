/* Building a module and emitting it: loops for every kernel, functions, LLVM's verifier (always: the distributions'
 * LLVM checks nothing by itself), then codegen at its default level. No pass pipeline: loops.c leaves it nothing to
 * do. */
#include "module.h"

#include "abi.h"

#include <llvm-c/Analysis.h>
#include <llvm-c/Target.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { LOCALS_MAX = 1 << 20 }; /* bytes of a kernel's scratch: it lies on a thread's stack */

static void note_complaint(LLVMDiagnosticInfoRef info, void *context) {
    struct codegen_module *module = context;
    if (LLVMGetDiagInfoSeverity(info) != LLVMDSError || module->complaint)
        return;
    char *text = LLVMGetDiagInfoDescription(info);
    module->complaint = strdup(text);
    LLVMDisposeMessage(text);
}

struct codegen_module *module_create(const struct codegen_target *target, char **out_message) {
    struct codegen_module *module = calloc(1, sizeof *module);
    LLVMTargetMachineRef machine = module ? target_machine(target) : NULL;
    if (!machine) {
        *out_message = codegen_message("%s cannot be set up for %s", codegen_version(), target->description);
        free(module);
        return NULL;
    }
    arena_init(&module->arena, &module->out_of_memory);
    module->units.arena = &module->arena;
    module->machine = machine;
    struct emit_module *m = &module->emit;
    m->arena = &module->arena;
    m->target = target;
    m->context = LLVMContextCreate();
    LLVMContextSetDiagnosticHandler(m->context, note_complaint, module);
    m->module = LLVMModuleCreateWithNameInContext("xent", m->context);
    m->builder = LLVMCreateBuilderInContext(m->context);
    m->early = LLVMCreateBuilderInContext(m->context);
    m->f32 = LLVMFloatTypeInContext(m->context);
    m->i1 = LLVMInt1TypeInContext(m->context);
    m->i8 = LLVMInt8TypeInContext(m->context);
    m->i32 = LLVMInt32TypeInContext(m->context);
    m->i64 = LLVMInt64TypeInContext(m->context);
    m->ptr = LLVMPointerTypeInContext(m->context, 0);
    m->nothing = LLVMVoidTypeInContext(m->context);
    LLVMSetTarget(m->module, target->triple);
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
    LLVMSetModuleDataLayout(m->module, layout);
    LLVMDisposeTargetData(layout);
    return module;
}

void codegen_destroy(struct codegen_module *module) {
    if (!module)
        return;
    LLVMDisposeBuilder(module->emit.builder);
    LLVMDisposeBuilder(module->emit.early);
    LLVMDisposeModule(module->emit.module);
    LLVMContextDispose(module->emit.context);
    LLVMDisposeTargetMachine(module->machine);
    arena_deinit(&module->arena);
    free(module->complaint);
    free(module);
}

/* ---- building ---- */

static char *check_program(const struct codegen_target *target, const struct kprogram *program) {
    if (program->arith == KARITH_FMA && !target->facts.fma)
        return codegen_message("program `%s` says `arith fma`, but %s has no fused multiply-add", program->name,
                               target->description);
    return NULL;
}

static char *check_loops(const struct kprogram *program, const struct lkernel *loops) {
    int64_t bytes = 0;
    for (size_t i = 0; i < loops->locals.count; i++)
        bytes += (loops->locals.at[i]->elements * emit_bytes(loops->locals.at[i]->type) + 63) / 64 * 64;
    if (bytes > LOCALS_MAX)
        return codegen_message("kernel `%s` of `%s` needs %lld bytes of scratch; a thread has %d", loops->kernel->name,
                               program->name, (long long)bytes, LOCALS_MAX);
    return NULL;
}

char *module_lower_unit(struct arena *arena, const struct codegen_target *target, struct unit *unit,
                        module_lower lower) {
    if (!unit->kernel)
        return check_program(target, unit->program);
    unit->loops = lower(arena, unit->program, unit->kernel, &target->facts);
    return check_loops(unit->program, unit->loops);
}

static LLVMValueRef function_of(struct emit_module *m, const struct unit *kernel) {
    LLVMValueRef function = LLVMGetNamedFunction(m->module, kernel->name);
    if (function)
        return function;
    function = LLVMAddFunction(m->module, kernel->name, emit_kernel_type(m, kernel->kernel));
    LLVMSetVisibility(function, LLVMHiddenVisibility); /* so that the call is direct */
    return function;
}

void module_add(struct codegen_module *module, const struct unit *unit, bool shared) {
    struct emit_module *m = &module->emit;
    if (!unit->kernel) {
        size_t count = unit->program->kernels.count;
        LLVMValueRef *kernels = ARENA_ARRAY(m->arena, LLVMValueRef, count + 1);
        for (size_t k = 0; k < count; k++)
            kernels[k] = function_of(m, unit->callee[k]);
        program_emit(m, unit->program, kernels);
        return;
    }
    m->arith = unit->program->arith;
    LLVMValueRef function = emit_kernel(m, unit->loops, unit->name, unit->arguments);
    if (unit->cold)
        emit_in_a_hurry(m, function);
    if (shared) {
        LLVMSetLinkage(function, LLVMExternalLinkage);
        LLVMSetVisibility(function, LLVMHiddenVisibility);
    }
}

char *module_verify(const struct codegen_module *module) {
    char *text = NULL, *message = NULL;
    if (LLVMVerifyModule(module->emit.module, LLVMReturnStatusAction, &text))
        message = codegen_message("the generated LLVM IR is wrong (a bug of xent): %s", text);
    LLVMDisposeMessage(text);
    return message;
}

static char *build(struct codegen_module *module, const struct kprogram *const *programs, size_t count,
                   module_lower lower) {
    units_add(&module->units, programs, count, 0);
    for (size_t i = 0; i < module->units.list.count; i++) {
        struct unit *unit = module->units.list.at[i];
        char *message = module_lower_unit(&module->arena, module->emit.target, unit, lower);
        if (message)
            return message;
        module_add(module, unit, false);
    }
    return module_verify(module);
}

/* The arena's jump ends here: a frame of its own, in which no variable changes. */
static __attribute__((noinline)) bool build_guarded(struct codegen_module *module,
                                                    const struct kprogram *const *programs, size_t count,
                                                    module_lower lower, char **out_message) {
    if (setjmp(module->out_of_memory)) {
        *out_message = codegen_message("out of memory while generating code");
        return false;
    }
    *out_message = build(module, programs, count, lower);
    return !*out_message;
}

struct codegen_module *module_build(const struct codegen_target *target, const struct kprogram *const *programs,
                                    size_t count, module_lower lower, char **out_message) {
    struct codegen_module *module = module_create(target, out_message);
    if (module && build_guarded(module, programs, count, lower, out_message))
        return module;
    codegen_destroy(module);
    return NULL;
}

static LLVMValueRef entry_function(void *context, const char *name) {
    struct codegen_module *module = context;
    for (size_t i = 0; i < module->units.list.count; i++)
        if (!module->units.list.at[i]->kernel && strcmp(module->units.list.at[i]->name, name) == 0)
            return LLVMGetNamedFunction(module->emit.module, name);
    if (!module->complaint)
        module->complaint = codegen_message("entry `%s` has no program", name);
    return NULL;
}

bool module_add_model(struct codegen_module *module, const struct xent_model *model, const char *symbol,
                      char **out_message) {
    struct emit_module *m = &module->emit;
    if (setjmp(module->out_of_memory)) {
        *out_message = codegen_message("out of memory while generating code");
        return false;
    }
    for (size_t i = 0; i < module->units.list.count; i++)
        LLVMSetLinkage(LLVMGetNamedFunction(m->module, module->units.list.at[i]->name), LLVMInternalLinkage);
    LLVMValueRef value = abi_constant(m, &abi_model, model, entry_function, module);
    if (!value) {
        *out_message = module->complaint;
        module->complaint = NULL;
        return false;
    }
    LLVMValueRef global = LLVMAddGlobal(m->module, LLVMTypeOf(value), symbol);
    LLVMSetInitializer(global, value);
    LLVMSetGlobalConstant(global, 1);
    return true;
}

/* ---- machine code ---- */

char *codegen_ir_text(const struct codegen_module *module) {
    char *text = LLVMPrintModuleToString(module->emit.module), *copy = strdup(text);
    LLVMDisposeMessage(text);
    return copy;
}

/* Bytes with a NUL behind them. The module is not what it was: code generation rewrites it. */
static unsigned char *emit_file(struct codegen_module *module, LLVMModuleRef from, LLVMCodeGenFileType type,
                                size_t *out_size, char **out_message) {
    LLVMMemoryBufferRef buffer = NULL;
    char *text = NULL;
    unsigned char *bytes = NULL;
    *out_message = NULL;
    bool failed = LLVMTargetMachineEmitToMemoryBuffer(module->machine, from, type, &text, &buffer);
    if (failed || module->complaint) {
        *out_message = codegen_message("%s cannot generate this code: %s", codegen_version(),
                                       module->complaint ? module->complaint : text);
    } else {
        *out_size = LLVMGetBufferSize(buffer);
        bytes = malloc(*out_size + 1);
        if (bytes) {
            memcpy(bytes, LLVMGetBufferStart(buffer), *out_size);
            bytes[*out_size] = 0;
        } else {
            *out_message = codegen_message("out of memory while generating code");
        }
    }
    LLVMDisposeMessage(text);
    if (buffer)
        LLVMDisposeMemoryBuffer(buffer);
    return bytes;
}

unsigned char *module_finish(struct codegen_module *module, size_t *out_size, char **out_message) {
    return emit_file(module, module->emit.module, LLVMObjectFile, out_size, out_message);
}

static unsigned char *emit_copy(struct codegen_module *module, LLVMCodeGenFileType type, size_t *out_size,
                                char **out_message) {
    LLVMModuleRef copy = LLVMCloneModule(module->emit.module);
    unsigned char *bytes = emit_file(module, copy, type, out_size, out_message);
    LLVMDisposeModule(copy);
    return bytes;
}

char *codegen_asm_text(struct codegen_module *module, char **out_message) {
    size_t size;
    LLVMSetTargetMachineAsmVerbosity(module->machine, 1); /* comments that tell loops and spills */
    return (char *)emit_copy(module, LLVMAssemblyFile, &size, out_message);
}

unsigned char *codegen_object(struct codegen_module *module, size_t *out_size, char **out_message) {
    return emit_copy(module, LLVMObjectFile, out_size, out_message);
}
