/* Programs: their declarations and calls, and the phrases that all files of the parser use. Recursive descent with one
 * token in hand; at most 20 errors are shown, and after one in a statement reading goes on with the next line. */
#include "parse.h"
#include "math_functions.h"
#include "syntax.h"

#include <math.h>
#include <string.h>

/* ---- tokens ---- */

void kparse_next(struct kparser *p)
{
    p->last = p->token.span;
    p->token = kscan(&p->scanner);
}

bool kparse_is_sign(const struct kparser *p, const char *sign)
{
    return p->token.kind == KTOK_SIGN && strcmp(p->token.text, sign) == 0;
}

bool kparse_is_word(const struct kparser *p, const char *word)
{
    return p->token.kind == KTOK_NAME && !p->token.quoted && strcmp(p->token.text, word) == 0;
}

bool kparse_accept(struct kparser *p, const char *sign)
{
    if (!kparse_is_sign(p, sign))
        return false;
    kparse_next(p);
    return true;
}

bool kparse_accept_word(struct kparser *p, const char *word)
{
    if (!kparse_is_word(p, word))
        return false;
    kparse_next(p);
    return true;
}

void kparse_unexpected(struct kparser *p, const char *expected)
{
    const struct ktoken *token = &p->token;
    if (token->kind == KTOK_END)
        diag_error(p->diags, token->span, "expected %s, but the text ends here", expected);
    else
        diag_error(p->diags, token->span, "expected %s, not \"%s\"", expected,
                   diag_escape(p->arena, p->scanner.text + token->span.begin, token->span.end - token->span.begin));
}

bool kparse_expect(struct kparser *p, const char *sign, const char *where)
{
    if (kparse_accept(p, sign))
        return true;
    kparse_unexpected(p, arena_printf(p->arena, "\"%s\" %s", sign, where));
    return false;
}

const char *kparse_name(struct kparser *p, const char *what)
{
    if (p->token.kind != KTOK_NAME || (!p->token.quoted && ksyntax_reserved(p->token.text))) {
        kparse_unexpected(p, what);
        return NULL;
    }
    const char *name = p->token.text;
    kparse_next(p);
    return name;
}

bool kparse_integer(struct kparser *p, const char *what, int64_t *out)
{
    if (p->token.kind != KTOK_INT) {
        kparse_unexpected(p, what);
        return false;
    }
    *out = p->token.integer;
    kparse_next(p);
    return true;
}

bool kparse_f32(struct kparser *p, float *out)
{
    if (p->token.kind == KTOK_FLOAT)
        *out = p->token.number;
    else if (kparse_is_word(p, "inf"))
        *out = INFINITY;
    else if (kparse_is_word(p, "nan"))
        *out = NAN;
    else
        return false;
    kparse_next(p);
    return true;
}

void kparse_skip_line(struct kparser *p)
{
    while (p->token.kind != KTOK_END && !p->token.line_start && !kparse_is_sign(p, "}"))
        kparse_next(p);
}

void kparse_skip_body(struct kparser *p)
{
    while (p->token.kind != KTOK_END && !kparse_is_sign(p, "{") && !kparse_is_sign(p, "}"))
        kparse_next(p);
    if (kparse_accept(p, "{")) {
        while (p->token.kind != KTOK_END && !kparse_is_sign(p, "}"))
            kparse_next(p);
    }
    kparse_accept(p, "}");
}

bool kparse_start(struct kparser *p, struct arena *arena, struct diag_list *diags, uint32_t file,
                  struct kprogram *program)
{
    if (!diag_check_file(diags, file))
        return false;
    const struct source_file *source = source_file(diags->map, file);
    *p = (struct kparser){.arena = arena, .diags = diags, .program = program};
    p->scanner = (struct kscanner){
        .arena = arena, .diags = diags, .text = source->text, .length = source->length, .file = file};
    kparse_next(p);
    p->last = p->token.span;
    return true;
}

/* ---- declarations ---- */

/* `vec` is an array of pointers to structs that begin with their name. */
static void *find_named(void *vec_at, size_t count, const char *name)
{
    struct named {
        const char *name;
    } **items = vec_at;
    for (size_t i = 0; i < count; i++)
        if (strcmp(items[i]->name, name) == 0)
            return items[i];
    return NULL;
}

static void *find_or_suggest(struct kparser *p, struct span span, const char *what, void *vec_at, size_t count,
                             const char *name)
{
    void *found = find_named(vec_at, count, name);
    if (!found && !p->incomplete) {
        const char **names = ARENA_ARRAY(p->arena, const char *, count);
        for (size_t i = 0; i < count; i++)
            names[i] = **(const char ***)((void **)vec_at + i);
        diag_error(p->diags, span, "unknown %s %s", what, diag_escape(p->arena, name, strlen(name)));
        diag_did_you_mean(p->diags, name, names, count);
    }
    return found;
}

static bool check_new(struct kparser *p, struct span span, void *vec_at, size_t count, const char *name)
{
    if (!find_named(vec_at, count, name))
        return true;
    diag_error(p->diags, span, "%s is already defined", diag_escape(p->arena, name, strlen(name)));
    return false;
}

/* scalar NAME : TYPE [<= N] */
static bool parse_scalar(struct kparser *p)
{
    struct kscalar *scalar = ARENA_NEW(p->arena, struct kscalar);
    struct span span = p->token.span;
    scalar->number = (uint32_t)p->program->scalars.count;
    if (!(scalar->name = kparse_name(p, "a scalar's name")) || !kparse_expect(p, ":", "behind the scalar's name") ||
        !kparse_type(p, &scalar->type) || !kparse_scalar_limit(p, scalar) ||
        !check_new(p, span, p->program->scalars.at, p->program->scalars.count, scalar->name))
        return false;
    vec_push(p->arena, &p->program->scalars, scalar);
    return true;
}

/* slot N | at OFFSET */
static bool parse_place(struct kparser *p, struct kvar *var)
{
    bool data = var->place == KP_DATA;
    const char *word = data ? "slot" : "at";
    int64_t slot = 0;
    if (!kparse_accept_word(p, word)) {
        kparse_unexpected(p, word);
        return false;
    }
    struct span number = p->token.span;
    if (!kparse_integer(p, data ? "a slot" : "an offset in bytes", data ? &slot : &var->offset))
        return false;
    if (slot > 1000) {
        diag_error(p->diags, number, "slot %lld is beyond any", (long long)slot);
        return false;
    }
    var->slot = (uint32_t)slot;
    return true;
}

/* = [ VALUE, ... ], the last index fastest */
static bool parse_values(struct kparser *p, struct kvar *var)
{
    VEC(float) values = {0};
    if (!kparse_expect(p, "=", "before the values"))
        return false;
    struct span open = p->token.span;
    if (!kparse_expect(p, "[", "before the values"))
        return false;
    do {
        float value;
        bool minus = kparse_accept(p, "-");
        if (!kparse_f32(p, &value)) {
            kparse_unexpected(p, "an f32 number");
            return false;
        }
        vec_push(p->arena, &values, minus ? -value : value);
    } while (kparse_accept(p, ","));
    if (!kparse_expect(p, "]", "behind the values"))
        return false;
    if ((int64_t)values.count != var->layout.elements) {
        diag_error(p->diags, open, "%s needs %lld values, not %zu",
                   diag_escape(p->arena, var->name, strlen(var->name)), (long long)var->layout.elements, values.count);
        return false;
    }
    var->value = values.at;
    return true;
}

/* data NAME : SHAPE slot N | state NAME : SHAPE at OFFSET | arena NAME : SHAPE at OFFSET
 * | const NAME : SHAPE = [ VALUE, ... ] */
static bool parse_var(struct kparser *p, enum kplace place)
{
    struct kvar *var = ARENA_NEW(p->arena, struct kvar);
    struct span span = p->token.span;
    var->place = place;
    var->span = span;
    if (!(var->name = kparse_name(p, "a buffer's name")) || !kparse_expect(p, ":", "behind the buffer's name") ||
        !kparse_type(p, &var->type) || !kparse_shape(p, &var->rank, var->extent, &var->layout) ||
        !(place == KP_CONST ? parse_values : parse_place)(p, var) ||
        !check_new(p, span, p->program->vars.at, p->program->vars.count, var->name))
        return false;
    vec_push(p->arena, &p->program->vars, var);
    return true;
}

static bool parse_arith(struct kparser *p)
{
    if (kparse_accept_word(p, "fma"))
        p->program->arith = KARITH_FMA;
    else if (kparse_accept_word(p, "muladd"))
        p->program->arith = KARITH_MULADD;
    else {
        kparse_unexpected(p, "fma or muladd");
        return false;
    }
    return true;
}

static bool parse_kernel(struct kparser *p)
{
    struct span span = p->token.span;
    struct kernel *kernel = kparse_kernel(p);
    if (!kernel || !check_new(p, span, p->program->kernels.at, p->program->kernels.count, kernel->name))
        return false;
    vec_push(p->arena, &p->program->kernels, kernel);
    return true;
}

static bool parse_function(struct kparser *p)
{
    struct span span = p->token.span;
    struct kfunction *function = kparse_function(p);
    if (!function) {
        kparse_skip_body(p);
        return false;
    }
    if (kernel_is_builtin(function->name)) {
        diag_error(p->diags, span, "%s is a function that every program has", function->name);
        return false;
    }
    if (!check_new(p, span, p->program->functions.at, p->program->functions.count, function->name))
        return false;
    vec_push(p->arena, &p->program->functions, function);
    return true;
}

/* ---- calls ---- */

/* FORMAL = ACTUAL; `name` is the formal's, already read. */
static bool parse_scalar_argument(struct kparser *p, struct kcall *call, struct span span, const char *name)
{
    const struct kernel *kernel = call->kernel;
    struct kscalar *formal =
        find_or_suggest(p, span, "scalar of the kernel:", kernel->scalars.at, kernel->scalars.count, name);
    struct span actual_span = p->token.span;
    const char *actual_name = kparse_name(p, "a scalar of the program");
    if (!formal || !actual_name)
        return false;
    struct kscalar *actual = find_or_suggest(p, actual_span, "scalar", p->program->scalars.at,
                                             p->program->scalars.count, actual_name);
    if (!actual)
        return false;
    if (call->scalar[formal->number]) {
        diag_error(p->diags, span, "%s is given twice", diag_escape(p->arena, name, strlen(name)));
        return false;
    }
    call->scalar[formal->number] = actual;
    return true;
}

static bool parse_arguments(struct kparser *p, struct kcall *call)
{
    const struct kernel *kernel = call->kernel;
    size_t given = 0;
    struct span open = p->last;
    while (!kparse_accept(p, ")")) {
        if (p->last.begin != open.begin && !kparse_expect(p, ",", "between arguments"))
            return false;
        struct span span = p->token.span;
        const char *name = kparse_name(p, "an argument");
        if (!name)
            return false;
        if (kparse_accept(p, "=")) {
            if (!parse_scalar_argument(p, call, span, name))
                return false;
            continue;
        }
        struct kvar *var = find_or_suggest(p, span, "buffer", p->program->vars.at, p->program->vars.count, name);
        if (!var)
            return false;
        if (given < kernel->buffers.count)
            call->argument[given] = var;
        given++;
    }
    if (given != kernel->buffers.count) {
        diag_error(p->diags, open, "kernel %s has %zu buffers, the call has %zu",
                   diag_escape(p->arena, kernel->name, strlen(kernel->name)), kernel->buffers.count, given);
        return false;
    }
    for (size_t i = 0; i < kernel->scalars.count; i++) {
        if (!call->scalar[i]) {
            const char *name = kernel->scalars.at[i]->name;
            diag_error(p->diags, open, "the call does not say what %s is", diag_escape(p->arena, name, strlen(name)));
            return false;
        }
    }
    return true;
}

/* call KERNEL ( BUFFER, ..., FORMAL = SCALAR, ... ) */
static bool parse_call(struct kparser *p)
{
    struct span span = p->token.span;
    struct kcall call = {.span = span};
    const char *name = kparse_name(p, "a kernel's name");
    if (!name || !(call.kernel = find_or_suggest(p, span, "kernel", p->program->kernels.at, p->program->kernels.count,
                                                 name)))
        return false;
    call.argument = ARENA_ARRAY(p->arena, const struct kvar *, call.kernel->buffers.count);
    call.scalar = ARENA_ARRAY(p->arena, const struct kscalar *, call.kernel->scalars.count);
    if (!kparse_expect(p, "(", "before the arguments") || !parse_arguments(p, &call))
        return false;
    vec_push(p->arena, &p->program->calls, call);
    return true;
}

/* ---- program ---- */

static bool parse_item(struct kparser *p)
{
    static const char *const words[] = {"note",  "arith", "memory", "flops", "scalar", "data", "state",
                                        "arena", "const", "fn",     "kernel", "call",  "barrier"};
    if (kparse_accept_word(p, "note"))
        return (p->program->note = kparse_name(p, "a text in quotes")) != NULL;
    if (kparse_accept_word(p, "arith"))
        return parse_arith(p);
    if (kparse_accept_word(p, "memory"))
        return kparse_integer(p, "a number of bytes", &p->program->arena_bytes);
    if (kparse_accept_word(p, "flops"))
        return kparse_integer(p, "a number of operations", &p->program->flops);
    if (kparse_accept_word(p, "scalar"))
        return parse_scalar(p);
    if (kparse_accept_word(p, "data"))
        return parse_var(p, KP_DATA);
    if (kparse_accept_word(p, "state"))
        return parse_var(p, KP_STATE);
    if (kparse_accept_word(p, "arena"))
        return parse_var(p, KP_ARENA);
    if (kparse_accept_word(p, "const"))
        return parse_var(p, KP_CONST);
    if (kparse_accept_word(p, "fn"))
        return parse_function(p);
    if (kparse_accept_word(p, "kernel"))
        return parse_kernel(p);
    if (kparse_accept_word(p, "call"))
        return parse_call(p);
    if (kparse_accept_word(p, "barrier")) {
        vec_push(p->arena, &p->program->calls, (struct kcall){0});
        return true;
    }
    kparse_unexpected(p, "a declaration, kernel, call or barrier");
    if (p->token.kind == KTOK_NAME)
        diag_did_you_mean(p->diags, p->token.text, words, sizeof words / sizeof *words);
    if (p->token.kind != KTOK_END)
        kparse_next(p);
    return false;
}

/* Without a `memory` line: up to the end of the last buffer, in whole cache lines. */
static void derive_memory(struct kprogram *program)
{
    if (program->arena_bytes)
        return;
    for (size_t i = 0; i < program->vars.count; i++) {
        const struct kvar *var = program->vars.at[i];
        int64_t bytes, end;
        if (!kvar_in_arena(var))
            continue;
        if (__builtin_mul_overflow(var->layout.elements, var->type == KT_U8 ? 1 : 4, &bytes) ||
            __builtin_add_overflow(bytes, var->offset, &end) || __builtin_add_overflow(end, 63, &end))
            continue; /* the verifier says so */
        end &= ~(int64_t)63;
        if (end > program->arena_bytes)
            program->arena_bytes = end;
    }
}

static bool parse_program(struct kparser *p)
{
    bool missing = false; /* something is not declared because of an error */
    if (!kparse_accept_word(p, "program")) {
        kparse_unexpected(p, "program @NAME {");
        return false;
    }
    if (!kparse_expect(p, "@", "before the program's name") ||
        !(p->program->name = kparse_name(p, "the program's name")) ||
        !kparse_expect(p, "{", "before the program's declarations"))
        return false;
    while (!kparse_is_sign(p, "}") && p->token.kind != KTOK_END) {
        bool declares = !kparse_is_word(p, "call");
        p->incomplete = missing;
        if (!parse_item(p)) {
            missing |= declares;
            kparse_skip_line(p);
        }
    }
    if (!kparse_expect(p, "}", "at the end of the program"))
        return false;
    if (p->token.kind != KTOK_END)
        kparse_unexpected(p, "the end of the text");
    derive_memory(p->program);
    return true;
}

struct kprogram *kernel_parse(struct arena *arena, struct diag_list *diags, uint32_t file)
{
    size_t errors = diags->errors;
    struct kprogram *program = ARENA_NEW(arena, struct kprogram);
    struct kparser parser;
    program->arena = arena;
    bool parsed = kparse_start(&parser, arena, diags, file, program) && parse_program(&parser);
    return parsed && diags->errors == errors ? program : NULL;
}
