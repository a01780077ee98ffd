/* The kernel IR: exact mathematics over index spaces, with a separate schedule, and programs of kernel calls.
 *
 * The text says which float operations happen and in which order; the schedule only says where independent elements
 * are computed. docs/ir.md has the grammar and the rules of arithmetic. Nothing here knows networks.
 *
 * Everything lives in the arena of the program. Index variables, buffers, scalars, lets are objects compared by
 * address; expressions are trees that may share sub-trees (a `let` is shared by reference, never copied). */
#ifndef XENT_KERNEL_H
#define XENT_KERNEL_H

#include "diag.h"
#include "source.h"
#include "text.h"
#include "vec.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { KERNEL_MAX_RANK = 6, KERNEL_MAX_DIGITS = 10 };

enum ktype { KT_F32, KT_I32, KT_U8, KT_BOOL };

/* ---- places ---- */

/* Address of an element = sum over digits of ((index[dim] / div) % mod) * stride, in elements; mod 0: none.
 * Text: `layout (m/16, c, y, x, m%16)`, outermost digit first; a stride that is not the dense one is written
 * behind the digit: `(n:800, k)`. */
struct kdigit {
    uint32_t dim, div, mod;
    int64_t stride;
};
struct klayout {
    uint32_t count;
    struct kdigit digit[KERNEL_MAX_DIGITS];
    int64_t elements; /* to allocate: largest address + 1, padding of the innermost digits included */
};

enum kaccess { KA_IN, KA_OUT, KA_INOUT };

/* A formal parameter of a kernel. extent[0] may be KERNEL_UNKNOWN (`?`) for a data set. */
struct kbuffer {
    const char *name;
    enum ktype type;
    enum kaccess access;
    uint32_t rank, number; /* number: position among the kernel's buffers, in the order of the call */
    int64_t extent[KERNEL_MAX_RANK];
    struct klayout layout;
};
enum { KERNEL_UNKNOWN = -1 };

struct kscalar {
    const char *name;
    enum ktype type; /* f32, i32, bool */
    int64_t limit;   /* i32 used as a bound: `live: i32 <= 64`, else 0 */
    uint32_t number;
};

/* An index variable: runs over [0, extent), or [0, bound) with bound <= extent known only when the call is made. */
struct kindex {
    const char *name;
    int64_t extent;
    const struct kscalar *bound;
};

/* ---- expressions ---- */

/* One row per operator: enum, text, arity, and how it is written (P prefix, I infix, F function). For types
 * see verify.c. */
#define KERNEL_OPERATORS(X)                                                                                            \
    X(CONST_F32, "", 0, -) X(CONST_I32, "", 0, -) X(CONST_BOOL, "", 0, -)                                              \
    X(INDEX, "", 0, -)  /* an index variable as an i32 value */                                                        \
    X(SCALAR, "", 0, -) /* a scalar parameter */                                                                       \
    X(LOAD, "", 0, -)   /* buffer[args...] */                                                                          \
    X(LET, "", 0, -)    /* let[args...]: the let's value at these indices */                                           \
    X(REDUCE, "", 0, -) /* see struct kreduce */                                                                       \
    X(POSITION, "", 1, -) /* second value of the max_at that is args[0] */                                             \
    X(CALL, "", 0, -)   /* a function of math.c: exp, log1p, ... */                                                    \
    X(NEG, "-", 1, P) X(NOT, "!", 1, P)                                                                                \
    X(ABS, "abs", 1, F) X(SQRT, "sqrt", 1, F)                                                                          \
    X(TO_F32, "f32", 1, F)     /* from i32, u8, bool: rounds once */                                                   \
    X(TO_I32, "i32", 1, F)     /* from u8, bool */                                                                     \
    X(TO_U8, "u8", 1, F)       /* from i32, low 8 bits */                                                              \
    X(BITS, "bits", 1, F)      /* f32 as i32 */                                                                        \
    X(FROM_BITS, "float", 1, F) /* i32 as f32 */                                                                       \
    X(ADD, "+", 2, I) X(SUB, "-", 2, I) X(MUL, "*", 2, I)                                                              \
    X(DIV, "/", 2, I)          /* f32: IEEE; i32: index arithmetic, by a positive constant, of a value >= 0 */         \
    X(MOD, "%", 2, I)          /* i32: likewise */                                                                     \
    X(MAX, "max", 2, F)        /* a if a is NaN, else b if b is NaN, else a < b ? b : a; i32 too */                    \
    X(SHL, "<<", 2, I) X(SHR, ">>", 2, I) X(LSHR, ">>>", 2, I)                                                         \
    X(AND, "&", 2, I) X(OR, "|", 2, I) X(XOR, "^", 2, I)                                                               \
    X(EQ, "==", 2, I) X(NE, "!=", 2, I) X(LT, "<", 2, I) X(LE, "<=", 2, I) X(GT, ">", 2, I) X(GE, ">=", 2, I)          \
    X(LAND, "&&", 2, I) X(LOR, "||", 2, I) /* the right side is not read when the left decides */                      \
    X(FMA, "fma", 3, F)                                                                                                \
    X(SELECT, "select", 3, F)  /* both arms are values */                                                              \
    X(WHERE, "where", 3, F)    /* where(c: a; b): the other arm is not read */

enum kop {
#define X(name, text, arity, form) KX_##name,
    KERNEL_OPERATORS(X)
#undef X
    KX_COUNT
};

enum kreduce_kind {
    KR_SUM,        /* sum(k < K from e: a)          acc = from; acc = acc + a, indices ascending, last fastest */
    KR_SUM_FMA,    /* sum.fma(k < K from e: a, b)   acc = fma(a, b, acc) */
    KR_SUM_TREE,   /* sum.tree(m < live: a)         one index, the batch: groups of 16 in the balanced tree, halves */
    KR_SUM_BLOCKS, /* sum.blocks(m < live: a, b)    one index: fma from 0.0 in blocks of 64, joined by the same tree */
    KR_MAX_AT,     /* max_at(u < 2, v < 2 from 0: a) or without from; its position by POSITION */
    KR_LIST        /* list(k < K: condition), only as what is stored to L[..., j < K + 1]: a row holds how many k there
                      are on which the condition holds, then these, ascending, then the others, descending */
};
enum { KERNEL_TREE_GROUP = 16, KERNEL_SUM_BLOCK = 64 };

struct kcondition { /* 0 <= value < limit: outside, the term is absent */
    struct kexpr *value;
    int64_t limit;
};
struct kreduce {
    enum kreduce_kind kind;
    uint32_t indices, conditions;
    struct kindex *const *index; /* outermost (slowest) first */
    const struct kcondition *condition;
    struct kexpr *from;    /* NULL: none (sum: 0.0 for f32... the text always says from, except tree, blocks, max_at) */
    struct kexpr *term[2]; /* a, b */
};

struct kexpr {
    enum kop op;
    enum ktype type;
    uint32_t count; /* of args */
    struct kexpr **arg;
    union {
        float f32;
        int32_t i32; /* CONST_I32, CONST_BOOL */
        struct kindex *index;
        const struct kscalar *scalar;
        const struct kbuffer *buffer;
        const struct klet *let;
        const struct kreduce *reduce;
        const struct kfunction *function;
    };
    struct span span;
};

/* A function of one or more f32 values, defined in this IR (math.c): its body is over `parameter` values. */
struct kfunction {
    const char *name;
    uint32_t parameters;
    const struct kscalar *parameter[3]; /* appear in body and lets as SCALAR */
    uint32_t lets;
    const struct klet *const *let; /* rank-0 lets, in order */
    struct kexpr *body;
};

/* ---- statements ---- */

/* A named value over an index space. `let` takes no memory: it is recomputed where it is used (or kept in registers).
 * `tile` is a temporary with a place, filled before its first use in the innermost schedule loop that allows it.
 * A let means its value at its definition, even where it is evaluated after an inout was written. */
struct klet {
    const char *name;
    bool tile;
    uint32_t rank;
    struct kindex *index[KERNEL_MAX_RANK];
    struct kexpr *value;
};

enum kstatement_kind { KS_LET, KS_STORE };

/* STORE: buffer[index...] = value for every point of the index space; every dimension of the buffer is indexed by an
 * index variable of its own with the dimension's extent (rank 0: no index). Later statements see the new values. An
 * inout buffer is read only at the element that is written. With buffer2, value is a max_at and buffer2 takes the
 * position. A store whose value reduces over an index that earlier stores of this kernel wrote starts a new stage. */
struct kstatement {
    enum kstatement_kind kind;
    struct klet *let;
    const struct kbuffer *buffer, *buffer2;
    uint32_t rank;
    struct kindex *index[KERNEL_MAX_RANK];
    struct kexpr *value;
    struct span span;
};

/* ---- schedule: hints by index name; can never change a bit ---- */

struct kschedule_name {
    const char *name;
    struct span span;
};
struct ktile {
    const char *index;
    int64_t size; /* elements of the register tile in this direction */
};
struct kschedule {
    const char *lanes; /* this index lies in the vector lanes; NULL: scalar code */
    int64_t width;     /* of the vectors: 4, 8 or 16; the target's where it has none so wide, or 0 stands here */
    VEC(struct ktile) tile;
    VEC(struct ktile) block;       /* of a sum over the batch in the lanes: elements whose partial sums are in scratch
                                      at a time, while groups of examples pass; indices not named are whole. Empty: a
                                      tile's */
    VEC(const char *) order;       /* loops outside in; indices not named follow in the store's order */
    VEC(const char *) unroll;      /* reduction indices unrolled in full */
    VEC(struct kschedule_name) written; /* where the text says the names above, told apart by address; for messages */
    VEC(const char *) prefetch;    /* buffers fetched ahead of a tile's sum: stores for writing */
    VEC(const char *) parallel;    /* the tiles of these indices, as one sequence, are split over the threads; none:
                                      thread 0 alone does all */
    bool cold;         /* too little of the program's time to be worth compiling well */
};

struct kernel {
    const char *name;
    VEC(struct kbuffer *) buffers; /* in, inout, out: in the order of a call's arguments */
    VEC(struct kscalar *) scalars;
    VEC(struct kstatement *) statements;
    struct kschedule schedule;
    bool scheduled; /* the text had a schedule, or the scheduler made one */
    VEC(struct span) spans; /* the source lines it came from */
};

/* ---- programs ---- */

enum kplace {
    KP_DATA,  /* outside memory, by xent_call.data[slot] */
    KP_STATE, /* arena, at the same offset in every entry */
    KP_ARENA, /* arena, scratch */
    KP_CONST  /* a table of the program itself: f32, dense, only read */
};
/* Thread 0 runs it: no barrier need stand between two of these. */
static inline bool kernel_is_alone(const struct kernel *kernel)
{
    return kernel->scheduled && kernel->schedule.parallel.count == 0;
}

struct kvar { /* a buffer of a program */
    const char *name;
    enum ktype type;
    uint32_t rank, slot;
    int64_t extent[KERNEL_MAX_RANK];
    struct klayout layout;
    enum kplace place;
    int64_t offset; /* bytes in the arena */
    const float *value; /* KP_CONST: [layout.elements] */
    struct span span;
};
static inline bool kvar_in_arena(const struct kvar *var) { return var->place == KP_STATE || var->place == KP_ARENA; }
int64_t kvar_bytes(const struct kvar *var);
/* Whether what is written to the one may be read from the other. */
bool kvar_overlap(const struct kvar *a, const struct kvar *b);
struct kcall {
    const struct kernel *kernel; /* NULL: a barrier */
    const struct kvar **argument;        /* for each kernel buffer */
    const struct kscalar **scalar;       /* for each kernel scalar: which of the program's */
    struct span span;
};
enum karith { KARITH_FMA, KARITH_MULADD };
struct kprogram {
    const char *name;
    const char *note; /* why it is as it is, for readers; NULL: none */
    enum karith arith;
    struct arena *arena;
    VEC(struct kscalar *) scalars; /* in the order of xent_call.scalar */
    VEC(struct kvar *) vars;
    VEC(struct kernel *) kernels;
    VEC(struct kfunction *) functions; /* those of math.c that are used */
    VEC(struct kcall) calls;
    int64_t arena_bytes;
    int64_t flops;
};

/* print.c */
void kernel_print_program(const struct kprogram *program, struct text *out);
void kernel_print_kernel(const struct kernel *kernel, struct text *out);
/* What schedule.h reads as a file of schedules. */
void kernel_print_schedules(const struct kprogram *program, struct text *out);
void kernel_print_expr(const struct kexpr *expr, struct text *out);

/* parse.c: NULL after errors, which are in `diags`. parse(print(p)) prints as p. */
struct kprogram *kernel_parse(struct arena *arena, struct diag_list *diags, uint32_t file);

/* verify.c: types, extents, single definition, reads before writes, inout rule, layouts that map distinct elements to
 * distinct places, arguments that fit. Reports into `diags`; true when all is well. */
bool kernel_verify(const struct kprogram *program, struct diag_list *diags);
/* Whether the kernel's schedule names what is there, by the same messages. */
bool kernel_verify_schedule(const struct kprogram *program, const struct kernel *kernel, struct diag_list *diags);

/* layout.c */
/* Dense row-major over extents, the innermost dimension padded by nothing. */
struct klayout klayout_dense(uint32_t rank, const int64_t *extent);
/* Sets strides of digits from the innermost outwards (digit.stride == 0 ones) and `elements`. False on overflow. */
bool klayout_complete(struct klayout *layout, uint32_t rank, const int64_t *extent);
int64_t klayout_address(const struct klayout *layout, const int64_t *index);
/* Whether from every multiple of `count` along dim on, so many neighbours lie side by side, also where some of them are
 * behind the extent: there is memory for them. */
bool klayout_has_runs(const struct klayout *layout, uint32_t dim, uint32_t count);

/* build.c: constructors; they fold nothing and set the type. */
struct kexpr *kx_f32(struct arena *arena, float value);
struct kexpr *kx_i32(struct arena *arena, int32_t value);
struct kexpr *kx_bool(struct arena *arena, bool value);
struct kexpr *kx_index(struct arena *arena, struct kindex *index);
struct kexpr *kx_scalar(struct arena *arena, const struct kscalar *scalar);
struct kexpr *kx_load(struct arena *arena, const struct kbuffer *buffer, struct kexpr *const *subscript);
struct kexpr *kx_let(struct arena *arena, const struct klet *let, struct kexpr *const *subscript);
struct kexpr *kx_unary(struct arena *arena, enum kop op, struct kexpr *a);
struct kexpr *kx_binary(struct arena *arena, enum kop op, struct kexpr *a, struct kexpr *b);
struct kexpr *kx_ternary(struct arena *arena, enum kop op, struct kexpr *a, struct kexpr *b, struct kexpr *c);
struct kexpr *kx_call(struct arena *arena, const struct kfunction *function, struct kexpr *const *args);
struct kexpr *kx_reduce(struct arena *arena, const struct kreduce *reduce);
struct kexpr *kx_position(struct arena *arena, struct kexpr *max_at);
/* The list that the statement stores; NULL: it stores something else, or is a let. */
const struct kreduce *kstatement_list(const struct kstatement *statement);
struct kindex *kindex_new(struct arena *arena, const char *name, int64_t extent, const struct kscalar *bound);
/* Whether one of `ops`, bits of KOP_BIT, is in it or in a let that it refers to. What is inside of a reduction does not
 * count. */
bool kexpr_has(const struct kexpr *expr, uint64_t ops);
#define KOP_BIT(name) (UINT64_C(1) << KX_##name)

/* math.c: exp (0 below -87.3, saturating above), log, log1p, tanh as polynomials in this IR, each kept as IR text and
 * parsed into program->functions on first use; NULL when there is no such function. */
const struct kfunction *kernel_function(struct kprogram *program, const char *name);

/* interpret.c: the float32 interpreter, element by element as the text says, whatever the schedule. It gives the JIT's
 * bits and needs no LLVM. `data` as in xent_call, scalars by the program's order. Runs on the calling thread. */
struct kinterpreter; /* prepared program; immutable after creation except for its scratch: one run at a time */
struct kinterpreter *kernel_interpreter_create(const struct kprogram *program); /* NULL: out of memory */
void kernel_interpreter_destroy(struct kinterpreter *interpreter);
union xent_scalar;
void kernel_interpret(struct kinterpreter *interpreter, void *arena, const void *const *data,
                      const union xent_scalar *scalars);

#endif
