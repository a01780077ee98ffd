/* Kernels and functions: header, statements, schedule. A statement with an error is skipped and the next one read. */
#include "parse.h"
#include "math_functions.h"
#include "syntax.h"

#include <string.h>

/* ---- header ---- */

static void add_buffer(struct kparser *p, struct kernel *kernel, const struct kbuffer *buffer)
{
    struct kbuffer *copy = ARENA_NEW(p->arena, struct kbuffer);
    *copy = *buffer;
    copy->number = (uint32_t)kernel->buffers.count;
    vec_push(p->arena, &kernel->buffers, copy);
}

static bool parse_scalar(struct kparser *p, struct span span, const char *name, enum ktype type, uint32_t number,
                         struct kscalar **out)
{
    struct kscalar *scalar = ARENA_NEW(p->arena, struct kscalar);
    *scalar = (struct kscalar){.name = name, .type = type, .number = number};
    *out = scalar;
    return kparse_scalar_limit(p, scalar) &&
           kparse_declare(p, span, (struct ksymbol){.name = name, .kind = KSYM_SCALAR, .scalar = scalar});
}

/* [inout] NAME : TYPE[...] layout (...) | NAME : TYPE [<= N] */
static bool parse_parameter(struct kparser *p, struct kernel *kernel, enum kaccess access)
{
    struct kbuffer buffer = {.access = access};
    if (access == KA_IN && kparse_accept_word(p, "inout"))
        buffer.access = KA_INOUT;
    struct span span = p->token.span;
    buffer.name = kparse_name(p, "a parameter");
    if (!buffer.name || !kparse_expect(p, ":", "behind the parameter's name") || !kparse_type(p, &buffer.type))
        return false;
    if (buffer.access == KA_IN && !kparse_is_sign(p, "[")) {
        struct kscalar *scalar;
        if (!parse_scalar(p, span, buffer.name, buffer.type, (uint32_t)kernel->scalars.count, &scalar))
            return false;
        vec_push(p->arena, &kernel->scalars, scalar);
        return true;
    }
    if (!kparse_shape(p, &buffer.rank, buffer.extent, &buffer.layout))
        return false;
    add_buffer(p, kernel, &buffer);
    return kparse_declare(p, span, (struct ksymbol){.name = buffer.name,
                                                    .kind = KSYM_BUFFER,
                                                    .buffer = kernel->buffers.at[kernel->buffers.count - 1]});
}

static bool parse_parameters(struct kparser *p, struct kernel *kernel, enum kaccess access)
{
    if (!kparse_expect(p, "(", "before the parameters"))
        return false;
    if (kparse_accept(p, ")"))
        return true;
    do {
        if (!parse_parameter(p, kernel, access))
            return false;
    } while (kparse_accept(p, ","));
    return kparse_expect(p, ")", "behind the parameters");
}

/* ---- statements ---- */

static struct kstatement *parse_let(struct kparser *p)
{
    struct kstatement *statement = ARENA_NEW(p->arena, struct kstatement);
    struct klet *let = ARENA_NEW(p->arena, struct klet);
    size_t outside = p->symbols.count;
    bool fits = true;
    let->tile = kparse_is_word(p, "tile");
    kparse_next(p);
    statement->let = let;
    statement->span = p->token.span;
    let->name = kparse_name(p, "a name");
    if (!let->name)
        return NULL;
    if (kparse_accept(p, "[")) {
        do {
            if (let->rank == KERNEL_MAX_RANK) {
                diag_error(p->diags, p->token.span, "more than %d indices", KERNEL_MAX_RANK);
                fits = false;
            } else {
                fits = (let->index[let->rank++] = kparse_index(p, false)) != NULL;
            }
        } while (fits && kparse_accept(p, ","));
        fits = fits && kparse_expect(p, "]", "behind the indices");
    }
    fits = fits && kparse_expect(p, "=", "before the value") && (let->value = kparse_expr(p));
    p->symbols.count = outside;
    fits = fits && kparse_declare(p, statement->span,
                                  (struct ksymbol){.name = let->name, .kind = KSYM_LET, .let = let});
    return fits ? statement : NULL;
}

static const struct kbuffer *parse_buffer_name(struct kparser *p)
{
    struct span span = p->token.span;
    const char *name = kparse_name(p, "a buffer to store to");
    if (!name)
        return NULL;
    const struct ksymbol *symbol = kparse_find(p, name);
    if (symbol && symbol->kind == KSYM_BUFFER)
        return symbol->buffer;
    if (p->incomplete && !symbol)
        return NULL;
    diag_error(p->diags, span, "%s is no buffer", diag_escape(p->arena, name, strlen(name)));
    VEC(const char *) names = {0};
    for (size_t i = 0; i < p->symbols.count; i++)
        if (p->symbols.at[i].kind == KSYM_BUFFER)
            vec_push(p->arena, &names, p->symbols.at[i].name);
    diag_did_you_mean(p->diags, name, names.at, names.count);
    return NULL;
}

/* BUFFER[i, j, ...]: declares the indices, or, for the second target, demands the same. */
static const struct kbuffer *parse_target(struct kparser *p, struct kstatement *statement, bool second)
{
    struct span span = p->token.span;
    const struct kbuffer *buffer = parse_buffer_name(p);
    uint32_t rank = 0;
    if (!buffer)
        return NULL;
    if (kparse_accept(p, "[")) {
        do {
            struct span at = p->token.span;
            const char *name = kparse_name(p, "an index variable");
            if (!name)
                return NULL;
            if (second && (rank >= statement->rank || strcmp(statement->index[rank]->name, name) != 0)) {
                diag_error(p->diags, at, "both targets of max_at have the same indices in the same order");
                return NULL;
            }
            if (!second && rank < buffer->rank) {
                struct kindex *index = kindex_new(p->arena, name, buffer->extent[rank], NULL);
                if (!kparse_declare(p, at, (struct ksymbol){.name = name, .kind = KSYM_INDEX, .index = index}))
                    return NULL;
                statement->index[rank] = index;
            }
            rank++;
        } while (rank <= KERNEL_MAX_RANK && kparse_accept(p, ","));
        if (!kparse_expect(p, "]", "behind the indices"))
            return NULL;
    }
    if (rank != buffer->rank) {
        diag_error(p->diags, span, "%s has rank %u, but %u ind%s", diag_escape(p->arena, buffer->name,
                   strlen(buffer->name)), buffer->rank, rank, rank == 1 ? "ex" : "ices");
        return NULL;
    }
    if (!second)
        statement->rank = rank;
    return buffer;
}

static struct kstatement *parse_store(struct kparser *p)
{
    struct kstatement *statement = ARENA_NEW(p->arena, struct kstatement);
    size_t outside = p->symbols.count;
    statement->kind = KS_STORE;
    statement->span = p->token.span;
    statement->buffer = parse_target(p, statement, false);
    bool fits = statement->buffer != NULL;
    if (fits && kparse_accept(p, ","))
        fits = (statement->buffer2 = parse_target(p, statement, true)) != NULL;
    statement->span = span_join(statement->span, p->last);
    fits = fits && kparse_expect(p, "=", "before the value") && (statement->value = kparse_expr(p));
    p->symbols.count = outside;
    return fits ? statement : NULL;
}

/* ---- schedule ---- */

static const char *parse_scheduled(struct kparser *p, struct kschedule *schedule, const char *what)
{
    struct span span = p->token.span;
    const char *name = kparse_name(p, what);
    if (name)
        vec_push(p->arena, &schedule->written, ((struct kschedule_name){name, span}));
    return name;
}

static bool parse_tile(struct kparser *p, struct kschedule *schedule, struct ktile *out)
{
    out->index = parse_scheduled(p, schedule, "an index variable");
    return out->index && kparse_integer(p, "a size", &out->size);
}

#define PARSE_LIST(p, vec, element, parse)                                                                             \
    do {                                                                                                               \
        if (!(parse))                                                                                                  \
            return false;                                                                                              \
        vec_push((p)->arena, (vec), element);                                                                          \
    } while (kparse_accept((p), ","))

/* INDEX [WIDTH] */
static bool parse_lanes(struct kparser *p, struct kschedule *schedule)
{
    schedule->width = 0;
    schedule->lanes = parse_scheduled(p, schedule, "an index variable");
    if (!schedule->lanes || p->token.kind != KTOK_INT)
        return schedule->lanes != NULL;
    struct span span = p->token.span;
    if (!kparse_integer(p, "a number of lanes", &schedule->width))
        return false;
    if (schedule->width == 4 || schedule->width == 8 || schedule->width == 16)
        return true;
    diag_error(p->diags, span, "vectors have 4, 8 or 16 lanes, not %lld", (long long)schedule->width);
    return false;
}

static bool parse_clause(struct kparser *p, struct kschedule *schedule)
{
    static const char *const clauses[] = {"lanes", "tile", "block", "order", "unroll", "prefetch", "parallel", "cold"};
    struct ktile size;
    const char *name;
    if (kparse_accept_word(p, "lanes"))
        return parse_lanes(p, schedule);
    if (kparse_accept_word(p, "tile"))
        PARSE_LIST(p, &schedule->tile, size, parse_tile(p, schedule, &size));
    else if (kparse_accept_word(p, "block"))
        PARSE_LIST(p, &schedule->block, size, parse_tile(p, schedule, &size));
    else if (kparse_accept_word(p, "order"))
        PARSE_LIST(p, &schedule->order, name, name = parse_scheduled(p, schedule, "an index variable"));
    else if (kparse_accept_word(p, "unroll"))
        PARSE_LIST(p, &schedule->unroll, name, name = parse_scheduled(p, schedule, "an index variable"));
    else if (kparse_accept_word(p, "parallel"))
        PARSE_LIST(p, &schedule->parallel, name, name = parse_scheduled(p, schedule, "an index variable"));
    else if (kparse_accept_word(p, "prefetch"))
        PARSE_LIST(p, &schedule->prefetch, name, name = parse_scheduled(p, schedule, "a buffer"));
    else if (kparse_accept_word(p, "cold"))
        schedule->cold = true;
    else {
        kparse_unexpected(p, "lanes, tile, block, order, unroll, prefetch, parallel or cold");
        if (p->token.kind == KTOK_NAME)
            diag_did_you_mean(p->diags, p->token.text, clauses, sizeof clauses / sizeof *clauses);
        return false;
    }
    return true;
}

/* schedule [ clause { ; clause } ] */
bool kparse_schedule(struct kparser *p, struct kschedule *schedule)
{
    if (p->token.line_start || p->token.kind != KTOK_NAME)
        return true;
    do {
        if (!parse_clause(p, schedule))
            return false;
    } while (kparse_accept(p, ";"));
    return true;
}

/* ---- kernel and function ---- */

static bool parse_statement(struct kparser *p, struct kernel *kernel)
{
    p->operations = p->depth = 0;
    if (kernel->scheduled) {
        diag_error(p->diags, p->token.span, "the schedule is the last line of a kernel");
        return false;
    }
    if (kparse_accept_word(p, "schedule")) {
        kernel->scheduled = true;
        return kparse_schedule(p, &kernel->schedule);
    }
    bool let = kparse_is_word(p, "let") || kparse_is_word(p, "tile");
    struct kstatement *statement = let ? parse_let(p) : parse_store(p);
    if (statement)
        vec_push(p->arena, &kernel->statements, statement);
    return statement != NULL;
}

struct kernel *kparse_kernel(struct kparser *p)
{
    struct kernel *kernel = ARENA_NEW(p->arena, struct kernel);
    struct span span = p->token.span;
    p->symbols.count = 0;
    p->incomplete = false;
    kernel->name = kparse_name(p, "a kernel's name");
    vec_push(p->arena, &kernel->spans, span);
    if (!kernel->name || !parse_parameters(p, kernel, KA_IN) ||
        (kparse_accept(p, "->") && !parse_parameters(p, kernel, KA_OUT)) ||
        !kparse_expect(p, "{", "before the kernel's statements")) {
        kparse_skip_body(p);
        return NULL;
    }
    while (!kparse_is_sign(p, "}") && p->token.kind != KTOK_END) {
        uint32_t begin = p->token.span.begin;
        if (!parse_statement(p, kernel)) {
            p->incomplete = true;
            if (p->token.span.begin == begin)
                kparse_next(p);
            kparse_skip_line(p);
        }
    }
    return kparse_expect(p, "}", "at the end of the kernel") && !p->incomplete ? kernel : NULL;
}

/* NAME ( NAME : TYPE, ... ) { let ... return EXPR } */
struct kfunction *kparse_function(struct kparser *p)
{
    struct kfunction *function = ARENA_NEW(p->arena, struct kfunction);
    VEC(const struct klet *) lets = {0};
    p->symbols.count = 0;
    p->incomplete = false;
    function->name = kparse_name(p, "a function's name");
    if (!function->name || !kparse_expect(p, "(", "before the parameters"))
        return NULL;
    do {
        struct span span = p->token.span;
        enum ktype type;
        if (function->parameters == sizeof function->parameter / sizeof *function->parameter) {
            diag_error(p->diags, span, "a function has at most 3 parameters");
            return NULL;
        }
        const char *name = kparse_name(p, "a parameter");
        struct kscalar *scalar;
        if (!name || !kparse_expect(p, ":", "behind the parameter's name") || !kparse_type(p, &type) ||
            !parse_scalar(p, span, name, type, function->parameters, &scalar))
            return NULL;
        function->parameter[function->parameters++] = scalar;
    } while (kparse_accept(p, ","));
    if (!kparse_expect(p, ")", "behind the parameters") || !kparse_expect(p, "{", "before the function's lets"))
        return NULL;
    while (kparse_is_word(p, "let")) {
        p->operations = p->depth = 0;
        struct kstatement *statement = parse_let(p);
        if (!statement)
            return NULL;
        vec_push(p->arena, &lets, statement->let);
    }
    function->let = lets.at;
    function->lets = (uint32_t)lets.count;
    p->operations = p->depth = 0;
    if (!kparse_accept_word(p, "return")) {
        kparse_unexpected(p, "let or return");
        return NULL;
    }
    function->body = kparse_expr(p);
    return function->body && kparse_expect(p, "}", "at the end of the function") ? function : NULL;
}
