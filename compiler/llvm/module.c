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

static struct codegen_module *create(const struct codegen_target *target) {
    struct codegen_module *module = calloc(1, sizeof *module);
    LLVMTargetMachineRef machine = module ? target_machine(target) : NULL;
    if (!machine) {
        free(module);
        return NULL;
    }
    arena_init(&module->arena, &module->out_of_memory);
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

/* Kernels that read the same are the same function: the entries of a model share most of theirs. The text says all that
 * loops come from; what it does not say is how the buffers are passed. */
struct emitted {
    const char *text;
    enum karith arith;
    uint32_t buffers;
    const struct emit_argument *arguments;
    LLVMValueRef function;
};
struct builder {
    struct codegen_module *module;
    module_lower lower;
    VEC(struct emitted) emitted;
};

static bool same_kernel(const struct emitted *a, const struct emitted *b) {
    if (a->arith != b->arith || strcmp(a->text, b->text) != 0)
        return false;
    for (uint32_t i = 0; i < a->buffers; i++)
        if (a->arguments[i].align != b->arguments[i].align || a->arguments[i].apart != b->arguments[i].apart)
            return false;
    return true;
}

static LLVMValueRef function_of(struct builder *b, const struct kprogram *program, const struct kernel *kernel,
                                char **out_message) {
    struct emit_module *m = &b->module->emit;
    struct text text;
    text_init(&text, m->arena);
    kernel_print_kernel(kernel, &text);
    struct emitted e = {text_string(&text), program->arith, (uint32_t)kernel->buffers.count,
                        program_arguments(m, program, kernel), NULL};
    for (size_t i = 0; i < b->emitted.count; i++)
        if (same_kernel(&b->emitted.at[i], &e))
            return b->emitted.at[i].function;
    struct lkernel *loops = b->lower(m->arena, program, kernel, &m->target->facts);
    *out_message = check_loops(program, loops);
    if (*out_message)
        return NULL;
    m->arith = program->arith;
    e.function = emit_kernel(m, loops, arena_printf(m->arena, "%s.%s", program->name, kernel->name), e.arguments);
    vec_push(m->arena, &b->emitted, e);
    return e.function;
}

static char *build_program(struct builder *b, const struct kprogram *program, struct module_program *out) {
    struct emit_module *m = &b->module->emit;
    char *message = check_program(m->target, program);
    LLVMValueRef *kernels = ARENA_ARRAY(m->arena, LLVMValueRef, program->kernels.count + 1);
    for (size_t k = 0; k < program->kernels.count && !message; k++)
        kernels[k] = function_of(b, program, program->kernels.at[k], &message);
    if (message)
        return message;
    out->name = arena_strdup(m->arena, program->name);
    out->function = program_emit(m, program, kernels);
    return NULL;
}

static char *build(struct codegen_module *module, const struct kprogram *const *programs, size_t count,
                   module_lower lower) {
    struct builder b = {.module = module, .lower = lower};
    module->program = ARENA_ARRAY(&module->arena, struct module_program, count + 1);
    for (; module->programs < count; module->programs++) {
        char *message = build_program(&b, programs[module->programs], &module->program[module->programs]);
        if (message)
            return message;
    }
    return NULL;
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
    struct codegen_module *module = create(target);
    if (!module) {
        *out_message = codegen_message("%s cannot be set up for %s", codegen_version(), target->description);
        return NULL;
    }
    bool good = build_guarded(module, programs, count, lower, out_message);
    char *text = NULL;
    if (good && LLVMVerifyModule(module->emit.module, LLVMReturnStatusAction, &text)) {
        *out_message = codegen_message("the generated LLVM IR is wrong (a bug of xent): %s", text);
        good = false;
    }
    LLVMDisposeMessage(text);
    if (good)
        return module;
    codegen_destroy(module);
    return NULL;
}

static LLVMValueRef entry_function(void *context, const char *name) {
    struct codegen_module *module = context;
    for (size_t p = 0; p < module->programs; p++)
        if (strcmp(module->program[p].name, name) == 0)
            return module->program[p].function;
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
    for (size_t p = 0; p < module->programs; p++)
        LLVMSetLinkage(module->program[p].function, LLVMInternalLinkage);
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

/* Bytes with a NUL behind them. From a copy of the module, because code generation rewrites it. */
static unsigned char *emit_file(struct codegen_module *module, LLVMCodeGenFileType type, size_t *out_size,
                                char **out_message) {
    LLVMModuleRef copy = LLVMCloneModule(module->emit.module);
    LLVMMemoryBufferRef buffer = NULL;
    char *text = NULL;
    unsigned char *bytes = NULL;
    *out_message = NULL;
    bool failed = LLVMTargetMachineEmitToMemoryBuffer(module->machine, copy, type, &text, &buffer);
    LLVMDisposeModule(copy);
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

char *codegen_asm_text(struct codegen_module *module, char **out_message) {
    size_t size;
    return (char *)emit_file(module, LLVMAssemblyFile, &size, out_message);
}

unsigned char *codegen_object(struct codegen_module *module, size_t *out_size, char **out_message) {
    return emit_file(module, LLVMObjectFile, out_size, out_message);
}
