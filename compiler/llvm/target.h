/* The machine that code is generated for: what codegen_target holds. */
#ifndef XENT_LLVM_TARGET_H
#define XENT_LLVM_TARGET_H

#include "codegen.h"

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

struct codegen_target {
    char *triple, *cpu, *features, *description;
    struct ktarget facts;
    bool runs_here;
};

/* A new machine for one module: they are not shared, so that modules may be built on several threads. */
LLVMTargetMachineRef target_machine(const struct codegen_target *target);
/* printf into malloc'ed memory; NULL when out of memory. */
char *codegen_message(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
