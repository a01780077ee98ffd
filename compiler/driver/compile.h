/* A compilation, as the driver's files see it. Private: compiler.h is what users have. */
#ifndef XENT_DRIVER_COMPILE_H
#define XENT_DRIVER_COMPILE_H

#include "build.h"
#include "cache.h"
#include "codegen.h"
#include "kernel.h"
#include "lang.h"
#include "pass.h"
#include "schedule.h"

#include <xent/compiler.h>

#define XENT_VERSION "0.1.0"

struct compiled_entry {
    enum entry_kind kind;
    struct pass_context context; /* graph and program behind the passes */
    struct kinterpreter *interpreter;
};

struct xent_compilation {
    struct arena arena; /* of everything but what LLVM and the interpreter own */
    jmp_buf on_failure;
    struct source_map map;
    struct interner names;
    struct diag_list diags;
    struct ast_file *ast;
    struct model_ir *ir;
    struct codegen_target *target;
    struct kschedule_file *schedules; /* NULL: all are derived */
    struct object_cache cache; /* open while code is looked for and made */
    struct codegen_code *code[2]; /* of the step; of the other entries */
    struct compiled_entry entries[ENTRY_COUNT]; /* `count` of them, in the order of enum entry_kind */
    size_t count;
    uint32_t batch;
    struct xent_model model; /* its tables in the arena */
    struct xent_entry entry[ENTRY_COUNT]; /* the model's */
    struct xent_scalar_value scalars[4]; /* of the entry `step` */
    uint32_t scalar_count;
    bool scheduled; /* the passes behind `lower` have run */
    bool ready;     /* the model can run */
    bool cached;    /* its machine code is an earlier run's */
    double seconds; /* that compiling took */
    const char *messages;
};

extern const char *const entry_names[ENTRY_COUNT];

/* compile.c: runs the passes that only machine code needs, where they have not run. False after an error. */
bool compile_schedule(struct xent_compilation *compilation);

/* model.c: gives all entries the same slots for data and the same places for state, and describes the model. */
void compile_join(struct xent_compilation *compilation);

/* places.c: how many numbers an entry has; from the joined model; into it, arena_bytes the largest so far; and what
 * they follow from beside the program's text. */
size_t places_count(const struct xent_entry *entry);
void places_get(const struct xent_compilation *compilation, size_t entry, uint64_t *out);
void places_set(struct xent_compilation *compilation, size_t entry, const uint64_t *places);
void places_explain(const struct compiled_entry *entry, struct text *out);

/* code.c: machine code or interpreters behind entry[].run. XENT_OK, or a message is in `diags`. */
enum xent_status compile_code(struct xent_compilation *compilation, bool interpret, bool no_cache);

/* table.c: what `xentc model.net` prints. False: out of memory. */
bool table_print(struct xent_compilation *compilation, FILE *out);

#endif
