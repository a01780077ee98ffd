/* Loop nests: a kernel after its schedule was applied. What the emitter turns into machine code with nothing left to
 * decide: loops with carried registers, vector loads and stores, float operations in their final order.
 *
 * A register (struct lvalue) is defined once and is either a scalar (width 1) or a vector of `lanes` elements (width =
 * lanes). The printer shows a run of like operations, as the registers of a tile have, as one line. Everything lives in
 * the program's arena. */
#ifndef XENT_LOOPS_H
#define XENT_LOOPS_H

#include "kernel.h"
#include "schedule.h"

/* ---- integers: sums of terms, all 64 bits, never overflowing; every DIV and MOD is of a value >= 0 by a positive
 * constant, so plain unsigned division and masks are right ---- */
enum lterm_kind {
    LT_VAR,    /* a loop's variable */
    LT_SCALAR, /* an i32 scalar of the call (live) */
    LT_DIV,    /* of / divisor */
    LT_MOD,    /* of % divisor */
    LT_VALUE   /* an i32 register, width 1: an indirect index */
};
struct lproduct {
    const struct lterm *term;
    int64_t factor;
};
struct laffine { /* constant + sum of factor * term */
    int64_t constant;
    uint32_t count;
    const struct lproduct *product;
};
struct lterm {
    enum lterm_kind kind;
    const struct lvar *var;
    const struct kscalar *scalar;
    const struct lvalue *value;
    struct laffine of;
    int64_t divisor;
    int64_t least, most; /* inclusive range */
    uint32_t number;     /* in the order of creation */
};
struct lvar {
    const char *name;
    uint32_t number;
};

/* ---- memory ---- */
struct llocal { /* scratch of one thread, on its stack, 64-byte aligned */
    const char *name;
    enum ktype type; /* f32, i32, u8 */
    int64_t elements;
    uint32_t number;
    bool taken; /* while loops are made: by code that is not complete */
};
struct lplace {
    const struct kbuffer *buffer; /* or */
    const struct llocal *local;
    struct laffine element; /* index of lane 0's element */
};

/* ---- registers and what defines them ---- */
enum lop {
    LO_CONST,     /* f32, i32 or bool constant (splat when wide) */
    LO_SCALAR,    /* a scalar of the call (splat when wide) */
    LO_INTEGER,   /* `integer` as i32 (splat when wide) */
    LO_LANE,      /* 0, 1, ..., lanes-1 as i32 */
    LO_SPLAT,     /* arg[0], width 1, in every lane */
    LO_KOP,       /* kop over args of the same width: NEG .. SELECT without LOAD, LET, REDUCE, POSITION, CALL, WHERE */
    LO_LOAD,      /* place; stride 1: contiguous lanes; 0 (or width 1): one element, splat; else lanes `stride` apart.
                     With index: lane l reads element + index[l] * stride. With mask: only lanes where it is true are
                     read, the others are 0. Result of a u8 place is a u8 register. */
    LO_FOLD16,    /* args: 16/lanes vectors (lanes 4, 8, 16; or 16 scalars), example 0 in lane 0 of the first: the sum
                     by halves, lane l + lane l+8, then 4, 2, 1; width 1. Or width lanes and 16 vectors: lane s is the
                     sum of number s of so many vectors each */
    LO_JOIN,      /* the lanes of args, which have fewer, one behind the other */
    LO_TRANSPOSED, /* row number `stride` of the transposition of args: as many vectors as lanes; or fewer, and then of
                      each square block of them */
    LO_PART,      /* width lanes of arg[0], from lane `stride` on */
    LO_PHI,       /* a loop's or branch's register */
};

struct lvalue {
    enum lop op;
    enum kop kop;
    enum ktype type;
    uint32_t width;
    uint32_t number; /* unique in the kernel, dense from 0: index for the emitter's tables */
    uint32_t args;
    const struct lvalue *const *arg;
    union {
        float f32;
        int32_t i32;
        const struct kscalar *scalar;
        struct laffine integer;
    };
    struct lplace place; /* LOAD */
    int64_t stride;
    const struct lvalue *index, *mask;
    bool aligned;            /* LOAD: contiguous and 64-byte (vector-size) aligned */
};

/* ---- statements ---- */
enum lstatement_kind {
    LS_DEFINE,   /* value */
    LS_STORE,    /* value into place: contiguous when stride 1, one element when width 1, else lanes `stride` apart;
                    under mask if given. An i32 value stored to a u8 place is truncated; bool is not stored. */
    LS_FOR,      /* for var = max(lo) to min(hi) step: may run zero times */
    LS_IF,       /* condition: width 1 bool */
    LS_PREFETCH, /* place; write: for writing */
    LS_FORGET,   /* what is loaded below is loaded there, whatever was loaded above */
    LS_ONCE,     /* body by thread 0 alone */
};
struct lcarried { /* a register that a loop carries, or a branch yields */
    struct lvalue *phi;          /* LO_PHI. FOR: its value in the body and, after the last iteration, behind the loop.
                                    IF: its value behind the branch */
    const struct lvalue *first;  /* FOR: before the first iteration; IF: of the `then` side */
    const struct lvalue *next;   /* FOR: for the next iteration; IF: of the `else` side */
};
struct lblock {
    VEC(struct lstatement *) list;
};
/* Iterations that are less work: the last `light` ones, tiles at an edge, are `part` where others are `whole`. */
struct lshare {
    int64_t light, part, whole;
};

struct lstatement {
    enum lstatement_kind kind;
    const struct lvalue *value; /* DEFINE, STORE; IF: the condition */
    struct lplace place;
    int64_t stride;
    const struct lvalue *index, *mask; /* STORE: as in a LOAD */
    bool aligned, write;
    /* FOR */
    const struct lvar *var;
    uint32_t los, his;
    const struct laffine *lo, *hi; /* var from the greatest lo to below the least hi */
    int64_t step;
    bool parallel; /* the iterations (hi - lo + step - 1) / step are split over the threads in contiguous runs: thread t
                      of T begins with iteration count * t / T, or where as much work lies before it. Carries no
                      registers, is in no other one. */
    struct lshare share;
    uint32_t carries;
    struct lcarried *carried;
    struct lblock body, otherwise;
};

struct lkernel {
    const struct kernel *kernel;
    uint32_t lanes;  /* width of its vectors */
    uint32_t values; /* registers: numbers below this */
    uint32_t vars;
    VEC(struct llocal *) locals;
    struct lblock body;
};

/* loops.c: applies the schedule. The kernel must have passed kernel_verify and have a schedule. */
struct lkernel *kernel_to_loops(struct arena *arena, const struct kprogram *program, const struct kernel *kernel,
                                const struct ktarget *target);
/* loops_print.c */
void loops_print(const struct lkernel *kernel, struct text *out);

#endif
