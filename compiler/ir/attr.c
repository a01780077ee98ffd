/* Attributes of nodes, found by name in the schema of the op. */
#include "graph.h"

#include <assert.h>
#include <string.h>

static uint32_t attr_index(const struct node *node, const char *name)
{
    uint32_t i = 0;
    while (i < node->op->attrs && strcmp(node->op->attr[i].name, name) != 0)
        i++;
    assert(i < node->op->attrs);
    return i;
}

const struct attr *node_attr(const struct node *node, const char *name)
{
    return &node->attr[attr_index(node, name)];
}

int64_t node_int(const struct node *node, const char *name)
{
    uint32_t i = attr_index(node, name);
    return node->attr[i].set ? node->attr[i].i : (int64_t)node->op->attr[i].standard;
}

double node_float(const struct node *node, const char *name)
{
    uint32_t i = attr_index(node, name);
    return node->attr[i].set ? node->attr[i].f : node->op->attr[i].standard;
}

void node_set_int(struct node *node, const char *name, int64_t value)
{
    struct attr *attr = &node->attr[attr_index(node, name)];
    attr->set = true;
    attr->i = value;
}

void node_set_word(struct node *node, const char *name, const char *word)
{
    int64_t index = attr_word_index(&node->op->attr[attr_index(node, name)], word, strlen(word));
    assert(index >= 0);
    node_set_int(node, name, index);
}

void node_set_float(struct node *node, const char *name, double value)
{
    struct attr *attr = &node->attr[attr_index(node, name)];
    attr->set = true;
    attr->f = value;
}

void node_set_string(struct graph *graph, struct node *node, const char *name, const char *value)
{
    struct attr *attr = &node->attr[attr_index(node, name)];
    attr->set = true;
    attr->string = arena_strdup(graph->arena, value);
}

void node_set_ints(struct graph *graph, struct node *node, const char *name, uint32_t count, const int64_t *value)
{
    int64_t *copy = ARENA_ARRAY(graph->arena, int64_t, count);
    if (count)
        memcpy(copy, value, count * sizeof *copy);
    node->attr[attr_index(node, name)] = (struct attr){.set = true, .count = count, .ints = copy};
}

void node_set_floats(struct graph *graph, struct node *node, const char *name, uint32_t count, const double *value)
{
    struct attr *attr = &node->attr[attr_index(node, name)];
    double *copy = ARENA_ARRAY(graph->arena, double, count);
    if (count)
        memcpy(copy, value, count * sizeof *copy);
    attr->set = true;
    attr->count = count;
    attr->floats = copy;
}

void node_copy_attrs(struct node *to, const struct node *from)
{
    for (uint32_t i = 0; i < to->op->attrs; i++)
        for (uint32_t k = 0; k < from->op->attrs; k++)
            if (from->attr[k].set && to->op->attr[i].kind == from->op->attr[k].kind &&
                strcmp(to->op->attr[i].name, from->op->attr[k].name) == 0)
                to->attr[i] = from->attr[k];
}

bool attr_equal(const struct attr_info *info, const struct attr *a, const struct attr *b)
{
    if (!a->set || !b->set)
        return a->set == b->set;
    switch (info->kind) {
    case ATTR_INT:
    case ATTR_BOOL:
    case ATTR_ENUM:
        return a->i == b->i;
    case ATTR_FLOAT:
        return memcmp(&a->f, &b->f, sizeof a->f) == 0;
    case ATTR_STRING:
        return strcmp(a->string, b->string) == 0;
    case ATTR_INTS:
        return a->count == b->count && (!a->count || memcmp(a->ints, b->ints, a->count * sizeof *a->ints) == 0);
    case ATTR_FLOATS:
        return a->count == b->count && (!a->count || memcmp(a->floats, b->floats, a->count * sizeof *a->floats) == 0);
    }
    return false;
}

const char *attr_word(const struct attr_info *info, int64_t index, size_t *length)
{
    for (const char *word = info->words; word; index--) {
        const char *end = strchr(word, '|');
        if (index == 0) {
            *length = end ? (size_t)(end - word) : strlen(word);
            return word;
        }
        word = end ? end + 1 : NULL;
    }
    return NULL;
}

int64_t attr_word_index(const struct attr_info *info, const char *word, size_t length)
{
    size_t n;
    const char *candidate;
    for (int64_t i = 0; (candidate = attr_word(info, i, &n)); i++)
        if (n == length && memcmp(candidate, word, n) == 0)
            return i;
    return -1;
}
