/* A recursive descent parser of JSON, for tests. */
#include "json.h"
#include "vec.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct reader {
    struct arena *arena;
    const char *at;
    bool failed;
};

static void skip(struct reader *r)
{
    while (isspace((unsigned char)*r->at))
        r->at++;
}

static bool take(struct reader *r, const char *word)
{
    skip(r);
    size_t length = strlen(word);
    if (strncmp(r->at, word, length) != 0)
        return false;
    r->at += length;
    return true;
}

static const char *read_text(struct reader *r)
{
    if (!take(r, "\""))
        return r->failed = true, "";
    const char *end = strchr(r->at, '"'); /* the oracle escapes nothing */
    if (!end)
        return r->failed = true, "";
    const char *text = arena_strndup(r->arena, r->at, (size_t)(end - r->at));
    r->at = end + 1;
    return text;
}

static struct json read_value(struct reader *r);

static void read_items(struct reader *r, struct json *into, const char *close)
{
    VEC(struct json) items = {0};
    while (!r->failed && !take(r, close)) {
        if (items.count > 0 && !take(r, ","))
            r->failed = true;
        const char *name = NULL;
        if (into->kind == JSON_OBJECT) {
            name = read_text(r);
            r->failed = r->failed || !take(r, ":");
        }
        struct json item = read_value(r);
        item.name = name;
        vec_push(r->arena, &items, item);
    }
    into->item = items.at;
    into->count = items.count;
}

static struct json read_value(struct reader *r)
{
    struct json value = {.kind = JSON_NULL};
    skip(r);
    if (r->failed || take(r, "null"))
        return value;
    if (*r->at == '"') {
        value.kind = JSON_TEXT;
        value.text = read_text(r);
    } else if (take(r, "[")) {
        value.kind = JSON_LIST;
        read_items(r, &value, "]");
    } else if (take(r, "{")) {
        value.kind = JSON_OBJECT;
        read_items(r, &value, "}");
    } else if (take(r, "true") || take(r, "false")) {
        value.kind = JSON_BOOL;
        value.number = r->at[-2] == 'u';
    } else {
        char *end;
        value.kind = JSON_NUMBER;
        value.number = strtod(r->at, &end);
        r->failed = end == r->at;
        r->at = end;
    }
    return value;
}

const struct json *json_parse(struct arena *arena, const char *text)
{
    struct reader reader = {arena, text, false};
    struct json *root = ARENA_NEW(arena, struct json);
    *root = read_value(&reader);
    skip(&reader);
    return reader.failed || *reader.at ? NULL : root;
}

const struct json *json_member(const struct json *object, const char *name)
{
    for (size_t i = 0; object && object->kind == JSON_OBJECT && i < object->count; i++)
        if (strcmp(object->item[i].name, name) == 0)
            return &object->item[i];
    return NULL;
}

void json_flatten(const struct json *value, struct arena *arena, double **at, size_t *count, size_t *capacity)
{
    struct {
        double *at;
        size_t count, capacity;
    } list = {*at, *count, *capacity};
    if (value->kind == JSON_NUMBER) {
        vec_push(arena, &list, value->number);
        *at = list.at, *count = list.count, *capacity = list.capacity;
    }
    for (size_t i = 0; value->kind == JSON_LIST && i < value->count; i++)
        json_flatten(&value->item[i], arena, at, count, capacity);
}
