/* The emitter's vocabulary: one kernel's loops becoming one LLVM function.
 *
 * Integers (addresses above all) are computed where they change: every term goes to the innermost open scope whose
 * variable it uses, in front of that scope's nested statement, and an expression computed once in a scope that is still
 * open is used again. Registers are emitted where loops define them. */
#ifndef XENT_LLVM_EMIT_H
#define XENT_LLVM_EMIT_H

#include "loops.h"

#include <llvm-c/Core.h>

struct codegen_target;

/* One module's types and tables. */
struct emit_module {
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMBuilderRef builder, early; /* early: for code in front of a nested statement of an outer scope */
    LLVMTypeRef f32, i1, i8, i32, i64, ptr, nothing;
    const struct codegen_target *target;
    struct arena *arena; /* of the module's building */
    enum karith arith;   /* of the program whose kernels are being emitted */
};

/* How a kernel's buffer is passed in every call of it. */
struct emit_argument {
    uint32_t align; /* bytes */
    bool apart;     /* overlaps no other argument of a call, as far as one of them is written */
};

/* The function of a kernel: void (buffers..., scalars..., i64 thread, i64 threads), internal. */
LLVMValueRef emit_kernel(struct emit_module *module, const struct lkernel *kernel, const char *name,
                         const struct emit_argument *arguments);
LLVMTypeRef emit_kernel_type(struct emit_module *module, const struct kernel *kernel);
/* Code as fast as it can be made, not as good: instructions are selected one by one. */
void emit_in_a_hurry(struct emit_module *m, LLVMValueRef function);
void emit_target_attributes(struct emit_module *module, LLVMValueRef function);

/* ---- state of one kernel ---- */

struct emit_loop { /* an innermost one: multiples of its variable are carried, not multiplied */
    LLVMValueRef var, first;
    LLVMBasicBlockRef enter, body;
    VEC(struct emit_multiple {
        int64_t factor;
        LLVMValueRef phi;
    }) multiples;
};
struct emit_scope {
    uint32_t serial;
    struct emit_loop *loop; /* or NULL */
    LLVMValueRef anchor; /* the terminator in front of which nested statements' integers go; NULL: scope is innermost */
};
struct emit_integer { /* an i64 or a pointer, and the scope it belongs to */
    LLVMValueRef value;
    uint32_t depth;
    int64_t offset; /* of a variable: constant to be added */
};
struct emit_register {
    LLVMValueRef value;
    uint32_t depth, serial;
};
struct emit_known { /* a computed integer: key and result */
    uint32_t op, serial, next;
    LLVMValueRef a, b;
    int64_t constant;
    struct emit_integer result;
};
struct emit_rows { /* a transposition: all rows are computed with the first */
    const struct lvalue *const *args;
    uint32_t count, depth, serial;
    LLVMValueRef row[16];
};
enum { EMIT_BUCKETS = 512 };

struct emitter {
    struct emit_module *module;
    LLVMBuilderRef builder;
    const struct lkernel *kernel;
    const struct emit_argument *arguments;
    LLVMValueRef function, *buffers, *scalars, *locals, thread, threads;
    struct emit_integer *vars;       /* by lvar.number */
    struct emit_register *registers; /* by lvalue.number */
    VEC(struct emit_scope) scopes;   /* open ones, outermost first */
    uint32_t serials;
    VEC(struct emit_known) known;
    uint32_t bucket[EMIT_BUCKETS];
    VEC(struct emit_rows) rows;
};

static inline uint32_t emit_depth(const struct emitter *e) { return (uint32_t)e->scopes.count - 1; }
/* Whether something made at `depth` in the scope with this serial can be used here. */
static inline bool emit_is_open(const struct emitter *e, uint32_t depth, uint32_t serial) {
    return depth < e->scopes.count && e->scopes.at[depth].serial == serial;
}
/* Opens a scope nested in the statement whose branch is `anchor`. */
void emit_open(struct emitter *e, LLVMValueRef anchor);
void emit_close(struct emitter *e);

/* emit_types.c */
LLVMTypeRef emit_type(struct emitter *e, enum ktype type, uint32_t width);
uint32_t emit_bytes(enum ktype type); /* in memory */
LLVMValueRef emit_constant_i32(struct emitter *e, int32_t value, uint32_t width);
LLVMValueRef emit_constant_i64(struct emitter *e, int64_t value);
LLVMValueRef emit_splat(struct emitter *e, LLVMValueRef scalar, uint32_t width);
LLVMValueRef emit_all_lanes(struct emitter *e, uint32_t width); /* a mask */
LLVMValueRef emit_zero(LLVMTypeRef type);
LLVMValueRef emit_shuffle(struct emitter *e, LLVMValueRef a, LLVMValueRef b, const uint32_t *lanes, uint32_t count);
/* Calls llvm.NAME, overloaded on `types`. */
LLVMValueRef emit_intrinsic(struct emitter *e, const char *name, LLVMTypeRef *types, uint32_t type_count,
                            LLVMValueRef *args, uint32_t arg_count);

/* emit_integer.c */
struct emit_integer emit_affine(struct emitter *e, const struct laffine *affine);
/* The address of place's element, usable at the current position. */
LLVMValueRef emit_address(struct emitter *e, const struct lplace *place);
/* Whether lo < hi for certain, whatever the variables are. */
bool emit_surely_less(const struct laffine *lo, const struct laffine *hi);
/* Iterations that a loop has at most, as far as its bounds tell without their values. */
int64_t emit_most_iterations(const struct lstatement *loop);
LLVMValueRef emit_greatest(struct emitter *e, const struct laffine *list, uint32_t count, uint32_t *out_depth);
LLVMValueRef emit_least(struct emitter *e, const struct laffine *list, uint32_t count, uint32_t *out_depth);

/* emit_register.c */
LLVMValueRef emit_use(struct emitter *e, const struct lvalue *value);
void emit_define(struct emitter *e, const struct lvalue *value);
void emit_bind(struct emitter *e, const struct lvalue *value, LLVMValueRef as);

/* emit_operator.c */
LLVMValueRef emit_operator(struct emitter *e, const struct lvalue *value);

/* emit_memory.c */
LLVMValueRef emit_load(struct emitter *e, const struct lvalue *value);
void emit_store(struct emitter *e, const struct lstatement *statement);
/* No instruction, but loads stay on their side of it. */
void emit_forget(struct emitter *e);
void emit_prefetch(struct emitter *e, const struct lstatement *statement);

/* emit_shuffle.c */
LLVMValueRef emit_fold16(struct emitter *e, const struct lvalue *value);
LLVMValueRef emit_join(struct emitter *e, const struct lvalue *value);
LLVMValueRef emit_part(struct emitter *e, const struct lvalue *value);
LLVMValueRef emit_transposed(struct emitter *e, const struct lvalue *value);

/* emit_statement.c */
void emit_block(struct emitter *e, const struct lblock *block);

#endif
