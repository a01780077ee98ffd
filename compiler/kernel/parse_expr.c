/* Expressions, by precedence climbing; reductions; index variables and the scope that they live in. */
#include "parse.h"
#include "math_functions.h"
#include "syntax.h"

#include <string.h>

static struct kexpr *parse_at(struct kparser *p, int weakest);

/* ---- names ---- */

const struct ksymbol *kparse_find(const struct kparser *p, const char *name)
{
    for (size_t i = p->symbols.count; i-- > 0;)
        if (strcmp(p->symbols.at[i].name, name) == 0)
            return &p->symbols.at[i];
    return NULL;
}

bool kparse_declare(struct kparser *p, struct span span, struct ksymbol symbol)
{
    if (kparse_find(p, symbol.name)) {
        diag_error(p->diags, span, "%s is already defined here",
                   diag_escape(p->arena, symbol.name, strlen(symbol.name)));
        return false;
    }
    vec_push(p->arena, &p->symbols, symbol);
    return true;
}

static void report_unknown(struct kparser *p, struct span span, const char *name)
{
    if (p->incomplete)
        return;
    diag_error(p->diags, span, "unknown name %s", diag_escape(p->arena, name, strlen(name)));
    const char **names = ARENA_ARRAY(p->arena, const char *, p->symbols.count);
    for (size_t i = 0; i < p->symbols.count; i++)
        names[i] = p->symbols.at[i].name;
    diag_did_you_mean(p->diags, name, names, p->symbols.count);
}

static void report_unknown_function(struct kparser *p, struct span span, const char *name)
{
    VEC(const char *) names = {0};
    for (int op = 0; op < KX_COUNT; op++)
        if (ksyntax_form((enum kop)op) == 'F')
            vec_push(p->arena, &names, ksyntax_text((enum kop)op));
    for (int kind = 0; kind < KSYNTAX_REDUCE_KINDS; kind++)
        vec_push(p->arena, &names, ksyntax_reduce((enum kreduce_kind)kind));
    for (size_t i = 0; kernel_builtin(i); i++)
        vec_push(p->arena, &names, kernel_builtin(i));
    for (size_t i = 0; i < p->program->functions.count; i++)
        vec_push(p->arena, &names, p->program->functions.at[i]->name);
    vec_push(p->arena, &names, "position");
    diag_error(p->diags, span, "unknown function %s", diag_escape(p->arena, name, strlen(name)));
    diag_did_you_mean(p->diags, name, names.at, names.count);
}

/* ---- reductions ---- */

struct kindex *kparse_index(struct kparser *p, bool may_be_bounded)
{
    struct span span = p->token.span;
    const char *name = kparse_name(p, "an index variable");
    if (!name || !kparse_expect(p, "<", "behind an index variable"))
        return NULL;
    int64_t extent = 0;
    const struct kscalar *bound = NULL;
    if (may_be_bounded && p->token.kind == KTOK_NAME) {
        const struct ksymbol *symbol = kparse_find(p, p->token.text);
        if (!symbol) {
            report_unknown(p, p->token.span, p->token.text);
            return NULL;
        }
        if (symbol->kind != KSYM_SCALAR || symbol->scalar->limit == 0) {
            diag_error(p->diags, p->token.span, "%s is no scalar with a limit (i32 <= N), so it bounds no index",
                       diag_escape(p->arena, p->token.text, strlen(p->token.text)));
            return NULL;
        }
        bound = symbol->scalar;
        extent = bound->limit;
        kparse_next(p);
    } else if (!kparse_integer(p, "an extent", &extent)) {
        return NULL;
    }
    struct kindex *index = kindex_new(p->arena, name, extent, bound);
    return kparse_declare(p, span, (struct ksymbol){.name = name, .kind = KSYM_INDEX, .index = index}) ? index : NULL;
}

/* 0 <= value < limit */
static bool parse_condition(struct kparser *p, struct kcondition *out)
{
    int64_t zero = 0;
    struct span span = p->token.span;
    if (!kparse_integer(p, "0 <= value < limit", &zero))
        return false;
    if (zero != 0) {
        diag_error(p->diags, span, "a condition reads 0 <= value < limit");
        return false;
    }
    if (!kparse_expect(p, "<=", "in 0 <= value < limit"))
        return false;
    out->value = parse_at(p, KPREC_BIT_OR);
    return out->value && kparse_expect(p, "<", "in 0 <= value < limit") &&
           kparse_integer(p, "the limit of a condition", &out->limit);
}

static bool parse_domain(struct kparser *p, struct kreduce *reduce)
{
    VEC(struct kindex *) index = {0};
    VEC(struct kcondition) conditions = {0};
    do {
        struct kindex *one = kparse_index(p, true);
        if (!one)
            return false;
        vec_push(p->arena, &index, one);
    } while (kparse_accept(p, ","));
    if (kparse_accept(p, "|")) {
        do {
            struct kcondition condition = {0};
            if (!parse_condition(p, &condition))
                return false;
            vec_push(p->arena, &conditions, condition);
        } while (kparse_accept(p, ","));
    }
    reduce->index = index.at;
    reduce->indices = (uint32_t)index.count;
    reduce->condition = conditions.at;
    reduce->conditions = (uint32_t)conditions.count;
    return true;
}

/* Behind the name and the parenthesis. The indices are known in the conditions and terms, not in `from`. */
static struct kexpr *parse_reduce(struct kparser *p, enum kreduce_kind kind)
{
    struct kreduce reduce = {.kind = kind};
    size_t outside = p->symbols.count;
    struct kexpr *result = NULL;
    bool two = kind == KR_SUM_FMA || kind == KR_SUM_BLOCKS;
    if (!parse_domain(p, &reduce))
        goto done;
    if (kparse_accept_word(p, "from")) {
        VEC(struct ksymbol) inside = {0};
        for (size_t i = outside; i < p->symbols.count; i++)
            vec_push(p->arena, &inside, p->symbols.at[i]);
        p->symbols.count = outside;
        reduce.from = parse_at(p, KPREC_OR);
        for (size_t i = 0; i < inside.count; i++)
            vec_push(p->arena, &p->symbols, inside.at[i]);
        if (!reduce.from)
            goto done;
    }
    if (!kparse_expect(p, ":", "before the term") || !(reduce.term[0] = parse_at(p, KPREC_OR)))
        goto done;
    if (two && (!kparse_expect(p, ",", "between the two factors") || !(reduce.term[1] = parse_at(p, KPREC_OR))))
        goto done;
    if (kparse_expect(p, ")", "behind the term"))
        result = kx_reduce(p->arena, &reduce);
done:
    p->symbols.count = outside;
    return result;
}

/* ---- calls and subscripts ---- */

enum { MAX_ARGUMENTS = KERNEL_MAX_RANK };

/* Up to the closing sign; the count of arguments, or -1 after an error. */
static int parse_arguments(struct kparser *p, const char *close, struct kexpr **args)
{
    int count = 0;
    do {
        if (count == MAX_ARGUMENTS) {
            diag_error(p->diags, p->token.span, "more than %d arguments", MAX_ARGUMENTS);
            return -1;
        }
        if (!(args[count++] = parse_at(p, KPREC_OR)))
            return -1;
    } while (kparse_accept(p, ","));
    return kparse_expect(p, close, "behind the arguments") ? count : -1;
}

static bool expect_count(struct kparser *p, struct span span, const char *name, int wanted, int got)
{
    if (wanted == got)
        return true;
    diag_error(p->diags, span, "%s takes %d argument%s, not %d", diag_escape(p->arena, name, strlen(name)), wanted,
               wanted == 1 ? "" : "s", got);
    return false;
}

static struct kexpr *parse_where(struct kparser *p)
{
    struct kexpr *condition = parse_at(p, KPREC_OR);
    if (!condition || !kparse_expect(p, ":", "behind the condition"))
        return NULL;
    struct kexpr *yes = parse_at(p, KPREC_OR);
    if (!yes || !kparse_expect(p, ";", "behind the first arm"))
        return NULL;
    struct kexpr *no = parse_at(p, KPREC_OR);
    return no && kparse_expect(p, ")", "behind the second arm") ? kx_ternary(p->arena, KX_WHERE, condition, yes, no)
                                                               : NULL;
}

static struct kexpr *parse_operator_call(struct kparser *p, struct span span, enum kop op)
{
    if (op == KX_WHERE)
        return parse_where(p);
    struct kexpr *args[MAX_ARGUMENTS];
    int count = parse_arguments(p, ")", args);
    if (count < 0 || !expect_count(p, span, ksyntax_text(op), (int)ksyntax_arity(op), count))
        return NULL;
    if (count == 1)
        return kx_unary(p->arena, op, args[0]);
    return count == 2 ? kx_binary(p->arena, op, args[0], args[1])
                      : kx_ternary(p->arena, op, args[0], args[1], args[2]);
}

static const struct kfunction *find_function(struct kparser *p, const char *name)
{
    for (size_t i = 0; i < p->program->functions.count; i++)
        if (strcmp(p->program->functions.at[i]->name, name) == 0)
            return p->program->functions.at[i];
    return kernel_function(p->program, name);
}

/* Behind `name (`. */
static struct kexpr *parse_call(struct kparser *p, struct span span, const char *name)
{
    for (int op = 0; op < KX_COUNT; op++)
        if (ksyntax_form((enum kop)op) == 'F' && strcmp(ksyntax_text((enum kop)op), name) == 0)
            return parse_operator_call(p, span, (enum kop)op);
    for (int kind = 0; kind < KSYNTAX_REDUCE_KINDS; kind++)
        if (strcmp(ksyntax_reduce((enum kreduce_kind)kind), name) == 0)
            return parse_reduce(p, (enum kreduce_kind)kind);
    bool position = strcmp(name, "position") == 0;
    const struct kfunction *function = position ? NULL : find_function(p, name);
    if (!position && !function) {
        report_unknown_function(p, span, name);
        return NULL;
    }
    struct kexpr *args[MAX_ARGUMENTS];
    int count = parse_arguments(p, ")", args);
    if (count < 0 || !expect_count(p, span, name, position ? 1 : (int)function->parameters, count))
        return NULL;
    return position ? kx_position(p->arena, args[0]) : kx_call(p->arena, function, args);
}

static struct kexpr *parse_symbol(struct kparser *p, struct span span, const char *name)
{
    const struct ksymbol *symbol = kparse_find(p, name);
    if (!symbol) {
        report_unknown(p, span, name);
        return NULL;
    }
    struct ksymbol found = *symbol; /* reading subscripts may move the table */
    struct kexpr *args[MAX_ARGUMENTS];
    int count = 0;
    if (kparse_accept(p, "[")) {
        count = parse_arguments(p, "]", args);
        if (count < 0)
            return NULL;
    }
    int rank = found.kind == KSYM_BUFFER ? (int)found.buffer->rank : found.kind == KSYM_LET ? (int)found.let->rank : 0;
    if (count != rank) {
        diag_error(p->diags, span, "%s has rank %d, but %d subscript%s", diag_escape(p->arena, name, strlen(name)),
                   rank, count, count == 1 ? "" : "s");
        return NULL;
    }
    switch (found.kind) {
    case KSYM_BUFFER: return kx_load(p->arena, found.buffer, args);
    case KSYM_LET: return kx_let(p->arena, found.let, args);
    case KSYM_SCALAR: return kx_scalar(p->arena, found.scalar);
    default: return kx_index(p->arena, found.index);
    }
}

/* ---- primaries and operators ---- */

static struct kexpr *parse_integer_constant(struct kparser *p, bool negative)
{
    int64_t value = negative ? -p->token.integer : p->token.integer;
    if (value < INT32_MIN || value > INT32_MAX) {
        diag_error(p->diags, p->token.span, "%lld does not fit into i32", (long long)value);
        return NULL;
    }
    kparse_next(p);
    return kx_i32(p->arena, (int32_t)value);
}

/* With the sign that stood before it; NULL without a message when there is none. */
static struct kexpr *parse_number(struct kparser *p, bool negative)
{
    float value;
    return kparse_f32(p, &value) ? kx_f32(p->arena, negative ? -value : value) : NULL;
}

static bool is_number(const struct kparser *p)
{
    return p->token.kind == KTOK_INT || p->token.kind == KTOK_FLOAT || kparse_is_word(p, "inf") ||
           kparse_is_word(p, "nan");
}

static struct kexpr *parse_primary(struct kparser *p)
{
    struct span span = p->token.span;
    if (p->token.kind == KTOK_INT)
        return parse_integer_constant(p, false);
    if (is_number(p))
        return parse_number(p, false);
    if (kparse_accept_word(p, "true"))
        return kx_bool(p->arena, true);
    if (kparse_accept_word(p, "false"))
        return kx_bool(p->arena, false);
    if (kparse_accept(p, "(")) {
        struct kexpr *inner = parse_at(p, KPREC_OR);
        return inner && kparse_expect(p, ")", "behind the expression") ? inner : NULL;
    }
    if (p->token.kind == KTOK_NAME && (p->token.quoted || !ksyntax_reserved(p->token.text))) {
        const char *name = p->token.text;
        kparse_next(p);
        return kparse_accept(p, "(") ? parse_call(p, span, name) : parse_symbol(p, span, name);
    }
    kparse_unexpected(p, "an expression");
    return NULL;
}

static struct kexpr *parse_prefix(struct kparser *p)
{
    bool minus = kparse_is_sign(p, "-");
    if (!minus && !kparse_is_sign(p, "!"))
        return parse_primary(p);
    kparse_next(p);
    if (minus && p->token.kind == KTOK_INT)
        return parse_integer_constant(p, true);
    if (minus && is_number(p))
        return parse_number(p, true);
    struct kexpr *operand = parse_at(p, KPREC_PREFIX);
    return operand ? kx_unary(p->arena, minus ? KX_NEG : KX_NOT, operand) : NULL;
}

/* The infix operator at the current token, KX_COUNT when there is none. */
static enum kop infix_operator(const struct kparser *p)
{
    if (p->token.kind == KTOK_SIGN)
        for (int op = 0; op < KX_COUNT; op++)
            if (ksyntax_form((enum kop)op) == 'I' && strcmp(ksyntax_text((enum kop)op), p->token.text) == 0)
                return (enum kop)op;
    return KX_COUNT;
}

/* From `begin` to the last token read, unless a part in parentheses has its own already. */
static void set_span(const struct kparser *p, struct kexpr *expr, struct span begin)
{
    if (expr->span.file == 0)
        expr->span = span_join(begin, p->last);
}

static bool may_go_deeper(struct kparser *p)
{
    if (p->depth > KPARSE_DEPTH) {
        diag_error(p->diags, p->token.span, "this expression is nested too deeply");
        return false;
    }
    if (++p->operations > KPARSE_OPERATIONS) {
        diag_error(p->diags, p->token.span, "this statement is too long");
        return false;
    }
    return true;
}

static struct kexpr *parse_infix(struct kparser *p, int weakest)
{
    struct span begin = p->token.span;
    struct kexpr *left = parse_prefix(p);
    while (left) {
        enum kop op = infix_operator(p);
        int precedence = op == KX_COUNT ? 0 : (int)ksyntax_precedence(op);
        if (precedence < weakest)
            break;
        set_span(p, left, begin);
        kparse_next(p);
        struct kexpr *right = parse_at(p, precedence + 1);
        if (!right)
            return NULL;
        left = kx_binary(p->arena, op, left, right);
        enum kop again = infix_operator(p);
        if (precedence == KPREC_COMPARE && again != KX_COUNT && ksyntax_precedence(again) == KPREC_COMPARE) {
            diag_error(p->diags, p->token.span, "comparisons do not chain; write a < b && b < c");
            return NULL;
        }
    }
    if (left)
        set_span(p, left, begin);
    return left;
}

static struct kexpr *parse_at(struct kparser *p, int weakest)
{
    p->depth++;
    struct kexpr *expr = may_go_deeper(p) ? parse_infix(p, weakest) : NULL;
    p->depth--;
    return expr;
}

struct kexpr *kparse_expr(struct kparser *p)
{
    return parse_at(p, KPREC_OR);
}
