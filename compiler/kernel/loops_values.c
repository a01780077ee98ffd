/* Registers and statements. A register is found again, instead of being computed again, while the block in which it was
 * defined is still open; loads also until their buffer is stored to. */
#include "loops_internal.h"

#include <assert.h>
#include <string.h>

static uint64_t hash_words(const uint64_t *word, uint32_t words)
{
    uint64_t h = 1469598103934665603u;
    for (uint32_t i = 0; i < words; i++)
        h = (h ^ word[i]) * 0x9e3779b97f4a7c15u, h ^= h >> 29;
    return h;
}

size_t scope_open(struct builder *b)
{
    return b->memo.count;
}

void scope_close(struct builder *b, size_t mark)
{
    while (b->memo.count > mark) {
        const struct memo_entry *e = &b->memo.at[--b->memo.count];
        b->bucket[e->hash % MEMO_BUCKETS] = e->next;
    }
}

const struct lvalue *memo_find(struct builder *b, const uint64_t *word, uint32_t words, uint64_t *out_hash)
{
    uint64_t hash = hash_words(word, words);
    *out_hash = hash;
    for (uint32_t i = b->bucket[hash % MEMO_BUCKETS]; i; i = b->memo.at[i - 1].next) {
        const struct memo_entry *e = &b->memo.at[i - 1];
        if (e->hash == hash && e->words == words && memcmp(e->word, word, words * sizeof *word) == 0)
            return e->value;
    }
    return NULL;
}

void memo_add(struct builder *b, const uint64_t *word, uint32_t words, uint64_t hash, const struct lvalue *value)
{
    uint64_t *copy = ARENA_ARRAY(b->arena, uint64_t, words);
    memcpy(copy, word, words * sizeof *word);
    uint32_t *bucket = &b->bucket[hash % MEMO_BUCKETS];
    vec_push(b->arena, &b->memo, (struct memo_entry){hash, words, *bucket, copy, value});
    *bucket = (uint32_t)b->memo.count;
}

/* ---- the key of a register: all that its value depends on ---- */
struct key {
    VEC(uint64_t) words;
};

static void key_add(struct builder *b, struct key *key, uint64_t word)
{
    vec_push(b->arena, &key->words, word);
}

static void key_affine(struct builder *b, struct key *key, const struct laffine *x)
{
    key_add(b, key, (uint64_t)x->constant);
    key_add(b, key, x->count);
    for (uint32_t i = 0; i < x->count; i++) {
        key_add(b, key, (uint64_t)(uintptr_t)x->product[i].term);
        key_add(b, key, (uint64_t)x->product[i].factor);
    }
}

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static struct key value_key(struct builder *b, const struct lvalue *v)
{
    struct key key = {0};
    key_add(b, &key, (uint64_t)v->op | (uint64_t)v->kop << 8 | (uint64_t)v->type << 16 | (uint64_t)v->width << 32);
    for (uint32_t i = 0; i < v->args; i++)
        key_add(b, &key, (uint64_t)(uintptr_t)v->arg[i]);
    switch (v->op) {
    case LO_CONST:
        key_add(b, &key, v->type == KT_F32 ? float_bits(v->f32) : (uint32_t)v->i32);
        break;
    case LO_SCALAR:
        key_add(b, &key, (uint64_t)(uintptr_t)v->scalar);
        break;
    case LO_INTEGER:
        key_affine(b, &key, &v->integer);
        break;
    case LO_TRANSPOSED:
    case LO_PART:
        key_add(b, &key, (uint64_t)v->stride);
        break;
    case LO_LOAD:
        key_add(b, &key, (uint64_t)(uintptr_t)v->place.buffer);
        key_add(b, &key, b->version[v->place.buffer->number]);
        key_affine(b, &key, &v->place.element);
        key_add(b, &key, (uint64_t)v->stride);
        key_add(b, &key, (uint64_t)(uintptr_t)v->index);
        key_add(b, &key, (uint64_t)(uintptr_t)v->mask);
        break;
    default:
        break;
    }
    return key;
}

static struct lvalue *value_define(struct builder *b, const struct lvalue *v)
{
    struct lvalue *copy = ARENA_NEW(b->arena, struct lvalue);
    *copy = *v;
    if (v->args) {
        const struct lvalue **arg = ARENA_ARRAY(b->arena, const struct lvalue *, v->args);
        memcpy(arg, v->arg, v->args * sizeof *arg);
        copy->arg = arg;
    }
    copy->number = b->out->values++;
    return copy;
}

static const struct lvalue *value_shared(struct builder *b, const struct lvalue *v)
{
    struct key key = value_key(b, v);
    uint64_t hash;
    const struct lvalue *known = memo_find(b, key.words.at, (uint32_t)key.words.count, &hash);
    if (known)
        return known;
    struct lvalue *fresh = value_define(b, v);
    loops_emit(b, LS_DEFINE)->value = fresh;
    memo_add(b, key.words.at, (uint32_t)key.words.count, hash, fresh);
    return fresh;
}

struct lvalue *value_phi(struct builder *b, enum ktype type, uint32_t width)
{
    return value_define(b, &(struct lvalue){.op = LO_PHI, .type = type, .width = width});
}

const struct lvalue *value_f32(struct builder *b, float value)
{
    return value_shared(b, &(struct lvalue){.op = LO_CONST, .type = KT_F32, .width = 1, .f32 = value});
}

const struct lvalue *value_i32(struct builder *b, int32_t value)
{
    return value_shared(b, &(struct lvalue){.op = LO_CONST, .type = KT_I32, .width = 1, .i32 = value});
}

const struct lvalue *value_bool(struct builder *b, bool value)
{
    return value_shared(b, &(struct lvalue){.op = LO_CONST, .type = KT_BOOL, .width = 1, .i32 = value});
}

const struct lvalue *value_scalar(struct builder *b, const struct kscalar *scalar)
{
    return value_shared(b, &(struct lvalue){.op = LO_SCALAR, .type = scalar->type, .width = 1, .scalar = scalar});
}

const struct lvalue *value_integer(struct builder *b, const struct laffine *integer)
{
    if (integer->count == 0)
        return value_i32(b, (int32_t)integer->constant);
    return value_shared(b, &(struct lvalue){.op = LO_INTEGER, .type = KT_I32, .width = 1, .integer = *integer});
}

const struct lvalue *value_lane(struct builder *b)
{
    return value_shared(b, &(struct lvalue){.op = LO_LANE, .type = KT_I32, .width = b->lanes});
}

const struct lvalue *value_index(struct builder *b, const struct lindex *index)
{
    const struct lvalue *v = value_integer(b, &index->base);
    if (index->lane && b->lanes > 1) {
        const struct lvalue *lane = value_lane(b);
        if (index->lane != 1)
            lane = value_binary(b, KX_MUL, KT_I32, lane, value_i32(b, (int32_t)index->lane));
        v = value_binary(b, KX_ADD, KT_I32, v, lane);
    }
    if (index->vector)
        v = value_binary(b, KX_ADD, KT_I32, v, index->vector);
    return v;
}

const struct lvalue *value_splat(struct builder *b, const struct lvalue *value)
{
    if (value->width == b->lanes)
        return value;
    return value_shared(b, &(struct lvalue){.op = LO_SPLAT, .type = value->type, .width = b->lanes, .args = 1,
                                            .arg = &value});
}

bool value_is_bool(const struct lvalue *value, bool *out)
{
    if (value->op == LO_SPLAT)
        value = value->arg[0];
    if (value->op != LO_CONST || value->type != KT_BOOL)
        return false;
    *out = value->i32;
    return true;
}

const struct lvalue *value_kop(struct builder *b, enum kop op, enum ktype type, uint32_t args,
                               const struct lvalue *const *arg)
{
    bool known;
    if (op == KX_SELECT && value_is_bool(arg[0], &known))
        return arg[known ? 1 : 2];
    if ((op == KX_LAND || op == KX_LOR) && value_is_bool(arg[0], &known))
        return known == (op == KX_LAND) ? arg[1] : arg[0];
    if ((op == KX_LAND || op == KX_LOR) && value_is_bool(arg[1], &known))
        return known == (op == KX_LAND) ? arg[0] : arg[1];
    uint32_t width = 1;
    for (uint32_t i = 0; i < args; i++)
        if (arg[i]->width > width)
            width = arg[i]->width;
    const struct lvalue *wide[4];
    for (uint32_t i = 0; i < args; i++)
        wide[i] = width > 1 ? value_splat(b, arg[i]) : arg[i];
    return value_shared(b, &(struct lvalue){.op = LO_KOP, .kop = op, .type = type, .width = width, .args = args,
                                            .arg = wide});
}

const struct lvalue *value_binary(struct builder *b, enum kop op, enum ktype type, const struct lvalue *x,
                                  const struct lvalue *y)
{
    return value_kop(b, op, type, 2, (const struct lvalue *[]){x, y});
}

const struct lvalue *value_fold16(struct builder *b, uint32_t args, const struct lvalue *const *arg)
{
    return value_shared(b,
                        &(struct lvalue){.op = LO_FOLD16, .type = arg[0]->type, .width = 1, .args = args, .arg = arg});
}

/* As many sums as there are lanes: 16 registers. */
const struct lvalue *value_folds16(struct builder *b, const struct lvalue *const *arg)
{
    return value_shared(b, &(struct lvalue){.op = LO_FOLD16, .type = arg[0]->type, .width = b->lanes,
                                            .args = KERNEL_TREE_GROUP, .arg = arg});
}

const struct lvalue *value_join(struct builder *b, uint32_t args, const struct lvalue *const *arg)
{
    if (args == 1)
        return value_splat(b, arg[0]);
    return value_shared(b, &(struct lvalue){.op = LO_JOIN, .type = arg[0]->type, .width = b->lanes, .args = args,
                                            .arg = arg});
}

const struct lvalue *value_transposed(struct builder *b, uint32_t args, const struct lvalue *const *arg, uint32_t row)
{
    struct lvalue v = {.op = LO_TRANSPOSED, .type = arg[0]->type, .width = b->lanes, .args = args, .arg = arg,
                       .stride = row};
    return value_shared(b, &v);
}

const struct lvalue *value_four(struct builder *b, const struct lvalue *arg, uint32_t from)
{
    const struct lvalue **whole = ARENA_NEW(b->arena, const struct lvalue *);
    *whole = arg;
    return value_shared(b, &(struct lvalue){.op = LO_PART, .type = arg->type, .width = 4, .args = 1, .arg = whole,
                                            .stride = from});
}

const struct lvalue *value_load(struct builder *b, const struct lplace *place, enum ktype type, uint32_t width,
                                int64_t stride, const struct lvalue *index, const struct lvalue *mask, bool aligned)
{
    struct lvalue v = {.op = LO_LOAD, .type = type, .width = width, .place = *place, .stride = stride, .index = index,
                       .mask = mask, .aligned = aligned};
    if (place->buffer)
        return value_shared(b, &v);
    struct lvalue *fresh = value_define(b, &v);
    loops_emit(b, LS_DEFINE)->value = fresh;
    return fresh;
}

void value_forward(struct builder *b, const struct lplace *place, int64_t stride, bool aligned,
                   const struct lvalue *value)
{
    struct lvalue v = {.op = LO_LOAD, .type = value->type, .width = value->width, .place = *place,
                       .stride = value->width == 1 ? 1 : stride, .aligned = aligned};
    struct key key = value_key(b, &v);
    uint64_t hash;
    if (!memo_find(b, key.words.at, (uint32_t)key.words.count, &hash))
        memo_add(b, key.words.at, (uint32_t)key.words.count, hash, value);
}

struct lstatement *loops_emit(struct builder *b, enum lstatement_kind kind)
{
    struct lstatement *s = ARENA_NEW(b->arena, struct lstatement);
    s->kind = kind;
    vec_push(b->arena, &b->block->list, s);
    return s;
}

void loops_store(struct builder *b, const struct lplace *place, const struct lvalue *value, int64_t stride,
                const struct lvalue *mask, bool aligned)
{
    struct lstatement *s = loops_emit(b, LS_STORE);
    s->place = *place;
    s->value = value;
    s->stride = stride;
    s->mask = mask;
    s->aligned = aligned;
}
