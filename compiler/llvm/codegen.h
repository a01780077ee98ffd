/* Kernel programs to machine code through LLVM's C API: the only code that includes llvm-c. It knows loops and
 * programs, no tensors, no networks. */
#ifndef XENT_CODEGEN_H
#define XENT_CODEGEN_H

#include "kernel.h"
#include "loops.h"
#include "schedule.h"

#include <xent/model.h>

/* The machine to generate for. cpu NULL: the host, with what its operating system lets be used; `features` as in LLVM
 * ("+avx2,-fma") or NULL. Immutable once created. */
struct codegen_target;
struct codegen_target *codegen_target_create(const char *cpu, const char *features, char **out_message);
void codegen_target_destroy(struct codegen_target *target);
const struct ktarget *codegen_target_facts(const struct codegen_target *target);
const char *codegen_target_describe(const struct codegen_target *target); /* triple, cpu, features: one line */
/* True when this process can run code for the target. */
bool codegen_target_runs_here(const struct codegen_target *target);
/* What the target has and this machine lacks, "avx512f, amx-tile": malloc'ed, NULL when out of memory. */
char *codegen_target_missing(const struct codegen_target *target);

/* One module of one or more programs (the entries of a model). */
struct codegen_module;
/* Builds LLVM IR: one function per kernel and one per program, named after them. NULL: message (malloc'ed) says why. */
struct codegen_module *codegen_build(const struct codegen_target *target, const struct kprogram *const *programs,
                                     size_t count, char **out_message);
void codegen_destroy(struct codegen_module *module);
char *codegen_ir_text(const struct codegen_module *module);  /* malloc'ed */
/* Machine code as assembly or object bytes, malloc'ed. These may be called once each, in any order after ir_text. */
char *codegen_asm_text(struct codegen_module *module, char **out_message);
unsigned char *codegen_object(struct codegen_module *module, size_t *out_size, char **out_message);

/* Machine code of several parts, each of which is loaded by itself: on up to `threads` threads, what parts share
 * generated once. The number of threads changes how the code is packed, not what it is. False: message (malloc'ed, NULL
 * when out of memory) says why, and no part has code. At most eight parts. */
struct codegen_part {
    const struct kprogram *const *programs;
    size_t count;
    unsigned char *code; /* out, malloc'ed: objects */
    size_t size;
};
bool codegen_compile(const struct codegen_target *target, struct codegen_part *parts, uint32_t count,
                     uint32_t threads, char **out_message);

/* Loads an object of codegen_object, or the objects of codegen_compile, into this process. NULL: message (malloc'ed,
 * NULL when out of memory) says why not. */
struct codegen_code;
struct codegen_code *codegen_load(const struct codegen_target *target, const unsigned char *object, size_t size,
                                  char **out_message);
void codegen_unload(struct codegen_code *code);
typedef void (*codegen_entry)(const struct xent_entry *self, const struct xent_call *call, uint32_t thread,
                              uint32_t threads);
codegen_entry codegen_find(const struct codegen_code *code, const char *program_name); /* NULL: not there */

/* A complete native object: the programs' code and a `struct xent_model` as data, exported as `symbol`, needing
 * nothing. */
unsigned char *codegen_model_object(const struct codegen_target *target, const struct kprogram *const *programs,
                                    size_t count, const struct xent_model *model, const char *symbol, size_t *out_size,
                                    char **out_message);
const char *codegen_version(void); /* "LLVM 19.1.7" */

#endif
