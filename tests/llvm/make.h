/* Loop nests by hand, for tests of the emitter: a kernel with its buffers, registers and statements, run through the
 * JIT on memory whose end is the end of a mapped page. One kernel is one program; `make_link` joins several. */
#ifndef XENT_TEST_MAKE_H
#define XENT_TEST_MAKE_H

#include "module.h"

enum { MAKE_BUFFERS = 8, MAKE_DEPTH = 8 };

struct make_kernel { /* the emitter gets `kernel` and finds `loops` behind it */
    struct kernel kernel;
    struct lkernel loops;
};
struct make {
    struct arena *arena;
    struct kprogram *program;
    struct make_kernel *made;
    struct kcall call;
    struct lblock *block[MAKE_DEPTH];
    uint32_t depth, data;
    int64_t arena_bytes;
};

void make_init(struct make *m, struct arena *arena, const char *name, enum karith arith, uint32_t lanes);
/* Buffers lie in the arena at multiples of 64 bytes; `data` ones are call->data[...] in order. */
struct kbuffer *make_buffer(struct make *m, const char *name, enum ktype type, enum kaccess access, int64_t elements);
struct kbuffer *make_data(struct make *m, const char *name, enum ktype type, int64_t elements);
struct kbuffer *make_table(struct make *m, const char *name, const float *value, int64_t elements);
int64_t make_offset(const struct make *m, const struct kbuffer *buffer); /* in the arena */
struct kscalar *make_scalar(struct make *m, const char *name, enum ktype type);
struct llocal *make_local(struct make *m, const char *name, enum ktype type, int64_t elements);

/* Affine expressions: up to three products; NULL terms are left out. */
struct laffine make_affine(struct make *m, int64_t constant, const struct lterm *a, int64_t fa, const struct lterm *b,
                           int64_t fb, const struct lterm *c, int64_t fc);
struct laffine make_number(int64_t constant);
const struct lterm *make_divided(struct make *m, enum lterm_kind kind, struct laffine of, int64_t divisor);
const struct lterm *make_of_scalar(struct make *m, const struct kscalar *scalar);
const struct lterm *make_of_value(struct make *m, const struct lvalue *value);

struct lvalue *make_value(struct make *m, enum lop op, enum ktype type, uint32_t width);
struct lvalue *make_f32(struct make *m, float value, uint32_t width);
struct lvalue *make_i32(struct make *m, int32_t value, uint32_t width);
/* Defined here: */
struct lvalue *make_op(struct make *m, enum kop op, enum ktype type, const struct lvalue *a, const struct lvalue *b,
                       const struct lvalue *c);
struct lvalue *make_splat(struct make *m, const struct lvalue *of, uint32_t width);
struct lvalue *make_load(struct make *m, const struct kbuffer *buffer, struct laffine element, uint32_t width,
                         int64_t stride);
struct lvalue *make_load_masked(struct make *m, const struct kbuffer *buffer, struct laffine element, uint32_t width,
                                int64_t stride, const struct lvalue *index, const struct lvalue *mask);
void make_define(struct make *m, struct lvalue *value);
struct lstatement *make_store(struct make *m, const struct kbuffer *buffer, struct laffine element,
                              const struct lvalue *value, int64_t stride, const struct lvalue *mask);

/* `for` opens a block, make_end closes it. The variable is a term. */
struct lstatement *make_for(struct make *m, const char *name, struct laffine lo, struct laffine hi, int64_t step,
                            const struct lterm **out_var);
struct lstatement *make_if(struct make *m, const struct lvalue *condition);
void make_else(struct make *m, struct lstatement *branch);
struct lstatement *make_once(struct make *m);
void make_carry(struct make *m, struct lstatement *statement, struct lvalue *phi, const struct lvalue *first,
                const struct lvalue *next);
void make_end(struct make *m);

struct kprogram *make_program(struct make *m);

/* ---- running ---- */

/* Memory that ends where a page without access begins. */
struct guarded {
    char *map, *at;
    size_t mapped;
};
struct guarded guarded_new(size_t bytes);
void guarded_free(struct guarded *memory);

struct compiled {
    struct codegen_target *target;
    struct codegen_module *module;
    struct codegen_code *code;
    char *message; /* set when something failed */
};
struct compiled compile(const char *cpu, const char *features, const struct kprogram *const *programs, size_t count);
void compiled_free(struct compiled *c);
struct lkernel *make_lower(struct arena *arena, const struct kprogram *program, const struct kernel *kernel,
                           const struct ktarget *target);

/* The targets that this machine can run, each with its width. */
struct test_target {
    const char *cpu;
    uint32_t lanes;
    enum karith arith;
};
size_t test_targets(struct test_target *out, size_t room);

#endif
