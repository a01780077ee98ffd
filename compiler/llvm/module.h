/* One LLVM module: programs and their kernels, verified, and turned into machine code. */
#ifndef XENT_LLVM_MODULE_H
#define XENT_LLVM_MODULE_H

#include "emit.h"
#include "target.h"

struct codegen_module {
    struct emit_module emit;
    struct arena arena;
    jmp_buf out_of_memory;
    LLVMTargetMachineRef machine;
    size_t programs;
    struct module_program {
        const char *name;
        LLVMValueRef function;
    } *program;
    char *complaint; /* the first error that LLVM reported to the context */
};

/* What codegen_build does, with `lower` instead of kernel_to_loops. */
typedef struct lkernel *(*module_lower)(struct arena *arena, const struct kprogram *program,
                                        const struct kernel *kernel, const struct ktarget *target);
struct codegen_module *module_build(const struct codegen_target *target, const struct kprogram *const *programs,
                                    size_t count, module_lower lower, char **out_message);
/* Adds a model as constant data under `symbol` and hides everything else. False: *out_message. */
bool module_add_model(struct codegen_module *module, const struct xent_model *model, const char *symbol,
                      char **out_message);

/* program.c */
/* How a kernel's buffers are passed, over all of its calls in the program. */
struct emit_argument *program_arguments(struct emit_module *module, const struct kprogram *program,
                                        const struct kernel *kernel);
/* The function of a program; kernels: theirs, in the program's order. */
LLVMValueRef program_emit(struct emit_module *module, const struct kprogram *program, const LLVMValueRef *kernels);

#endif
