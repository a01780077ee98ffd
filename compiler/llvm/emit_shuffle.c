/* Lanes among each other: the sum of sixteen by halves, and transpositions as networks of shuffles that x86 has as
 * single instructions (unpack within 128 bits, then whole blocks of 128 bits). */
#include "emit.h"

#include <assert.h>

static LLVMValueRef add(struct emitter *e, enum ktype type, LLVMValueRef a, LLVMValueRef b) {
    return LLVMBuildBinOp(e->builder, type == KT_F32 ? LLVMFAdd : LLVMAdd, a, b, "");
}

static LLVMValueRef half(struct emitter *e, LLVMValueRef vector, uint32_t from, uint32_t count) {
    uint32_t lanes[16];
    if (count == 1)
        return LLVMBuildExtractElement(e->builder, vector, emit_constant_i32(e, (int32_t)from, 1), "");
    for (uint32_t l = 0; l < count; l++)
        lanes[l] = from + l;
    return emit_shuffle(e, vector, LLVMGetPoison(LLVMTypeOf(vector)), lanes, count);
}

static LLVMValueRef folds(struct emitter *e, const struct lvalue *value);

LLVMValueRef emit_fold16(struct emitter *e, const struct lvalue *value) {
    LLVMValueRef part[16];
    uint32_t parts = value->args, width = value->arg[0]->width;
    if (value->width > 1)
        return folds(e, value);
    assert(parts * width == 16);
    for (uint32_t i = 0; i < parts; i++)
        part[i] = emit_use(e, value->arg[i]);
    for (; parts > 1; parts /= 2)
        for (uint32_t i = 0; i < parts / 2; i++)
            part[i] = add(e, value->type, part[i], part[i + parts / 2]);
    for (; width > 1; width /= 2)
        part[0] = add(e, value->type, half(e, part[0], 0, width / 2), half(e, part[0], width / 2, width / 2));
    return part[0];
}

/* Within each block of four lanes: of two, low or high pairs interleaved by `unit` lanes (1: unpcklps, 2: unpcklpd). */
static LLVMValueRef interleave(struct emitter *e, LLVMValueRef a, LLVMValueRef b, uint32_t n, uint32_t unit,
                               bool high) {
    uint32_t lanes[16];
    for (uint32_t l = 0; l < n; l++) {
        uint32_t block = l / 4 * 4, within = l % 4, from_b = within / unit % 2;
        uint32_t source = (within / (2 * unit)) * unit + within % unit + (high ? 2 : 0);
        lanes[l] = block + source + (from_b ? n : 0);
    }
    return emit_shuffle(e, a, b, lanes, n);
}

/* Blocks of four lanes: the first or last half of a's, then of b's. */
static LLVMValueRef halves(struct emitter *e, LLVMValueRef a, LLVMValueRef b, uint32_t n, bool last) {
    uint32_t lanes[16];
    for (uint32_t l = 0; l < n; l++)
        lanes[l] = (last ? n / 2 : 0) + l % (n / 2) + (l >= n / 2 ? n : 0);
    return emit_shuffle(e, a, b, lanes, n);
}

/* Blocks of four lanes: a's even or odd ones, then b's. */
static LLVMValueRef every_other(struct emitter *e, LLVMValueRef a, LLVMValueRef b, uint32_t n, bool odd) {
    uint32_t lanes[16], blocks = n / 4;
    for (uint32_t l = 0; l < n; l++) {
        uint32_t block = l / 4, from_b = block >= blocks / 2;
        lanes[l] = (2 * (block - (from_b ? blocks / 2 : 0)) + odd) * 4 + l % 4 + (from_b ? n : 0);
    }
    return emit_shuffle(e, a, b, lanes, n);
}

/* Even or odd lanes of a's, then of b's, within each block of four. */
static LLVMValueRef alternate(struct emitter *e, LLVMValueRef a, LLVMValueRef b, uint32_t n, bool odd) {
    uint32_t lanes[16];
    for (uint32_t l = 0; l < n; l++)
        lanes[l] = l / 4 * 4 + l % 2 * 2 + odd + (l % 4 >= 2 ? n : 0);
    return emit_shuffle(e, a, b, lanes, n);
}

/* Lane w of the result: the sum by halves of vector w. Two vectors become one with each's halves added, whose blocks of
 * four lanes belong to the one and the other in turn at last; then the same within blocks. Lane 4q + r therefore comes
 * from vector number q of those that were joined to the r-th whole one. */
static LLVMValueRef merge(struct emitter *e, enum ktype type, LLVMValueRef *vector, uint32_t n) {
    uint32_t blocks = n / 4;
    LLVMValueRef joined[4];
    for (uint32_t r = 0; r < 4; r++) {
        LLVMValueRef part[4];
        for (uint32_t q = 0; q < blocks; q++)
            part[q] = vector[4 * q + r];
        for (uint32_t q = 0; blocks == 4 && q < 2; q++)
            part[q] = add(e, type, halves(e, part[2 * q], part[2 * q + 1], n, false),
                          halves(e, part[2 * q], part[2 * q + 1], n, true));
        joined[r] = blocks == 1 ? part[0]
                                : add(e, type, every_other(e, part[0], part[1], n, false),
                                      every_other(e, part[0], part[1], n, true));
    }
    for (uint32_t r = 0; r < 2; r++)
        joined[r] = add(e, type, interleave(e, joined[2 * r], joined[2 * r + 1], n, 2, false),
                        interleave(e, joined[2 * r], joined[2 * r + 1], n, 2, true));
    return add(e, type, alternate(e, joined[0], joined[1], n, false), alternate(e, joined[0], joined[1], n, true));
}

static LLVMValueRef folds(struct emitter *e, const struct lvalue *value) {
    LLVMValueRef vector[16];
    uint32_t n = value->width;
    assert(value->args == 16 && value->arg[0]->width == n && n >= 4);
    for (uint32_t w = 0; w < n; w++) {
        LLVMValueRef part[4];
        uint32_t parts = 16 / n;
        for (uint32_t i = 0; i < parts; i++)
            part[i] = emit_use(e, value->arg[w * parts + i]);
        for (; parts > 1; parts /= 2)
            for (uint32_t i = 0; i < parts / 2; i++)
                part[i] = add(e, value->type, part[i], part[i + parts / 2]);
        vector[w] = part[0];
    }
    return merge(e, value->type, vector, n);
}

/* Four rows to four vectors; block q of vector j: column 4q + j of these rows. */
static void transpose_within_blocks(struct emitter *e, LLVMValueRef *row, uint32_t n) {
    LLVMValueRef low01 = interleave(e, row[0], row[1], n, 1, false), high01 = interleave(e, row[0], row[1], n, 1, true);
    LLVMValueRef low23 = interleave(e, row[2], row[3], n, 1, false), high23 = interleave(e, row[2], row[3], n, 1, true);
    row[0] = interleave(e, low01, low23, n, 2, false);
    row[1] = interleave(e, low01, low23, n, 2, true);
    row[2] = interleave(e, high01, high23, n, 2, false);
    row[3] = interleave(e, high01, high23, n, 2, true);
}

/* No instruction, but LLVM does not look through it for one shuffle that does the work of several: there is none here,
 * and the search takes more time than everything else that these vectors need. */
static void fence(struct emitter *e, LLVMValueRef *row, uint32_t n) {
    LLVMTypeRef type = LLVMTypeOf(row[0]);
    if (LLVMGetTypeKind(LLVMGetElementType(type)) != LLVMFloatTypeKind)
        return;
    for (uint32_t i = 0; i < n; i++)
        row[i] = emit_intrinsic(e, "llvm.arithmetic.fence", &type, 1, &row[i], 1);
}

static void transpose(struct emitter *e, LLVMValueRef *row, uint32_t n, uint32_t width) {
    LLVMValueRef out[16];
    for (uint32_t g = 0; g < n; g += 4)
        transpose_within_blocks(e, row + g, width);
    if (n == 4)
        return;
    fence(e, row, n);
    for (uint32_t j = 0; j < 4; j++) {
        LLVMValueRef *t0 = &row[j], *t1 = &row[4 + j]; /* groups of rows 0.., 4.., 8.., 12.. */
        if (n == 8) {
            out[j] = every_other(e, *t0, *t1, n, false);
            out[4 + j] = every_other(e, *t0, *t1, n, true);
            continue;
        }
        LLVMValueRef first01 = halves(e, *t0, *t1, n, false), last01 = halves(e, *t0, *t1, n, true);
        LLVMValueRef first23 = halves(e, row[8 + j], row[12 + j], n, false);
        LLVMValueRef last23 = halves(e, row[8 + j], row[12 + j], n, true);
        out[j] = every_other(e, first01, first23, n, false);
        out[4 + j] = every_other(e, first01, first23, n, true);
        out[8 + j] = every_other(e, last01, last23, n, false);
        out[12 + j] = every_other(e, last01, last23, n, true);
    }
    for (uint32_t i = 0; i < n; i++)
        row[i] = out[i];
}

static bool same_args(const struct lvalue *const *a, const struct lvalue *const *b, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

LLVMValueRef emit_join(struct emitter *e, const struct lvalue *value) {
    LLVMValueRef part[4];
    uint32_t parts = value->args, width = value->width / parts, lanes[16];
    assert(parts == 2 || parts == 4);
    for (uint32_t i = 0; i < parts; i++)
        part[i] = emit_splat(e, emit_use(e, value->arg[i]), value->arg[i]->width == 1 ? width : 1);
    for (uint32_t l = 0; l < value->width; l++)
        lanes[l] = l;
    for (; parts > 1; parts /= 2, width *= 2)
        for (uint32_t i = 0; i < parts / 2; i++)
            part[i] = emit_shuffle(e, part[2 * i], part[2 * i + 1], lanes, 2 * width);
    return part[0];
}

LLVMValueRef emit_part(struct emitter *e, const struct lvalue *value) {
    LLVMValueRef whole = emit_use(e, value->arg[0]);
    fence(e, &whole, 1);
    return half(e, whole, (uint32_t)value->stride, value->width);
}

LLVMValueRef emit_transposed(struct emitter *e, const struct lvalue *value) {
    uint32_t n = value->args;
    assert((n == value->width || n == 4) && value->stride >= 0 && value->stride < n);
    if (n == 1)
        return emit_use(e, value->arg[0]);
    assert(n == 4 || n == 8 || n == 16);
    for (size_t i = e->rows.count; i-- > 0;) {
        const struct emit_rows *r = &e->rows.at[i];
        if (emit_is_open(e, r->depth, r->serial) && r->count == n && same_args(r->args, value->arg, n))
            return r->row[value->stride];
    }
    struct emit_rows rows = {.args = value->arg, .count = n, .depth = emit_depth(e)};
    rows.serial = e->scopes.at[rows.depth].serial;
    for (uint32_t i = 0; i < n; i++)
        rows.row[i] = emit_use(e, value->arg[i]);
    transpose(e, rows.row, n, value->width);
    if (n < value->width) /* this block and the next one are not in registers at the same time */
        emit_forget(e);
    vec_push(e->module->arena, &e->rows, rows);
    return rows.row[value->stride];
}
