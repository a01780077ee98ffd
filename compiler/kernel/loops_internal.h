/* What the files of the lowering share: the builder, affine integers, environments, and evaluation over tiles.
 *
 * A tile is evaluated as a list of points. Each point binds index variables to integers (affine in the loops'
 * variables, plus a multiple of the lane number), and an expression yields one register per point; points that agree on
 * all that an expression depends on share its register, so a 6 x 4 tile loads six weights and four vectors. */
#ifndef XENT_LOOPS_INTERNAL_H
#define XENT_LOOPS_INTERNAL_H

#include "loops.h"

/* base + lane * number-of-lane + vector (an i32 register, or NULL) */
struct lindex {
    struct laffine base;
    int64_t lane;
    const struct lvalue *vector;
};

enum binding_kind { BIND_INDEX, BIND_SCALAR, BIND_LET };
struct loop_env {
    enum binding_kind kind;
    const void *key; /* struct kindex, kscalar, klet */
    struct lindex index;
    const struct lvalue *value;
    const struct loop_env *outer;
};

struct point {
    const struct loop_env *env;
    const struct lvalue *mask; /* lanes outside are not to be read; NULL: all */
    uint32_t valid;            /* lanes at and behind it lie outside the store's extent; lanes when whole */
    bool spare;                /* lanes outside the mask have memory too: it is needed for indirect indices only */
};

struct memo_entry {
    uint64_t hash;
    uint32_t words, next;
    const uint64_t *word;
    const struct lvalue *value;
};
enum { MEMO_BUCKETS = 4096 };

/* Terms of a sum, along its first index, that all tiles of a nest pass over before any goes on (loops_slices.c). */
struct slice {
    struct kexpr *sum;
    int64_t size;                /* of every slice; the last one may be shorter */
    struct laffine lo, hi;       /* this one */
    const struct kexpr *resumes; /* what it starts from; NULL: it is the first */
};

/* Lines to prefetch while the tile's sum runs: in turn `row` of `rows`, each place + row * step. */
struct spread_line {
    struct lplace place;
    int64_t step;
};
struct spread {
    uint32_t rows;
    VEC(struct spread_line) lines;
};

/* A load of a sum that goes in blocks of terms: all of the block's are loaded at once and transposed, and this is the
 * one with this number. */
struct turned {
    const struct kexpr *load; /* NULL: none */
    uint32_t number;
};

struct builder {
    struct arena *arena;
    const struct kprogram *program;
    const struct kernel *kernel;
    const struct ktarget *target;
    struct lkernel *out;
    uint32_t lanes;       /* of this kernel's vectors; 1 when nothing lies in the lanes */
    struct lblock *block; /* being filled */
    VEC(struct lterm *) terms;
    VEC(struct memo_entry) memo;
    uint32_t *bucket; /* MEMO_BUCKETS, entry number + 1 */
    uint32_t *version; /* per buffer: stores so far */
    bool parallel; /* the nests are split over the threads as the schedule says */
    struct spread spread; /* for the next sum over one index; rows 0: nothing */
    struct turned turned; /* while a block of terms joins its sum */
    struct group_sums *groups; /* of loops_partials.c, while it lowers a nest */
    const struct slice *slice; /* NULL: sums run over all of their terms */
};

/* ---- loops_affine.c ---- */
struct laffine affine_constant(int64_t value);
struct laffine affine_term(struct builder *b, const struct lterm *term, int64_t factor);
struct laffine affine_add(struct builder *b, const struct laffine *x, const struct laffine *y, int64_t factor_of_y);
struct laffine affine_scale(struct builder *b, const struct laffine *x, int64_t factor);
struct laffine affine_div(struct builder *b, const struct laffine *x, int64_t divisor); /* x >= 0 */
struct laffine affine_div_up(struct builder *b, const struct laffine *x, int64_t divisor);
struct laffine affine_mod(struct builder *b, const struct laffine *x, int64_t divisor); /* x >= 0 */
/* floor(x / divisor) of any sign; needs a known least value. */
struct laffine affine_floor_div(struct builder *b, const struct laffine *x, int64_t divisor);
int64_t affine_least(const struct laffine *x);
int64_t affine_most(const struct laffine *x);
bool affine_equal(const struct laffine *x, const struct laffine *y);
bool affine_is_multiple(const struct laffine *x, int64_t of);
/* Factor of the loop variable in x, which must not occur inside a DIV or MOD (false then); rest: x without it. */
bool affine_split(struct builder *b, const struct laffine *x, const struct lterm *var, int64_t *out_factor,
                  struct laffine *out_rest);
const struct lterm *term_var(struct builder *b, const char *name, int64_t least, int64_t most);
const struct lterm *term_value(struct builder *b, const struct lvalue *value, int64_t least, int64_t most);
/* How many values an index has, at run time where it is bounded. */
struct laffine affine_extent(struct builder *b, const struct kindex *index);

/* ---- loops_values.c: registers, shared within a scope when they are the same ---- */
size_t scope_open(struct builder *b);
void scope_close(struct builder *b, size_t mark);
const struct lvalue *memo_find(struct builder *b, const uint64_t *word, uint32_t words, uint64_t *out_hash);
void memo_add(struct builder *b, const uint64_t *word, uint32_t words, uint64_t hash, const struct lvalue *value);
struct lvalue *value_phi(struct builder *b, enum ktype type, uint32_t width);
const struct lvalue *value_f32(struct builder *b, float value);
const struct lvalue *value_i32(struct builder *b, int32_t value);
const struct lvalue *value_bool(struct builder *b, bool value);
const struct lvalue *value_scalar(struct builder *b, const struct kscalar *scalar);
const struct lvalue *value_integer(struct builder *b, const struct laffine *integer);
const struct lvalue *value_index(struct builder *b, const struct lindex *index); /* as i32, wide when lanes differ */
const struct lvalue *value_lane(struct builder *b);
const struct lvalue *value_splat(struct builder *b, const struct lvalue *value); /* to full width; itself when wide */
const struct lvalue *value_kop(struct builder *b, enum kop op, enum ktype type, uint32_t args,
                               const struct lvalue *const *arg); /* widens narrow args, folds bool constants */
const struct lvalue *value_binary(struct builder *b, enum kop op, enum ktype type, const struct lvalue *x,
                                  const struct lvalue *y);
const struct lvalue *value_fold16(struct builder *b, uint32_t args, const struct lvalue *const *arg);
const struct lvalue *value_folds16(struct builder *b, const struct lvalue *const *arg);
const struct lvalue *value_join(struct builder *b, uint32_t args, const struct lvalue *const *arg);
const struct lvalue *value_transposed(struct builder *b, uint32_t args, const struct lvalue *const *arg, uint32_t row);
/* Four lanes from lane `from` on. */
const struct lvalue *value_four(struct builder *b, const struct lvalue *arg, uint32_t from);
const struct lvalue *value_load(struct builder *b, const struct lplace *place, enum ktype type, uint32_t width,
                                int64_t stride, const struct lvalue *index, const struct lvalue *mask, bool aligned);
bool value_is_bool(const struct lvalue *value, bool *out); /* a constant? */
/* From now on a load of this place is this value, which was just stored there. */
void value_forward(struct builder *b, const struct lplace *place, int64_t stride, bool aligned,
                   const struct lvalue *value);

struct lstatement *loops_emit(struct builder *b, enum lstatement_kind kind);
void loops_store(struct builder *b, const struct lplace *place, const struct lvalue *value, int64_t stride,
                const struct lvalue *mask, bool aligned);

/* ---- loops_frames.c ---- */
struct frame {
    struct lstatement *statement;
    struct lblock *outer;
    size_t mark;
    VEC(struct lcarried) carried;
    VEC(const struct lvalue **) value; /* where the current register of each is */
};
/* A loop whose body is filled next. */
struct frame loop_open(struct builder *b, const struct lterm *var, const struct laffine *lo, uint32_t los,
                       const struct laffine *hi, uint32_t his);
/* Carries the registers in `value`, which the body changes there; behind the loop they are those of the last turn. */
void loop_carry(struct builder *b, struct frame *frame, uint32_t count, const struct lvalue **value);
void loop_close(struct builder *b, const struct frame *frame);
/* A branch whose `then` side is filled next; the other side, if it is not empty, after branch_otherwise. */
struct frame branch_open(struct builder *b, const struct lvalue *condition);
/* Either side changes `value` as it stands now; behind the branch it is that of the side taken. */
void branch_carry(struct builder *b, struct frame *frame, uint32_t count, const struct lvalue **value);
void branch_otherwise(struct builder *b, struct frame *frame);
void branch_close(struct builder *b, const struct frame *frame);

/* ---- loops_index.c ---- */
const struct loop_env *env_index(struct builder *b, const struct loop_env *outer, const struct kindex *index,
                                 struct lindex to);
const struct loop_env *env_value(struct builder *b, const struct loop_env *outer, enum binding_kind kind,
                                 const void *key, const struct lvalue *value);
/* The points with one more index bound. */
struct point *env_points(struct builder *b, uint32_t count, const struct point *point, const struct kindex *index,
                         struct lindex to);
const struct loop_env *env_find(const struct loop_env *env, const void *key);
/* The point inside a let: those of its indices that are in the bit set `known` are bound to the arguments. */
struct point let_point(struct builder *b, const struct klet *let, const struct lindex *args, uint32_t known,
                       const struct point *point);
/* The same for the arguments of a reference to it, at each point. */
struct point *let_points(struct builder *b, const struct kexpr *reference, uint32_t known, uint32_t count,
                         const struct point *point);
struct lindex eval_index(struct builder *b, const struct kexpr *expr, const struct point *point);
/* Address of buffer[subscript...]: base + stride * lane, or with an index register. */
struct laddress {
    struct lplace place;
    int64_t stride;
    const struct lvalue *index;
};
const struct lvalue *eval_load(struct builder *b, const struct kexpr *expr, const struct point *point);
/* In loops_turned.c. */
const struct lvalue *eval_turned(struct builder *b, const struct kexpr *load, const struct point *point);
const struct lvalue *eval_one(struct builder *b, const struct kexpr *expr, const struct point *point);
struct laddress eval_address(struct builder *b, const struct kbuffer *buffer, const struct lindex *subscript);

/* ---- loops_depends.c ---- */
struct lsignature {
    VEC(uint64_t) words;
};
/* Words that tell apart points on which `expr` may differ. */
void eval_signature(struct builder *b, const struct kexpr *expr, const struct point *point, struct lsignature *out);
/* The same of an index's value, and of which of its lanes are read where it has any. */
void signature_index(struct builder *b, const struct lindex *index, const struct point *point, struct lsignature *out);
bool signature_equal(const struct lsignature *x, const struct lsignature *y);
/* Whether the expression may differ from lane to lane at this point. */
bool eval_is_wide(struct builder *b, const struct kexpr *expr, const struct loop_env *env);
static inline bool loops_reduces(const struct kexpr *expr) { return kexpr_has(expr, KOP_BIT(REDUCE)); }

/* ---- loops_where.c ---- */
/* Whether it is an integer made of constants and indices, which stays affine. */
bool eval_is_static_integer(const struct kexpr *expr);
/* A comparison of integers whose ranges decide it; NULL: they do not. */
const struct lvalue *eval_statically(struct builder *b, const struct kexpr *expr, const struct point *point);
/* `then` where the condition holds, else `otherwise`, reading only what the condition lets be read. */
void eval_where(struct builder *b, const struct lvalue *const *condition, const struct kexpr *then,
                const struct kexpr *otherwise, uint32_t count, const struct point *point, const struct lvalue **out);

/* ---- loops_eval.c ---- */
/* One register per point. */
void eval(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
          const struct lvalue **out);
/* Evaluates only the reductions that expr needs whatever the data are, for all points at once; eval finds them then. */
void eval_reductions(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point);

/* ---- loops_nests.c ---- */
/* The index variable of a store by its name; NULL: none. */
const struct kindex *loops_index_named(const struct kstatement *s, const char *name);
/* A store's dimensions in the order of their loops: those that the schedule orders first, then the others as
 * they are. */
void loops_order(const struct kschedule *schedule, const struct kstatement *s, uint32_t *out_order);
/* Whether a clause of the schedule, a list of `count`, has the name. */
bool loops_lists(const char *const *list, size_t count, const char *name);
/* Whether a sum's loop over the index is written out in full. */
bool loops_unrolls(const struct kschedule *schedule, const struct kindex *index);
/* Whether the threads share the loop over the index. */
bool loops_shares(const struct builder *b, const struct kindex *index);
/* The size that a clause of the schedule, a list of `count`, gives an index. */
int64_t loops_size_named(const struct ktile *list, size_t count, const char *name, int64_t otherwise);
bool loops_reads(const struct kexpr *expr, const struct kbuffer *buffer);
/* The kernel's nests in order: stores over one index space that are computed together. */
struct loops_nest {
    const struct kstatement *const *store;
    uint32_t stores;
};
uint32_t loops_nests(struct arena *arena, const struct kernel *kernel, struct loops_nest **out);
/* Whether no nest reads what another one writes, so that threads may run ahead from one to the next. */
bool loops_are_independent(const struct loops_nest *nest, uint32_t nests);

/* ---- loops_store.c ---- */
/* One store statement for the points of a tile: points are `lane_vectors` vectors in the lanes for each of the
 * `count / lane_vectors` combinations of the other indices. index[i] binds the buffer's dimension i. */
struct tile_index {
    const char *name;
    struct laffine base; /* first element */
    int64_t count;       /* elements of the tile */
    bool lanes;
    bool within; /* with lanes: elements of the buffer follow the last one */
};
void store_tile(struct builder *b, const struct kstatement *statement, const struct tile_index *const *index,
                uint32_t count, const struct point *point);
/* Whether store_tile would transpose blocks of points. */
bool store_transposes(struct builder *b, const struct kstatement *statement, const struct tile_index *const *index,
                      uint32_t count, const struct point *point);

/* ---- loops_reduce.c ---- */
/* Values of a reduction (and positions of a max_at, when out_position is not NULL) for points that all differ. */
void eval_reduce(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                 const struct lvalue **out, const struct lvalue **out_position);
/* loops_conditions.c */
bool loops_mentions(const struct kexpr *expr, const struct kindex *index);
void loops_prefetch(struct builder *b, const struct lplace *place, bool write);

/* ---- loops_terms.c ---- */
/* acc[pick[i]] = fma(a, b, acc[pick[i]]) for each point. */
void loops_accumulate_products(struct builder *b, const struct kreduce *r, const struct point *point, uint32_t count,
                               const struct lvalue **acc, const uint32_t *pick);
/* Whether a term, condition or start of the reduction may differ from lane to lane. */
bool loops_term_is_wide(struct builder *b, const struct kreduce *r, const struct point *point);

/* ---- loops_tile.c ---- */
/* All stores of a nest at one point; `bound` in the order of the first store's indices. */
void loops_store_point(struct builder *b, const struct kstatement *const *store, uint32_t stores,
                       const struct point *point, const struct tile_index *bound);

/* ---- loops_slices.c ---- */
/* The sum of a store that may be computed slice by slice; NULL: none. */
struct kexpr *loops_sliced_sum(const struct kstatement *store);
/* Whether the schedule has a nest pass slice by slice, and over which sum. */
bool loops_find_slice(const struct kschedule *schedule, const struct kstatement *const *store, uint32_t stores,
                      struct slice *out);
/* The store's element, from which the sum of every slice but the first goes on. */
const struct kexpr *loops_slice_resumes(struct arena *arena, const struct kstatement *store);

/* ---- loops_groups.c ---- */
/* Lowers a nest in blocks, if the schedule has some and the nest allows it. */
bool loops_in_groups(struct builder *b, const struct kstatement *const *store, uint32_t stores);

/* ---- loops_partials.c ---- */
/* Whether this sum is the one of the nest in blocks that is being lowered; its values then, or, where these are not
 * asked for yet, its partial sums in scratch. */
bool reduce_in_groups(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                      const struct lvalue **out);

/* ---- loops_list.c ---- */
/* Lowers a nest that stores a list, if it does. */
bool loops_list(struct builder *b, const struct kstatement *store);

/* ---- loops_batch.c ---- */
/* The terms of a vector of examples from `first` on, within a group of 16, at each point: neutral where no
 * example is. */
void tree_terms(struct builder *b, const struct kexpr *expr, const struct laffine *first, uint32_t count,
                const struct point *point, const struct lvalue **out);
/* What an absent term adds. */
const struct lvalue *tree_neutral(struct builder *b, enum ktype type);
void reduce_tree(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                 const struct lvalue **out);
void reduce_blocks(struct builder *b, const struct kexpr *expr, uint32_t count, const struct point *point,
                   const struct lvalue **out);

#endif
