/* The JSON header of a safetensors file, read by a parser of exactly its grammar: fixed depth, integers kept whole, no
 * memory but one record a tensor and the names.
 *
 *   header  = { [ member { , member } ] }
 *   member  = "__metadata__" : { [ string : string { , … } ] }  |  name : tensor
 *   tensor  = { "dtype" : "F32", "shape" : [ integers ], "data_offsets" : [ begin, end ] }      keys in any order */
#include "internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct json {
    const char *path, *text, *at, *end;
    char *names; /* where the next string goes */
    struct xent_error *error;
};

static enum xent_status fail(const struct json *json, const char *wanted) {
    char excerpt[RT_EXCERPT];
    size_t left = (size_t)(json->end - json->at), shown = left < 12 ? left : 12;
    return rt_fail(json->error, XENT_ERROR_DATA, "%s: byte %zu of the header: expected %s, found %s", json->path,
                   (size_t)(json->at - json->text), wanted,
                   shown ? rt_excerpt(excerpt, json->at, shown) : "the header's end");
}

static void skip_space(struct json *json) {
    while (json->at < json->end && (*json->at == ' ' || *json->at == '\t' || *json->at == '\n' || *json->at == '\r'))
        json->at++;
}

static bool accept(struct json *json, char c) {
    skip_space(json);
    if (json->at == json->end || *json->at != c)
        return false;
    json->at++;
    return true;
}

static enum xent_status expect(struct json *json, char c) {
    char wanted[4] = {'\'', c, '\''};
    return accept(json, c) ? XENT_OK : fail(json, wanted);
}

/* --- Strings --- */

static bool hex4(struct json *json, uint32_t *out) {
    *out = 0;
    if (json->end - json->at < 4)
        return false;
    for (int i = 0; i < 4; i++) {
        char c = *json->at++;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return false;
        *out = *out * 16 + (uint32_t)digit;
    }
    return true;
}

static void put_utf8(struct json *json, uint32_t c) {
    if (c < 0x80) {
        *json->names++ = (char)c;
        return;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    *json->names++ = (char)(lead[more] | c >> 6 * more);
    while (more--)
        *json->names++ = (char)(0x80 | (c >> 6 * more & 0x3f));
}

/* Behind the backslash. An escape is never shorter than its character in UTF-8. */
static bool parse_escape(struct json *json) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (json->at == json->end)
        return false;
    char c = *json->at++;
    const char *simple = c ? strchr(from, c) : NULL;
    if (simple) {
        *json->names++ = to[simple - from];
        return true;
    }
    uint32_t code, low;
    if (c != 'u' || !hex4(json, &code) || !code || (code >= 0xdc00 && code < 0xe000))
        return false;
    if (code >= 0xd800 && code < 0xdc00) {
        if (json->end - json->at < 6 || json->at[0] != '\\' || json->at[1] != 'u')
            return false;
        json->at += 2;
        if (!hex4(json, &low) || low < 0xdc00 || low >= 0xe000)
            return false;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    put_utf8(json, code);
    return true;
}

/* The unescaped string, NUL-terminated, in the block of names. NUL characters are refused. */
static enum xent_status parse_string(struct json *json, const char **out) {
    skip_space(json);
    const char *start = json->at;
    if (!accept(json, '"'))
        return fail(json, "a string");
    *out = json->names;
    while (json->at < json->end && *json->at != '"') {
        size_t length = rt_utf8((const unsigned char *)json->at, (size_t)(json->end - json->at));
        bool right = length && (unsigned char)*json->at >= 0x20;
        if (right && *json->at == '\\') {
            json->at++;
            right = parse_escape(json);
        } else if (right) {
            memcpy(json->names, json->at, length);
            json->names += length, json->at += length;
        }
        if (!right) {
            json->at = start;
            return fail(json, "a well-formed string of UTF-8");
        }
    }
    if (json->at == json->end)
        return fail(json, "a string's closing quote");
    json->at++;
    *json->names++ = 0;
    return XENT_OK;
}

/* --- Values --- */

static enum xent_status parse_integer(struct json *json, const char *wanted, uint64_t *out) {
    skip_space(json);
    const char *start = json->at;
    uint64_t value = 0;
    bool fits = true;
    for (; json->at < json->end && *json->at >= '0' && *json->at <= '9'; json->at++)
        fits = fits && !__builtin_mul_overflow(value, (uint64_t)10, &value) &&
               !__builtin_add_overflow(value, (uint64_t)(*json->at - '0'), &value);
    bool fraction = json->at < json->end && strchr(".eE", *json->at) && *json->at;
    if (!fits || fraction || json->at == start || (*start == '0' && json->at > start + 1) || value > INT64_MAX) {
        json->at = start;
        return fail(json, wanted);
    }
    *out = value;
    return XENT_OK;
}

static enum xent_status parse_shape(struct json *json, const char *name, struct xent_stored_tensor *out) {
    enum xent_status status = expect(json, '[');
    out->elements = 1;
    if (status || accept(json, ']'))
        return status;
    do {
        uint64_t extent;
        if ((status = parse_integer(json, "an extent (an integer from 0)", &extent)))
            return status;
        if (out->rank == XENT_MAX_RANK)
            return rt_fail(json->error, XENT_ERROR_DATA, "%s: %s has more than %d dimensions", json->path, name,
                           XENT_MAX_RANK);
        out->shape[out->rank++] = (int64_t)extent;
        if (__builtin_mul_overflow(out->elements, extent, &out->elements) || out->elements > INT64_MAX / sizeof(float))
            return rt_fail(json->error, XENT_ERROR_DATA, "%s: the shape of %s overflows", json->path, name);
    } while (accept(json, ','));
    return expect(json, ']');
}

static enum xent_status parse_offsets(struct json *json, struct rt_header_tensor *out) {
    enum xent_status status = expect(json, '[');
    if (status || (status = parse_integer(json, "an offset (an integer from 0)", &out->begin)) ||
        (status = expect(json, ',')) || (status = parse_integer(json, "an offset (an integer from 0)", &out->end)))
        return status;
    return expect(json, ']');
}

static enum xent_status parse_dtype(struct json *json, const char *name) {
    const char *dtype;
    enum xent_status status = parse_string(json, &dtype);
    if (!status && strcmp(dtype, "F32"))
        return rt_fail(json->error, XENT_ERROR_DATA, "%s: %s is %.40s; only F32 can be loaded", json->path, name,
                       dtype);
    return status;
}

static enum xent_status parse_tensor(struct json *json, struct rt_header_tensor *out) {
    static const char *const keys[] = {"dtype", "shape", "data_offsets"};
    const char *name = out->tensor.name;
    unsigned seen = 0;
    enum xent_status status = expect(json, '{');
    if (status)
        return status;
    do {
        const char *key;
        skip_space(json);
        const char *start = json->at;
        char *names = json->names;
        if ((status = parse_string(json, &key)))
            return status;
        unsigned k = 0;
        while (k < 3 && strcmp(key, keys[k]))
            k++;
        if (k == 3 || seen & 1u << k) {
            json->at = start;
            return fail(json, k == 3 ? "one of dtype, shape and data_offsets" : "each key of a tensor once");
        }
        seen |= 1u << k;
        if ((status = expect(json, ':')))
            return status;
        status = k == 0   ? parse_dtype(json, name)
                 : k == 1 ? parse_shape(json, name, &out->tensor)
                          : parse_offsets(json, out);
        if (status)
            return status;
        json->names = names; /* the key and the dtype are not kept */
    } while (accept(json, ','));
    if ((status = expect(json, '}')))
        return status;
    for (unsigned k = 0; k < 3; k++)
        if (!(seen & 1u << k))
            return rt_fail(json->error, XENT_ERROR_DATA, "%s: %s has no %s", json->path, name, keys[k]);
    return XENT_OK;
}

static enum xent_status parse_metadata(struct json *json) {
    enum xent_status status = expect(json, '{');
    if (status || accept(json, '}'))
        return status;
    do {
        const char *ignored;
        char *names = json->names;
        if ((status = parse_string(json, &ignored)) || (status = expect(json, ':')) ||
            (status = parse_string(json, &ignored)))
            return status;
        json->names = names;
    } while (accept(json, ','));
    return expect(json, '}');
}

static enum xent_status new_tensor(struct json *json, struct rt_header *header, struct rt_header_tensor **out) {
    if (header->count == header->capacity) {
        uint32_t capacity = header->capacity ? header->capacity * 2 : 16;
        void *grown = realloc(header->at, capacity * sizeof *header->at);
        if (!grown)
            return rt_fail_memory(json->error, json->path, capacity * sizeof *header->at);
        header->at = grown;
        header->capacity = capacity;
    }
    *out = &header->at[header->count++];
    **out = (struct rt_header_tensor){0};
    return XENT_OK;
}

static enum xent_status parse_members(struct json *json, struct rt_header *header) {
    bool metadata = false;
    enum xent_status status = expect(json, '{');
    if (status || accept(json, '}'))
        return status;
    do {
        const char *name;
        if ((status = parse_string(json, &name)) || (status = expect(json, ':')))
            return status;
        if (!strcmp(name, "__metadata__")) {
            if (metadata)
                return rt_fail(json->error, XENT_ERROR_DATA, "%s: __metadata__ stands there twice", json->path);
            metadata = true;
            status = parse_metadata(json);
        } else {
            struct rt_header_tensor *tensor = NULL;
            if ((status = new_tensor(json, header, &tensor)))
                return status;
            tensor->tensor.name = name;
            status = parse_tensor(json, tensor);
        }
        if (status)
            return status;
    } while (accept(json, ','));
    return expect(json, '}');
}

enum xent_status rt_header_parse(const char *path, const char *text, size_t size, struct rt_header *out,
                                 struct xent_error *error) {
    *out = (struct rt_header){.names = malloc(size + 1)}; /* unescaped names are shorter than the header */
    if (!out->names)
        return rt_fail_memory(error, path, size + 1);
    struct json json = {.path = path, .text = text, .at = text, .end = text + size, .names = out->names,
                        .error = error};
    enum xent_status status = parse_members(&json, out);
    skip_space(&json);
    if (!status && json.at < json.end)
        status = fail(&json, "nothing behind the last brace");
    return status;
}
