/* What the files of the verifier share. */
#ifndef XENT_KERNEL_VERIFY_H
#define XENT_KERNEL_VERIFY_H

#include "affine.h"
#include "kernel.h"

/* What is known where an expression stands: least <= terms of `sum` <= most. */
struct kfact {
    struct kaffine sum; /* constant 0 */
    int64_t least, most;
};

struct krange {
    int64_t least, most;
};

/* How a let reads an inout buffer: subscript d is the let's index `position[d]`. */
struct kinout_use {
    const struct kbuffer *buffer;
    uint32_t position[KERNEL_MAX_RANK];
    bool old; /* read before anything was stored to it */
};
/* How large the expressions are once every let stands where it is used, which is what the layers below walk over. */
struct kexpansion {
    int64_t nodes, depth;
};
struct klet_state {
    const struct klet *let;
    struct kexpansion expansion;
    VEC(struct kinout_use) uses;
};

struct kverifier {
    struct arena *arena;
    struct diag_list *diags;
    const struct kprogram *program;
    const struct kernel *kernel;      /* or */
    const struct kfunction *function; /* the body that is checked */
    VEC(const struct kindex *) scope;
    VEC(struct klet_state) lets; /* defined so far */
    VEC(struct kfact) facts;
    const struct kstatement **stored; /* [kernel->buffers.count]: by what; NULL: not yet */
    const struct kexpr *list;         /* what the statement stores as a list; NULL: it stores something else */
    bool too_large;                   /* said so: what follows would only say it again */
};

/* verify.c: reports with "kernel NAME: " or "function NAME: " in front. */
void kverify_error(struct kverifier *verifier, struct span span, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Extents in [1, 2^31), an unknown one only where allowed; digits that map distinct elements to distinct places. */
bool kverify_shape(struct kverifier *verifier, struct span span, const char *name, uint32_t rank, const int64_t *extent,
                   const struct klayout *layout, bool unknown_allowed);

/* verify_kernel.c */
void kverify_kernel(struct kverifier *verifier);
void kverify_function(struct kverifier *verifier);
/* Brings an index variable into scope, where no other index and nothing of the kernel has its name. */
bool kverify_enter(struct kverifier *verifier, struct span span, const struct kindex *index);

/* verify_expr.c: types, scopes, subscripts. False after a message. */
bool kverify_expr(struct kverifier *verifier, const struct kexpr *expr);

/* verify_size.c: whether the lets in the expression leave it small enough. `out`: its size. */
bool kverify_size(struct kverifier *verifier, const struct kexpr *expr, struct kexpansion *out);

/* verify_range.c */
struct krange kverify_range(const struct kverifier *verifier, const struct kexpr *expr);
/* Adds what follows from `condition` being `truth`; the caller cuts verifier->facts back. */
void kverify_assume(struct kverifier *verifier, const struct kexpr *condition, bool truth);
void kverify_assume_range(struct kverifier *verifier, const struct kexpr *value, int64_t least, int64_t most);

const struct klet_state *kverify_let(const struct kverifier *verifier, const struct klet *let); /* NULL: undefined */
/* verify_inout.c: an inout buffer is read only at the element that is written. */
void kverify_inout_let(struct kverifier *verifier, struct klet_state *state);
void kverify_inout_store(struct kverifier *verifier, const struct kstatement *statement);

#endif
