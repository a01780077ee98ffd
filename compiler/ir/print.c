/* The text form of a graph; parse.c reads it back, docs/ir.md describes it. */
#include "names.h"

#include <assert.h>

const char *const dtype_names[] = {
    [DT_F32] = "f32", [DT_U8] = "u8", [DT_I32] = "i32", [DT_CLASS] = "class", [DT_PROB] = "prob",
};
const size_t dtype_count = sizeof dtype_names / sizeof *dtype_names;

static const char *const role_names[] = {
    [RESULT_OUTPUT] = "output",
    [RESULT_LOGITS] = "logits",
    [RESULT_LOSS] = "loss",
    [RESULT_EXAMPLE_LOSS] = "example_loss",
    [RESULT_EXAMPLE_WEIGHT] = "example_weight",
    [RESULT_METRIC] = "metric",
    [RESULT_INPUT_GRADIENT] = "input_gradient",
    [RESULT_GRADIENT] = "gradient",
    [RESULT_UPDATE] = "update",
};
const size_t result_role_count = sizeof role_names / sizeof *role_names;

const char *result_role_name(enum result_role role)
{
    return role_names[role];
}

static void print_dims(const struct tensor_type *type, uint32_t from, struct text *out)
{
    text_add(out, "[");
    for (uint32_t i = from; i < type->rank; i++) {
        if (i > from)
            text_add(out, ", ");
        if (type->dim[i] == DIM_N)
            text_add(out, "N");
        else
            text_printf(out, "%lld", (long long)type->dim[i]);
    }
    if (type->dtype == DT_CLASS)
        text_printf(out, "%s%lld", from < type->rank ? ", " : "", (long long)type->classes);
    text_add(out, "]");
}

void type_print(const struct tensor_type *type, struct text *out)
{
    text_add(out, dtype_names[type->dtype]);
    print_dims(type, 0, out);
}

void type_print_example(const struct tensor_type *type, struct text *out)
{
    if (type->dtype == DT_CLASS || type->dtype == DT_PROB)
        text_add(out, dtype_names[type->dtype]);
    print_dims(type, type->rank > 0 && type->dim[0] == DIM_N, out);
}

static void print_string(const char *string, struct text *out)
{
    text_add(out, "\"");
    for (const char *p = string; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\')
            text_printf(out, "\\%c", c);
        else if (c < 32 || c == 127)
            text_printf(out, "\\x%02x", c);
        else
            text_add_n(out, p, 1);
    }
    text_add(out, "\"");
}

static void print_attr(const struct attr_info *info, const struct attr *attr, struct text *out)
{
    size_t length = 0;
    switch (info->kind) {
    case ATTR_INT:
        text_printf(out, "%lld", (long long)attr->i);
        break;
    case ATTR_BOOL:
        text_add(out, attr->i ? "true" : "false");
        break;
    case ATTR_ENUM: {
        const char *word = attr_word(info, attr->i, &length);
        assert(word);
        text_add_n(out, word, length);
        break;
    }
    case ATTR_FLOAT:
        text_add_double(out, attr->f);
        break;
    case ATTR_STRING:
        print_string(attr->string, out);
        break;
    case ATTR_INTS:
    case ATTR_FLOATS:
        text_add(out, "[");
        for (uint32_t i = 0; i < attr->count; i++) {
            text_add(out, i ? ", " : "");
            if (info->kind == ATTR_INTS)
                text_printf(out, "%lld", (long long)attr->ints[i]);
            else
                text_add_double(out, attr->floats[i]);
        }
        text_add(out, "]");
        break;
    }
}

void graph_print_node(const struct node *node, struct text *out)
{
    for (uint32_t i = 0; i < node->outputs; i++)
        text_printf(out, "%s%%%s", i ? ", " : "", node->output[i]->name);
    for (uint32_t i = 0; i < node->outputs; i++) {
        text_add(out, i ? ", " : " : ");
        type_print(&node->output[i]->type, out);
    }
    text_printf(out, " = %s", node->op->name);
    uint32_t first = 0;
    if (node->op->attrs && node->op->attr[0].kind == ATTR_STRING && node->attr[0].set) {
        text_add(out, " ");
        print_string(node->attr[0].string, out);
        first = 1;
    }
    for (uint32_t i = 0; i < node->inputs; i++)
        text_printf(out, "%s %%%s", i ? "," : "", node->input[i]->name);
    bool open = false;
    for (uint32_t i = first; i < node->op->attrs; i++) {
        if (!node->attr[i].set)
            continue;
        text_printf(out, "%s%s = ", open ? ", " : " {", node->op->attr[i].name);
        open = true;
        print_attr(&node->op->attr[i], &node->attr[i], out);
    }
    if (open)
        text_add(out, "}");
    if (node->kernel)
        text_printf(out, " in %s", node->kernel);
}

enum { ORIGIN_COLUMN = 84 };

void graph_print(const struct graph *graph, struct text *out)
{
    text_printf(out, "graph @%s {\n", graph->name);
    for (size_t i = 0; i < graph->nodes.count; i++) {
        const struct node *node = graph->nodes.at[i];
        size_t start = out->count;
        text_add(out, "  ");
        graph_print_node(node, out);
        if (node->origin) {
            size_t width = out->count - start;
            text_printf(out, "%*s# %s", width + 2 < ORIGIN_COLUMN ? (int)(ORIGIN_COLUMN - width) : 2, "", node->origin);
        }
        text_add(out, "\n");
    }
    for (size_t i = 0; i < graph->results.count; i++) {
        const struct result *result = &graph->results.at[i];
        text_printf(out, "  return %s ", result_role_name(result->role));
        print_string(result->name, out);
        text_printf(out, " %%%s\n", result->value->name);
    }
    text_add(out, "}\n");
}
