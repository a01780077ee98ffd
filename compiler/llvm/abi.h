/* The structs of xent/model.h as tables: their LLVM types, and a constant made from one that lies in memory. */
#ifndef XENT_LLVM_ABI_H
#define XENT_LLVM_ABI_H

#include "emit.h"

enum abi_kind {
    ABI_I32,
    ABI_I64,
    ABI_F32,
    ABI_POINTER,  /* opaque; NULL in a constant */
    ABI_STRING,
    ABI_STRINGS,  /* array of strings, as many as `counted` says */
    ABI_NESTED,   /* structs in place */
    ABI_ARRAY,    /* pointer to structs, as many as `counted` says */
    ABI_FUNCTION, /* an entry's code */
};
struct abi_struct;
struct abi_field {
    const char *name;
    enum abi_kind kind;
    uint32_t count; /* array in place; 1: a single one */
    size_t offset, counted; /* counted: offset of the u32 with the count */
    const struct abi_struct *of;
};
struct abi_struct {
    const char *name;
    size_t size;
    uint32_t fields;
    const struct abi_field *field;
};
extern const struct abi_struct abi_call, abi_entry, abi_model;

LLVMTypeRef abi_type(struct emit_module *module, const struct abi_struct *of);
/* The function for an entry named `name`; NULL: there is none. */
typedef LLVMValueRef (*abi_function)(void *context, const char *name);
/* *data as a constant, what it points to as private globals. NULL when a function is missing. */
LLVMValueRef abi_constant(struct emit_module *module, const struct abi_struct *of, const void *data,
                          abi_function function, void *function_context);

#endif
