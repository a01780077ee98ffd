/* Objects into this process: LLJIT with no symbols of ours, since generated code calls nothing by name. */
#include "target.h"

#include <llvm-c/Error.h>
#include <llvm-c/LLJIT.h>
#include <llvm-c/Orc.h>
#include <stdlib.h>
#include <string.h>

struct codegen_code {
    LLVMOrcLLJITRef jit;
};

/* Failures come back from the calls; without this ORC prints them too. */
static void say_nothing(void *context, LLVMErrorRef error) {
    (void)context;
    LLVMConsumeError(error);
}

static char *message_of(LLVMErrorRef error) {
    char *text = LLVMGetErrorMessage(error);
    char *message = codegen_message("the object cannot be loaded: %s", text);
    LLVMDisposeErrorMessage(text);
    return message;
}

static LLVMErrorRef create_jit(const struct codegen_target *target, LLVMOrcLLJITRef *out_jit) {
    LLVMTargetMachineRef machine = target_machine(target);
    LLVMOrcLLJITBuilderRef builder = LLVMOrcCreateLLJITBuilder();
    if (machine) /* both are taken over, the builder even when creation fails */
        LLVMOrcLLJITBuilderSetJITTargetMachineBuilder(builder,
                                                      LLVMOrcJITTargetMachineBuilderCreateFromTargetMachine(machine));
    return LLVMOrcCreateLLJIT(out_jit, builder);
}

static LLVMErrorRef add_object(const struct codegen_code *code, const unsigned char *object, size_t size) {
    return LLVMOrcLLJITAddObjectFile(code->jit, LLVMOrcLLJITGetMainJITDylib(code->jit),
                                     LLVMCreateMemoryBufferWithMemoryRangeCopy((const char *)object, size, "xent"));
}

/* Objects, each behind its size, or one object alone; false: neither. */
static bool add_all(const struct codegen_code *code, const unsigned char *at, size_t size, LLVMErrorRef *out_error) {
    uint64_t next;
    if (size >= 4 && memcmp(at, "\177ELF", 4) == 0) {
        *out_error = add_object(code, at, size);
        return true;
    }
    for (*out_error = NULL; size > 0 && !*out_error; at += next, size -= (size_t)next) {
        if (size < sizeof next)
            return false;
        memcpy(&next, at, sizeof next);
        at += sizeof next;
        size -= sizeof next;
        if (next > size)
            return false;
        *out_error = add_object(code, at, (size_t)next);
    }
    return true;
}

struct codegen_code *codegen_load(const struct codegen_target *target, const unsigned char *object, size_t size,
                                  char **out_message) {
    *out_message = NULL;
    if (!target->runs_here) {
        *out_message = codegen_message("this machine cannot run code for %s", target->description);
        return NULL;
    }
    struct codegen_code *code = calloc(1, sizeof *code);
    if (!code) {
        *out_message = codegen_message("out of memory while loading code");
        return NULL;
    }
    LLVMErrorRef error = create_jit(target, &code->jit);
    if (error) {
        *out_message = message_of(error);
        free(code);
        return NULL;
    }
    LLVMOrcExecutionSessionSetErrorReporter(LLVMOrcLLJITGetExecutionSession(code->jit), say_nothing, NULL);
    bool whole = add_all(code, object, size, &error);
    if (whole && !error)
        return code;
    *out_message = error ? message_of(error) : codegen_message("the object cannot be loaded: it is incomplete");
    codegen_unload(code);
    return NULL;
}

void codegen_unload(struct codegen_code *code) {
    if (!code)
        return;
    LLVMErrorRef error = LLVMOrcDisposeLLJIT(code->jit);
    if (error)
        LLVMConsumeError(error);
    free(code);
}

codegen_entry codegen_find(const struct codegen_code *code, const char *program_name) {
    LLVMOrcExecutorAddress address = 0;
    LLVMErrorRef error = LLVMOrcLLJITLookup(code->jit, &address, program_name);
    if (error) {
        LLVMConsumeError(error);
        return NULL;
    }
    return (codegen_entry)(uintptr_t)address;
}
