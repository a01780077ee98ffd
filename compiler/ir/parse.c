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
#include "scan.h"

#include <string.h>

enum { MAX_LIST = 1 << 20 };

struct parser {
    struct scanner s;
    struct graph *graph;
    struct pointer_map values; /* interned name -> struct value */
    bool damaged;              /* a definition was lost: uses of unknown values are consequences */
};

static const char *quoted(struct parser *p, struct word word)
{
    return diag_escape(p->s.arena, word.text, strlen(word.text));
}

static struct span since(struct parser *p, size_t begin)
{
    return scan_span(&p->s, begin, p->s.at);
}

/* ---- types ---- */

static bool parse_type(struct parser *p, struct tensor_type *out)
{
    *out = (struct tensor_type){.rank = 0};
    struct word word;
    if (!scan_word(&p->s, &word, "a type such as f32[N, 10]"))
        return false;
    size_t kind = 0;
    while (kind < dtype_count && strcmp(word.text, dtype_names[kind]) != 0)
        kind++;
    if (kind == dtype_count) {
        diag_error(p->s.diags, word.span, "unknown element type \"%s\"", quoted(p, word));
        diag_did_you_mean(p->s.diags, word.text, dtype_names, dtype_count);
        return false;
    }
    out->dtype = (enum dtype)kind;
    if (!scan_expect(&p->s, '[', "'['"))
        return false;
    while (!scan_peek(&p->s, ']')) {
        if (out->rank == GRAPH_MAX_RANK) {
            diag_error(p->s.diags, since(p, word.span.begin), "a tensor has at most %d dimensions", GRAPH_MAX_RANK);
            return false;
        }
        int64_t dim = DIM_N;
        if (!(out->rank == 0 && scan_accept_word(&p->s, "N"))) {
            size_t begin = p->s.at;
            if (!scan_int(&p->s, &dim, "a dimension: N (only in front) or a number"))
                return false;
            if (dim < 1) {
                diag_error(p->s.diags, since(p, begin), "a dimension is at least 1, not %lld", (long long)dim);
                return false;
            }
        }
        out->dim[out->rank++] = dim;
        if (!scan_accept(&p->s, ','))
            break;
    }
    if (!scan_expect(&p->s, ']', "']'"))
        return false;
    if (out->dtype == DT_CLASS || out->dtype == DT_PROB) {
        if (out->rank != 2) {
            diag_error(p->s.diags, since(p, word.span.begin), "%s takes the batch and the number of classes: %s[N, 10]",
                       word.text, word.text);
            return false;
        }
        out->classes = out->dim[1];
        out->rank -= out->dtype == DT_CLASS;
        out->dim[out->rank] = out->dtype == DT_CLASS ? 0 : out->dim[out->rank];
    }
    if (type_elements(out) < 0) {
        diag_error(p->s.diags, since(p, word.span.begin), "this tensor has more elements than can be counted");
        return false;
    }
    return true;
}

/* ---- attributes ---- */

static bool parse_list(struct parser *p, enum attr_kind kind, struct attr *out)
{
    VEC(int64_t) ints = {0};
    VEC(double) floats = {0};
    if (!scan_expect(&p->s, '[', "a list: '['"))
        return false;
    while (!scan_peek(&p->s, ']')) {
        int64_t i = 0;
        double f = 0;
        if (kind == ATTR_INTS ? !scan_int(&p->s, &i, "an integer") : !scan_float(&p->s, &f))
            return false;
        if (kind == ATTR_INTS)
            vec_push(p->s.arena, &ints, i);
        else
            vec_push(p->s.arena, &floats, f);
        if (ints.count + floats.count > MAX_LIST)
            return scan_fail(&p->s, "a shorter list");
        if (!scan_accept(&p->s, ','))
            break;
    }
    out->count = (uint32_t)(ints.count + floats.count);
    out->ints = ints.at;
    out->floats = floats.at;
    return scan_expect(&p->s, ']', "']'");
}

static bool parse_enum(struct parser *p, const struct attr_info *info, struct attr *out)
{
    struct word word;
    if (!scan_word(&p->s, &word, info->words))
        return false;
    out->i = attr_word_index(info, word.text, strlen(word.text));
    if (out->i < 0)
        diag_error(p->s.diags, word.span, "\"%s\" is not one of %s", quoted(p, word),
                   info->words);
    return out->i >= 0;
}

static bool parse_attr_value(struct parser *p, const struct attr_info *info, struct attr *out)
{
    switch (info->kind) {
    case ATTR_INT:
        return scan_int(&p->s, &out->i, "an integer");
    case ATTR_FLOAT:
        return scan_float(&p->s, &out->f);
    case ATTR_BOOL:
        out->i = scan_accept_word(&p->s, "true");
        return out->i || scan_accept_word(&p->s, "false") || scan_fail(&p->s, "true or false");
    case ATTR_ENUM:
        return parse_enum(p, info, out);
    case ATTR_STRING:
        return scan_string(&p->s, &out->string);
    case ATTR_INTS:
    case ATTR_FLOATS:
        return parse_list(p, info->kind, out);
    }
    return false;
}

static bool parse_attrs(struct parser *p, const struct op_info *op, struct attr attr[GRAPH_MAX_ATTRS])
{
    if (!scan_accept(&p->s, '{'))
        return true;
    do {
        struct word name;
        if (!scan_word(&p->s, &name, "an attribute's name"))
            return false;
        uint32_t i = 0;
        while (i < op->attrs && strcmp(op->attr[i].name, name.text) != 0)
            i++;
        if (i == op->attrs) {
            const char *known[GRAPH_MAX_ATTRS];
            for (uint32_t k = 0; k < op->attrs; k++)
                known[k] = op->attr[k].name;
            diag_error(p->s.diags, name.span, "%s has no attribute \"%s\"", op->name,
                       quoted(p, name));
            diag_did_you_mean(p->s.diags, name.text, known, op->attrs);
            return false;
        }
        if (attr[i].set) {
            diag_error(p->s.diags, name.span, "attribute \"%s\" is given twice", name.text);
            return false;
        }
        if (!scan_expect(&p->s, '=', "'='") || !parse_attr_value(p, &op->attr[i], &attr[i]))
            return false;
        attr[i].set = true;
    } while (scan_accept(&p->s, ','));
    return scan_expect(&p->s, '}', "',' or '}'");
}

/* ---- statements ---- */

static bool end_of_line(struct parser *p)
{
    scan_blanks(&p->s);
    char c = p->s.at < p->s.end ? p->s.text[p->s.at] : '\n';
    return c == '\n' || c == '#' || c == '}' || scan_fail(&p->s, "the end of the line");
}

static struct value *parse_use(struct parser *p)
{
    struct word name;
    if (!scan_expect(&p->s, '%', "a value: '%'") || !scan_word(&p->s, &name, "a value's name"))
        return NULL;
    struct value *value = map_get(&p->values, name.text);
    if (value || p->damaged)
        return value;
    diag_error(p->s.diags, name.span, "%%%s is not defined above", quoted(p, name));
    VEC(const char *) known = {0};
    for (size_t i = 0; i < p->graph->nodes.count; i++)
        for (uint32_t k = 0; k < p->graph->nodes.at[i]->outputs; k++)
            vec_push(p->s.arena, &known, p->graph->nodes.at[i]->output[k]->name);
    diag_did_you_mean(p->s.diags, name.text, known.at, known.count);
    return NULL;
}

static const struct op_info *parse_op(struct parser *p)
{
    struct word name;
    if (!scan_word(&p->s, &name, "an op"))
        return NULL;
    const struct op_info *op = graph_op(p->graph, name.text);
    if (op)
        return op;
    const struct op_set *ops = p->graph->ops;
    const char **known = ARENA_ARRAY(p->s.arena, const char *, ops->count);
    for (uint32_t i = 0; i < ops->count; i++)
        known[i] = ops->info[i]->name;
    diag_error(p->s.diags, name.span, "unknown op \"%s\"", quoted(p, name));
    diag_did_you_mean(p->s.diags, name.text, known, ops->count);
    return NULL;
}

static bool parse_outputs(struct parser *p, struct word names[GRAPH_MAX_OUTPUTS], uint32_t *out_count)
{
    uint32_t count = 0;
    do {
        if (count == GRAPH_MAX_OUTPUTS)
            return scan_fail(&p->s, "':': a node has few values");
        if (!scan_expect(&p->s, '%', "a value: '%'") || !scan_word(&p->s, &names[count], "a value's name"))
            return false;
        bool taken = map_get(&p->values, names[count].text);
        for (uint32_t i = 0; i < count; i++)
            taken |= names[i].text == names[count].text;
        if (taken) {
            diag_error(p->s.diags, names[count].span, "%%%s is defined twice",
                       quoted(p, names[count]));
            return false;
        }
        count++;
    } while (scan_accept(&p->s, ','));
    *out_count = count;
    return scan_expect(&p->s, ':', "':' and the types");
}

static bool parse_inputs(struct parser *p, struct value *input[GRAPH_MAX_INPUTS], uint32_t *out_count)
{
    uint32_t count = 0;
    if (scan_peek(&p->s, '%')) {
        do {
            if (count == GRAPH_MAX_INPUTS)
                return scan_fail(&p->s, "fewer inputs");
            if (!(input[count++] = parse_use(p)))
                return false;
        } while (scan_accept(&p->s, ','));
    }
    *out_count = count;
    return true;
}

static const char *parse_origin(struct parser *p)
{
    if (!scan_accept(&p->s, '#'))
        return NULL;
    scan_blanks(&p->s);
    size_t begin = p->s.at;
    scan_line(&p->s);
    size_t end = p->s.at;
    while (end > begin && (p->s.text[end - 1] == ' ' || p->s.text[end - 1] == '\r' || p->s.text[end - 1] == '\t'))
        end--;
    for (size_t i = begin; i < end; i++)
        if ((unsigned char)p->s.text[i] < ' ')
            return diag_escape(p->s.arena, p->s.text + begin, end - begin);
    return end > begin ? arena_strndup(p->s.arena, p->s.text + begin, end - begin) : NULL;
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
    size_t begin = p->s.at;
    if (!parse_outputs(p, name, &outputs))
        return false;
    for (uint32_t i = 0; i < outputs; i++)
        if ((i && !scan_expect(&p->s, ',', "',' and the next type")) || !parse_type(p, &type[i]))
            return false;
    if (!scan_expect(&p->s, '=', "'=' and an op"))
        return false;
    const struct op_info *op = parse_op(p);
    if (!op)
        return false;
    if (op->attrs && op->attr[0].kind == ATTR_STRING && scan_peek(&p->s, '"')) {
        attr[0].set = true;
        if (!scan_string(&p->s, &attr[0].string))
            return false;
    }
    if (!parse_inputs(p, input, &inputs) || !parse_attrs(p, op, attr))
        return false;
    struct word kernel = {0};
    if (scan_accept_word(&p->s, "in") && !scan_word(&p->s, &kernel, "the kernel's name"))
        return false;
    if (!end_of_line(p))
        return false;
    struct span span = since(p, begin);
    if (outputs != op->outputs) {
        diag_error(p->s.diags, span, "%s has %u value%s, not %u", op->name, op->outputs, op->outputs == 1 ? "" : "s",
                   outputs);
        return false;
    }
    /* The fresh numbers of graph_add must not take names that the text uses further down. */
    struct node *node = ARENA_NEW(p->s.arena, struct node);
    *node = (struct node){.op = op, .inputs = inputs, .outputs = outputs, .kernel = kernel.text, .span = span};
    memcpy(node->attr, attr, sizeof attr);
    memcpy(node->input, input, inputs * sizeof *input);
    for (uint32_t i = 0; i < outputs; i++) {
        node->output[i] = ARENA_NEW(p->s.arena, struct value);
        *node->output[i] = (struct value){.node = node, .output = i};
        define(p, node->output[i], name[i], type[i]);
    }
    node->origin = parse_origin(p);
    vec_push(p->s.arena, &p->graph->nodes, node);
    return true;
}

static bool parse_result(struct parser *p)
{
    struct word role;
    const char *name;
    if (!scan_word(&p->s, &role, "the result's role"))
        return false;
    const char *known[16];
    size_t kind = result_role_count;
    for (size_t i = 0; i < result_role_count; i++) {
        known[i] = result_role_name((enum result_role)i);
        if (strcmp(known[i], role.text) == 0)
            kind = i;
    }
    if (kind == result_role_count) {
        diag_error(p->s.diags, role.span, "unknown role of a result \"%s\"",
                   quoted(p, role));
        diag_did_you_mean(p->s.diags, role.text, known, result_role_count);
        return false;
    }
    if (!scan_string(&p->s, &name))
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
    scan_lines(&p->s);
    if (!scan_accept_word(&p->s, "graph"))
        return scan_fail(&p->s, "\"graph @NAME {\"");
    if (!scan_expect(&p->s, '@', "'@' and the graph's name") || !scan_word(&p->s, &name, "the graph's name") ||
        !scan_expect(&p->s, '{', "'{'"))
        return false;
    p->graph->name = name.text;
    p->graph->span = name.span;
    return true;
}

static void parse_body(struct parser *p)
{
    for (;;) {
        scan_lines(&p->s);
        if (p->s.at == p->s.end) {
            scan_fail(&p->s, "'}' at the end of the graph");
            return;
        }
        if (scan_accept(&p->s, '}'))
            break;
        bool ok = scan_accept_word(&p->s, "return") ? parse_result(p)
                  : scan_peek(&p->s, '%')           ? parse_node(p)
                                                    : scan_fail(&p->s, "a node, a return or '}'");
        if (!ok) {
            p->damaged = true;
            scan_line(&p->s);
            if (diag_enough(p->s.diags))
                return;
        }
    }
    scan_lines(&p->s);
    if (p->s.at < p->s.end)
        scan_fail(&p->s, "the end of the text");
}

struct graph *graph_parse(struct arena *arena, struct diag_list *diags, const struct op_set *ops, uint32_t file)
{
    const struct source_file *source = source_file(diags->map, file);
    size_t errors = diags->errors;
    struct parser p = {.s = {.arena = arena, .diags = diags, .text = source->text, .file = file}};
    p.s.end = source->length;
    if (source->length > UINT32_MAX / 2) {
        diag_error(diags, (struct span){file, 0, 0}, "this file is too large");
        return NULL;
    }
    interner_init(&p.s.names, arena);
    map_init(&p.values, arena);
    p.graph = graph_create(arena, ops, "");
    if (parse_header(&p))
        parse_body(&p);
    return diags->errors == errors ? p.graph : NULL;
}
