/* The op table: ops.def expanded into attribute lists, rows, and the set by which ir/ knows the ops. */
#include "rules.h"

#include <math.h>
#include <string.h>

#define REQUIRED 1e300
#define ABSENT NAN
#define ATTR(name, kind, words, standard, doc) {#name, kind, (standard) >= REQUIRED, words, standard, doc}
#define INT(name, standard, doc) ATTR(name, ATTR_INT, NULL, standard, doc)
#define BOOL(name, standard, doc) ATTR(name, ATTR_BOOL, NULL, standard, doc)
#define FLOAT(name, standard, doc) ATTR(name, ATTR_FLOAT, NULL, standard, doc)
#define STRING(name, standard, doc) ATTR(name, ATTR_STRING, NULL, standard, doc)
#define INTS(name, standard, doc) ATTR(name, ATTR_INTS, NULL, standard, doc)
#define FLOATS(name, standard, doc) ATTR(name, ATTR_FLOATS, NULL, standard, doc)
#define ENUM(name, words, standard, doc) ATTR(name, ATTR_ENUM, words, standard, doc)
#define END {0}

#define OP(name, min, max, outputs, flags, doc, rules, ...)                                                            \
    static const struct attr_info attrs_of_##name[] = {__VA_ARGS__};
#include "ops.def"
#undef OP

#define SHAPE(f) .shape = f,
#define PARAMS(f) .params = f,
#define GRADIENT(f) .gradient = f,
#define LOWER(f) .lower = f,
#define FLOPS(f) .flops = f,
#define REFERENCE(f) .reference = f,
#define OP(name, min, max, outputs, flags, doc, rules, ...)                                                            \
    {{#name, min, max, outputs, flags, sizeof attrs_of_##name / sizeof *attrs_of_##name - 1, attrs_of_##name, doc},    \
     rules},
static const struct op table[] = {
#include "ops.def"
};
#undef OP

#define OP(name, ...) ROW_##name,
enum row {
#include "ops.def"
    ROWS
};
#undef OP

#define OP(name, ...) &table[ROW_##name].info,
static const struct op_info *const infos[ROWS] = {
#include "ops.def"
};
#undef OP

static const struct op_set set = {ROWS, infos};

const struct op_set *op_set(void)
{
    return &set;
}

const struct op *op_of(const struct node *node)
{
    /* info is the first member of its row */
    return (const struct op *)(const void *)node->op;
}

const struct op *op_named(const char *name)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strcmp(table[i].info.name, name) == 0)
            return &table[i];
    return NULL;
}

void grad_none(struct gradient_context *g, const struct node *node)
{
    (void)g, (void)node;
}

int64_t op_flops(const struct node *node, int64_t examples)
{
    const struct op *op = op_of(node);
    if (op->flops)
        return op->flops(node, examples);
    if (node->op->flags & (OP_LEAF | OP_VIEW))
        return 0;
    const struct tensor_type *type = &node->output[0]->type;
    bool batched = type->rank > 0 && type->dim[0] == DIM_N;
    return type_elements(type) * (batched ? examples : 1);
}
