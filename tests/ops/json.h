/* As much of JSON as the oracle's files need. Everything in the arena. */
#ifndef XENT_TEST_OPS_JSON_H
#define XENT_TEST_OPS_JSON_H

#include "arena.h"

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_TEXT, JSON_LIST, JSON_OBJECT };
struct json {
    enum json_kind kind;
    double number;     /* BOOL, NUMBER */
    const char *text;  /* TEXT */
    const char *name;  /* of a member of an object */
    size_t count;      /* LIST, OBJECT */
    struct json *item;
};

/* NULL: not JSON. */
const struct json *json_parse(struct arena *arena, const char *text);
const struct json *json_member(const struct json *object, const char *name); /* NULL: none */
/* Appends every number below `value`, in order, to a VEC(double). */
void json_flatten(const struct json *value, struct arena *arena, double **at, size_t *count, size_t *capacity);

#endif
