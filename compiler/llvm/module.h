/* One LLVM module: programs and their kernels, verified, and turned into machine code. */
#ifndef XENT_LLVM_MODULE_H
#define XENT_LLVM_MODULE_H

#include "target.h"
#include "unit.h"

struct codegen_module {
    struct emit_module emit;
    struct arena arena;
    jmp_buf out_of_memory; /* where `arena` jumps to */
    LLVMTargetMachineRef machine;
    struct units units; /* of a module that has everything */
    char *complaint;    /* the first error that LLVM reported to the context */
};

/* kernel_to_loops, or in its place what a test made by hand. */
typedef struct lkernel *(*module_lower)(struct arena *arena, const struct kprogram *program,
                                        const struct kernel *kernel, const struct ktarget *target);

/* ---- a module of some units ---- */

/* Empty. NULL: *out_message. */
struct codegen_module *module_create(const struct codegen_target *target, char **out_message);
/* Checks the unit and gives a kernel its loops; NULL or a message (malloc'ed). */
char *module_lower_unit(struct arena *arena, const struct codegen_target *target, struct unit *unit,
                        module_lower lower);
/* The unit's function, for units of the same module alone or, with `shared`, for those of other modules too. A program
 * comes behind those of its kernels that the module gets. Jumps to
 * module->out_of_memory. */
void module_add(struct codegen_module *module, const struct unit *unit, bool shared);
/* NULL, or what LLVM's verifier says (malloc'ed). */
char *module_verify(const struct codegen_module *module);
/* The object of a module that is not needed any more. */
unsigned char *module_finish(struct codegen_module *module, size_t *out_size, char **out_message);

/* ---- a module of everything ---- */

/* What codegen_build does, with `lower` instead of kernel_to_loops. */
struct codegen_module *module_build(const struct codegen_target *target, const struct kprogram *const *programs,
                                    size_t count, module_lower lower, char **out_message);
/* Adds a model as constant data under `symbol` and hides everything else. False: *out_message. */
bool module_add_model(struct codegen_module *module, const struct xent_model *model, const char *symbol,
                      char **out_message);

/* parallel.c: what codegen_compile does, with `lower` instead of kernel_to_loops. */
bool parallel_compile(const struct codegen_target *target, struct codegen_part *parts, uint32_t count,
                      uint32_t threads, module_lower lower, char **out_message);

/* program.c */
/* How a kernel's buffers are passed, over all of its calls in the program. */
struct emit_argument *program_arguments(struct arena *arena, const struct kprogram *program,
                                        const struct kernel *kernel);
/* The function of a program; kernels: theirs, in the program's order. */
LLVMValueRef program_emit(struct emit_module *module, const struct kprogram *program, const LLVMValueRef *kernels);

#endif
