/* Recursive descent over the text form of a graph, straight on its bytes. One statement a line: after an error the rest
 * of the line is skipped, so that several are reported at once. Nothing here recurses, and every count has a limit, so
 * that any input ends quickly.
 *
 *   file      = "graph" "@" word "{" { node | result } "}"
 *   node      = values ":" types "=" word [string] [values] [attrs] ["in" word] ["#" origin to the end of the line]
 *   result    = "return" role string "%" word
 *   values    = "%" word { "," "%" word }
 *   types     = dtype "[" [ dim { "," dim } ] "]" { "," ... }        dim = "N" | integer
 *   attrs     = "{" word "=" attr { "," word "=" attr } "}"
 *   attr      = integer | number | "true" | "false" | word | string | "[" [ number { "," number } ] "]"
 *
 * A comment on a line of its own means nothing. */
#include "map.h"
#include "names.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LIST = 1 << 20, MAX_NUMBER = 64 };

struct parser {
    struct arena *arena;
    struct diag_list *diags;
    const char *text;
    uint32_t file;
    size_t at, end;
    struct graph *graph;
    struct interner names;
    struct pointer_map values; /* interned name -> struct value */
    bool damaged;              /* a definition was lost: uses of unknown values are consequences */
};

struct word {
    const char *text; /* interned; NULL: none */
    struct span span;
};

static struct span span_here(const struct parser *p, size_t begin, size_t end)
{
    return (struct span){p->file, (uint32_t)begin, (uint32_t)(end > begin ? end : begin + (begin < p->end))};
}

static void skip_blanks(struct parser *p)
{
    while (p->at < p->end && (p->text[p->at] == ' ' || p->text[p->at] == '\t' || p->text[p->at] == '\r'))
        p->at++;
}

static void skip_line(struct parser *p)
{
    while (p->at < p->end && p->text[p->at] != '\n')
        p->at++;
}

/* To the next token on this or a later line, past comments. */
static void skip_lines(struct parser *p)
{
    for (;;) {
        skip_blanks(p);
        if (p->at < p->end && p->text[p->at] == '#')
            skip_line(p);
        if (p->at == p->end || p->text[p->at] != '\n')
            return;
        p->at++;
    }
}

static bool fail_here(struct parser *p, const char *expected)
{
    skip_blanks(p);
    size_t end = p->at;
    while (end < p->end && end - p->at < 40 && (unsigned char)p->text[end] > ' ' && !strchr(",(){}[]", p->text[end]))
        end++;
    if (end == p->at && end < p->end && p->text[end] != '\n')
        end++;
    if (end == p->at)
        diag_error(p->diags, span_here(p, p->at, p->at), "expected %s, but the %s ends here", expected,
                   p->at == p->end ? "text" : "line");
    else
        diag_error(p->diags, span_here(p, p->at, end), "expected %s, found \"%s\"", expected,
                   diag_escape(p->arena, p->text + p->at, end - p->at));
    return false;
}

static bool peek(struct parser *p, char c)
{
    skip_blanks(p);
    return p->at < p->end && p->text[p->at] == c;
}

static bool accept(struct parser *p, char c)
{
    if (!peek(p, c))
        return false;
    p->at++;
    return true;
}

static bool expect(struct parser *p, char c, const char *what)
{
    return accept(p, c) || fail_here(p, what);
}

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-' ||
           (c & 0x80);
}

static bool parse_word(struct parser *p, struct word *out, const char *what)
{
    skip_blanks(p);
    size_t begin = p->at;
    while (p->at < p->end && is_word_byte(p->text[p->at]))
        p->at++;
    if (p->at == begin)
        return fail_here(p, what);
    *out = (struct word){intern(&p->names, p->text + begin, p->at - begin), span_here(p, begin, p->at)};
    return true;
}

static bool accept_word(struct parser *p, const char *word)
{
    size_t length = strlen(word);
    skip_blanks(p);
    if (p->end - p->at < length || memcmp(p->text + p->at, word, length) != 0 ||
        (p->at + length < p->end && is_word_byte(p->text[p->at + length])))
        return false;
    p->at += length;
    return true;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_string(struct parser *p, const char **out)
{
    if (!expect(p, '"', "a string"))
        return false;
    struct text text;
    text_init(&text, p->arena);
    while (p->at < p->end && p->text[p->at] != '"' && p->text[p->at] != '\n') {
        char c = p->text[p->at++];
        if (c == '\\' && p->at < p->end && (p->text[p->at] == '"' || p->text[p->at] == '\\')) {
            c = p->text[p->at++];
        } else if (c == '\\') {
            int high = p->end - p->at > 2 && p->text[p->at] == 'x' ? hex_digit(p->text[p->at + 1]) : -1;
            int low = high >= 0 ? hex_digit(p->text[p->at + 2]) : -1;
            if (low < 0 || (high | low) == 0)
                return fail_here(p, "\\\", \\\\ or \\xNN");
            c = (char)(high * 16 + low);
            p->at += 3;
        } else if (c == 0) {
            p->at--;
            return fail_here(p, "a character of the string");
        }
        text_add_n(&text, &c, 1);
    }
    *out = text_string(&text);
    return expect(p, '"', "the closing '\"'");
}

static bool number_text(struct parser *p, char digits[MAX_NUMBER], size_t *out_begin, const char *what)
{
    skip_blanks(p);
    size_t begin = p->at, n = 0;
    while (p->at < p->end && (is_word_byte(p->text[p->at]) || p->text[p->at] == '+')) {
        if (n + 1 < MAX_NUMBER)
            digits[n++] = p->text[p->at];
        p->at++;
    }
    digits[n] = 0;
    *out_begin = begin;
    if (n == 0 || p->at - begin != n) {
        p->at = begin;
        return fail_here(p, what);
    }
    return true;
}

static bool parse_int(struct parser *p, int64_t *out, const char *what)
{
    char digits[MAX_NUMBER], *end;
    size_t begin;
    if (!number_text(p, digits, &begin, what))
        return false;
    errno = 0;
    long long value = strtoll(digits, &end, 10);
    if (*end || errno) {
        p->at = begin;
        return fail_here(p, what);
    }
    *out = value;
    return true;
}

static bool parse_float(struct parser *p, double *out)
{
    char digits[MAX_NUMBER], *end;
    size_t begin;
    if (!number_text(p, digits, &begin, "a number"))
        return false;
    *out = strtod(digits, &end);
    if (*end) {
        p->at = begin;
        return fail_here(p, "a number");
    }
    return true;
}

/* ---- types ---- */

static bool parse_type(struct parser *p, struct tensor_type *out)
{
    *out = (struct tensor_type){.rank = 0};
    struct word word;
    if (!parse_word(p, &word, "a type such as f32[N, 10]"))
        return false;
    size_t kind = 0;
    while (kind < dtype_count && strcmp(word.text, dtype_names[kind]) != 0)
        kind++;
    if (kind == dtype_count) {
        diag_error(p->diags, word.span, "unknown element type \"%s\"", diag_escape(p->arena, word.text, strlen(word.text)));
        diag_did_you_mean(p->diags, word.text, dtype_names, dtype_count);
        return false;
    }
    out->dtype = (enum dtype)kind;
    if (!expect(p, '[', "'['"))
        return false;
    while (!peek(p, ']')) {
        if (out->rank == GRAPH_MAX_RANK) {
            diag_error(p->diags, span_here(p, word.span.begin, p->at), "a tensor has at most %d dimensions", GRAPH_MAX_RANK);
            return false;
        }
        int64_t dim = DIM_N;
        if (!(out->rank == 0 && accept_word(p, "N"))) {
            size_t begin = p->at;
            if (!parse_int(p, &dim, "a dimension: N (only in front) or a number"))
                return false;
            if (dim < 1) {
                diag_error(p->diags, span_here(p, begin, p->at), "a dimension is at least 1, not %lld", (long long)dim);
                return false;
            }
        }
        out->dim[out->rank++] = dim;
        if (!accept(p, ','))
            break;
    }
    if (!expect(p, ']', "']'"))
        return false;
    if (out->dtype == DT_CLASS || out->dtype == DT_PROB) {
        if (out->rank != 2) {
            diag_error(p->diags, span_here(p, word.span.begin, p->at), "%s takes the batch and the number of classes: %s[N, 10]",
                       word.text, word.text);
            return false;
        }
        out->classes = out->dim[1];
        out->rank -= out->dtype == DT_CLASS;
        out->dim[out->rank] = out->dtype == DT_CLASS ? 0 : out->dim[out->rank];
    }
    if (type_elements(out) < 0) {
        diag_error(p->diags, span_here(p, word.span.begin, p->at), "this tensor has more elements than can be counted");
        return false;
    }
    return true;
}

/* ---- attributes ---- */

static bool parse_list(struct parser *p, enum attr_kind kind, struct attr *out)
{
    VEC(int64_t) ints = {0};
    VEC(double) floats = {0};
    if (!expect(p, '[', "a list: '['"))
        return false;
    while (!peek(p, ']')) {
        int64_t i = 0;
        double f = 0;
        if (kind == ATTR_INTS ? !parse_int(p, &i, "an integer") : !parse_float(p, &f))
            return false;
        if (kind == ATTR_INTS)
            vec_push(p->arena, &ints, i);
        else
            vec_push(p->arena, &floats, f);
        if (ints.count + floats.count > MAX_LIST)
            return fail_here(p, "a shorter list");
        if (!accept(p, ','))
            break;
    }
    out->count = (uint32_t)(ints.count + floats.count);
    out->ints = ints.at;
    out->floats = floats.at;
    return expect(p, ']', "']'");
}

static bool parse_enum(struct parser *p, const struct attr_info *info, struct attr *out)
{
    struct word word;
    if (!parse_word(p, &word, info->words))
        return false;
    out->i = attr_word_index(info, word.text, strlen(word.text));
    if (out->i < 0)
        diag_error(p->diags, word.span, "\"%s\" is not one of %s", diag_escape(p->arena, word.text, strlen(word.text)),
                   info->words);
    return out->i >= 0;
}

static bool parse_attr_value(struct parser *p, const struct attr_info *info, struct attr *out)
{
    switch (info->kind) {
    case ATTR_INT:
        return parse_int(p, &out->i, "an integer");
    case ATTR_FLOAT:
        return parse_float(p, &out->f);
    case ATTR_BOOL:
        out->i = accept_word(p, "true");
        return out->i || accept_word(p, "false") || fail_here(p, "true or false");
    case ATTR_ENUM:
        return parse_enum(p, info, out);
    case ATTR_STRING:
        return parse_string(p, &out->string);
    case ATTR_INTS:
    case ATTR_FLOATS:
        return parse_list(p, info->kind, out);
    }
    return false;
}

static bool parse_attrs(struct parser *p, const struct op_info *op, struct attr attr[GRAPH_MAX_ATTRS])
{
    if (!accept(p, '{'))
        return true;
    do {
        struct word name;
        if (!parse_word(p, &name, "an attribute's name"))
            return false;
        uint32_t i = 0;
        while (i < op->attrs && strcmp(op->attr[i].name, name.text) != 0)
            i++;
        if (i == op->attrs) {
            const char *known[GRAPH_MAX_ATTRS];
            for (uint32_t k = 0; k < op->attrs; k++)
                known[k] = op->attr[k].name;
            diag_error(p->diags, name.span, "%s has no attribute \"%s\"", op->name,
                       diag_escape(p->arena, name.text, strlen(name.text)));
            diag_did_you_mean(p->diags, name.text, known, op->attrs);
            return false;
        }
        if (attr[i].set) {
            diag_error(p->diags, name.span, "attribute \"%s\" is given twice", name.text);
            return false;
        }
        if (!expect(p, '=', "'='") || !parse_attr_value(p, &op->attr[i], &attr[i]))
            return false;
        attr[i].set = true;
    } while (accept(p, ','));
    return expect(p, '}', "',' or '}'");
}

/* ---- statements ---- */

static bool end_of_line(struct parser *p)
{
    skip_blanks(p);
    return p->at == p->end || p->text[p->at] == '\n' || p->text[p->at] == '#' || p->text[p->at] == '}' ||
           fail_here(p, "the end of the line");
}

static struct value *parse_use(struct parser *p)
{
    struct word name;
    if (!expect(p, '%', "a value: '%'") || !parse_word(p, &name, "a value's name"))
        return NULL;
    struct value *value = map_get(&p->values, name.text);
    if (value || p->damaged)
        return value;
    diag_error(p->diags, name.span, "%%%s is not defined above", diag_escape(p->arena, name.text, strlen(name.text)));
    VEC(const char *) known = {0};
    for (size_t i = 0; i < p->graph->nodes.count; i++)
        for (uint32_t k = 0; k < p->graph->nodes.at[i]->outputs; k++)
            vec_push(p->arena, &known, p->graph->nodes.at[i]->output[k]->name);
    diag_did_you_mean(p->diags, name.text, known.at, known.count);
    return NULL;
}

static const struct op_info *parse_op(struct parser *p)
{
    struct word name;
    if (!parse_word(p, &name, "an op"))
        return NULL;
    const struct op_info *op = graph_op(p->graph, name.text);
    if (op)
        return op;
    const struct op_set *ops = p->graph->ops;
    const char **known = ARENA_ARRAY(p->arena, const char *, ops->count);
    for (uint32_t i = 0; i < ops->count; i++)
        known[i] = ops->info[i]->name;
    diag_error(p->diags, name.span, "unknown op \"%s\"", diag_escape(p->arena, name.text, strlen(name.text)));
    diag_did_you_mean(p->diags, name.text, known, ops->count);
    return NULL;
}

static bool parse_outputs(struct parser *p, struct word names[GRAPH_MAX_OUTPUTS], uint32_t *out_count)
{
    uint32_t count = 0;
    do {
        if (count == GRAPH_MAX_OUTPUTS)
            return fail_here(p, "':': a node has few values");
        if (!expect(p, '%', "a value: '%'") || !parse_word(p, &names[count], "a value's name"))
            return false;
        bool taken = map_get(&p->values, names[count].text);
        for (uint32_t i = 0; i < count; i++)
            taken |= names[i].text == names[count].text;
        if (taken) {
            diag_error(p->diags, names[count].span, "%%%s is defined twice",
                       diag_escape(p->arena, names[count].text, strlen(names[count].text)));
            return false;
        }
        count++;
    } while (accept(p, ','));
    *out_count = count;
    return expect(p, ':', "':' and the types");
}

static bool parse_inputs(struct parser *p, struct value *input[GRAPH_MAX_INPUTS], uint32_t *out_count)
{
    uint32_t count = 0;
    if (peek(p, '%')) {
        do {
            if (count == GRAPH_MAX_INPUTS)
                return fail_here(p, "fewer inputs");
            if (!(input[count++] = parse_use(p)))
                return false;
        } while (accept(p, ','));
    }
    *out_count = count;
    return true;
}

static const char *parse_origin(struct parser *p)
{
    if (!accept(p, '#'))
        return NULL;
    skip_blanks(p);
    size_t begin = p->at;
    skip_line(p);
    size_t end = p->at;
    while (end > begin && (p->text[end - 1] == ' ' || p->text[end - 1] == '\r' || p->text[end - 1] == '\t'))
        end--;
    for (size_t i = begin; i < end; i++)
        if ((unsigned char)p->text[i] < ' ')
            return diag_escape(p->arena, p->text + begin, end - begin);
    return end > begin ? arena_strndup(p->arena, p->text + begin, end - begin) : NULL;
}

static void define(struct parser *p, struct value *value, struct word name, struct tensor_type type)
{
    int64_t number;
    graph_name_value(p->graph, value, name.text);
    value->type = type;
    value->span = name.span;
    map_set(&p->values, name.text, value);
    if (text_to_int(name.text, &number) && number < UINT32_MAX && number >= p->graph->next_number)
        p->graph->next_number = (uint32_t)number + 1;
}

static bool parse_node(struct parser *p)
{
    struct word name[GRAPH_MAX_OUTPUTS];
    struct tensor_type type[GRAPH_MAX_OUTPUTS];
    struct value *input[GRAPH_MAX_INPUTS];
    struct attr attr[GRAPH_MAX_ATTRS] = {{0}};
    uint32_t outputs = 0, inputs = 0;
    size_t begin = p->at;
    if (!parse_outputs(p, name, &outputs))
        return false;
    for (uint32_t i = 0; i < outputs; i++)
        if ((i && !expect(p, ',', "',' and the next type")) || !parse_type(p, &type[i]))
            return false;
    if (!expect(p, '=', "'=' and an op"))
        return false;
    const struct op_info *op = parse_op(p);
    if (!op)
        return false;
    if (op->attrs && op->attr[0].kind == ATTR_STRING && peek(p, '"')) {
        attr[0].set = true;
        if (!parse_string(p, &attr[0].string))
            return false;
    }
    if (!parse_inputs(p, input, &inputs) || !parse_attrs(p, op, attr))
        return false;
    struct word kernel = {0};
    if (accept_word(p, "in") && !parse_word(p, &kernel, "the kernel's name"))
        return false;
    if (!end_of_line(p))
        return false;
    struct span span = span_here(p, begin, p->at);
    if (outputs != op->outputs) {
        diag_error(p->diags, span, "%s has %u value%s, not %u", op->name, op->outputs, op->outputs == 1 ? "" : "s",
                   outputs);
        return false;
    }
    /* The fresh numbers of graph_add must not take names that the text uses further down. */
    struct node *node = ARENA_NEW(p->arena, struct node);
    *node = (struct node){.op = op, .inputs = inputs, .outputs = outputs, .kernel = kernel.text, .span = span};
    memcpy(node->attr, attr, sizeof attr);
    memcpy(node->input, input, inputs * sizeof *input);
    for (uint32_t i = 0; i < outputs; i++) {
        node->output[i] = ARENA_NEW(p->arena, struct value);
        *node->output[i] = (struct value){.node = node, .output = i};
        define(p, node->output[i], name[i], type[i]);
    }
    node->origin = parse_origin(p);
    vec_push(p->arena, &p->graph->nodes, node);
    return true;
}

static bool parse_result(struct parser *p)
{
    struct word role;
    const char *name;
    if (!parse_word(p, &role, "the result's role"))
        return false;
    const char *known[16];
    size_t kind = result_role_count;
    for (size_t i = 0; i < result_role_count; i++) {
        known[i] = result_role_name((enum result_role)i);
        if (strcmp(known[i], role.text) == 0)
            kind = i;
    }
    if (kind == result_role_count) {
        diag_error(p->diags, role.span, "unknown role of a result \"%s\"",
                   diag_escape(p->arena, role.text, strlen(role.text)));
        diag_did_you_mean(p->diags, role.text, known, result_role_count);
        return false;
    }
    if (!parse_string(p, &name))
        return false;
    struct value *value = parse_use(p);
    if (!value || !end_of_line(p))
        return false;
    graph_add_result(p->graph, (enum result_role)kind, name, value);
    return true;
}

static bool parse_header(struct parser *p)
{
    struct word name;
    skip_lines(p);
    if (!accept_word(p, "graph"))
        return fail_here(p, "\"graph @NAME {\"");
    if (!expect(p, '@', "'@' and the graph's name") || !parse_word(p, &name, "the graph's name") || !expect(p, '{', "'{'"))
        return false;
    p->graph->name = name.text;
    return true;
}

static void parse_body(struct parser *p)
{
    for (;;) {
        skip_lines(p);
        if (p->at == p->end) {
            fail_here(p, "'}' at the end of the graph");
            return;
        }
        if (accept(p, '}'))
            break;
        bool ok = accept_word(p, "return") ? parse_result(p) : peek(p, '%') ? parse_node(p) : fail_here(p, "a node, a return or '}'");
        if (!ok) {
            p->damaged = true;
            skip_line(p);
            if (p->diags->errors >= DIAG_MAX_ERRORS)
                return;
        }
    }
    skip_lines(p);
    if (p->at < p->end)
        fail_here(p, "the end of the text");
}

struct graph *graph_parse(struct arena *arena, struct diag_list *diags, const struct op_set *ops, uint32_t file)
{
    const struct source_file *source = source_file(diags->map, file);
    size_t errors = diags->errors;
    struct parser p = {.arena = arena, .diags = diags, .text = source->text, .file = file, .end = source->length};
    if (p.end > UINT32_MAX / 2) {
        diag_error(diags, (struct span){file, 0, 0}, "this file is too large");
        return NULL;
    }
    interner_init(&p.names, arena);
    map_init(&p.values, arena);
    p.graph = graph_create(arena, ops, "");
    if (parse_header(&p))
        parse_body(&p);
    return diags->errors == errors ? p.graph : NULL;
}
