/* Printing kernels and programs. parse.c reads what this writes; the grammar is in docs/ir.md. */
#include "math_functions.h"
#include "syntax.h"

#include <string.h>

enum { LINE_WIDTH = 116 };

static void print_layout(const struct klayout *layout, uint32_t rank, const int64_t *extent, struct text *out)
{
    struct klayout dense = klayout_dense(rank, extent);
    if (layout->count == dense.count && memcmp(layout->digit, dense.digit, dense.count * sizeof *dense.digit) == 0)
        return;
    /* A stride is written where it is not what the digits inside of this one would give. */
    struct klayout derived = *layout;
    text_add(out, " layout (");
    for (uint32_t i = 0; i < layout->count; i++) {
        const struct kdigit *digit = &layout->digit[i];
        text_printf(out, "%sd%u", i ? ", " : "", digit->dim);
        if (digit->div != 1)
            text_printf(out, "/%u", digit->div);
        if (digit->mod != 0)
            text_printf(out, "%%%u", digit->mod);
        derived.digit[i].stride = 0;
        if (!klayout_complete(&derived, rank, extent) || derived.digit[i].stride != digit->stride)
            text_printf(out, ":%lld", (long long)digit->stride);
        derived = *layout;
    }
    text_add(out, ")");
}

static void print_shape(enum ktype type, uint32_t rank, const int64_t *extent, const struct klayout *layout,
                        struct text *out)
{
    text_printf(out, "%s[", ksyntax_type(type));
    for (uint32_t d = 0; d < rank; d++) {
        text_add(out, d ? ", " : "");
        if (extent[d] == KERNEL_UNKNOWN)
            text_add(out, "?");
        else
            text_printf(out, "%lld", (long long)extent[d]);
    }
    text_add(out, "]");
    print_layout(layout, rank, extent, out);
}

static void print_scalar(const struct kscalar *scalar, struct text *out)
{
    ksyntax_add_name(out, scalar->name);
    text_printf(out, ": %s", ksyntax_type(scalar->type));
    if (scalar->limit)
        text_printf(out, " <= %lld", (long long)scalar->limit);
}

/* Adds ", " and `part` to a list, on a new line when the current one is full. */
static void add_wrapped(struct text *out, size_t *line_start, const char *separator, const struct text *part)
{
    text_add(out, separator);
    if (out->count - *line_start + part->count > LINE_WIDTH) {
        while (out->count > 0 && out->at[out->count - 1] == ' ')
            out->at[--out->count] = 0;
        text_add(out, "\n");
        *line_start = out->count;
        text_add(out, "      ");
    }
    text_add(out, text_string(part));
}

static void print_header(const struct kernel *kernel, struct text *out)
{
    size_t line_start = out->count;
    text_add(out, "  kernel ");
    ksyntax_add_name(out, kernel->name);
    text_add(out, "(");
    const char *separator = "";
    for (size_t i = 0; i < kernel->buffers.count; i++) {
        const struct kbuffer *buffer = kernel->buffers.at[i];
        if (buffer->access == KA_OUT)
            continue;
        struct text part;
        text_init(&part, out->arena);
        text_add(&part, buffer->access == KA_INOUT ? "inout " : "");
        ksyntax_add_name(&part, buffer->name);
        text_add(&part, ": ");
        print_shape(buffer->type, buffer->rank, buffer->extent, &buffer->layout, &part);
        add_wrapped(out, &line_start, separator, &part);
        separator = ", ";
    }
    for (size_t i = 0; i < kernel->scalars.count; i++) {
        struct text part;
        text_init(&part, out->arena);
        print_scalar(kernel->scalars.at[i], &part);
        add_wrapped(out, &line_start, separator, &part);
        separator = ", ";
    }
    text_add(out, ")");
    separator = " -> ";
    for (size_t i = 0; i < kernel->buffers.count; i++) {
        const struct kbuffer *buffer = kernel->buffers.at[i];
        if (buffer->access != KA_OUT)
            continue;
        struct text part;
        text_init(&part, out->arena);
        text_add(&part, strcmp(separator, " -> ") == 0 ? "(" : "");
        ksyntax_add_name(&part, buffer->name);
        text_add(&part, ": ");
        print_shape(buffer->type, buffer->rank, buffer->extent, &buffer->layout, &part);
        add_wrapped(out, &line_start, separator, &part);
        separator = ", ";
    }
    text_add(out, strcmp(separator, ", ") == 0 ? ") {\n" : " {\n");
}

static void print_let(const struct klet *let, struct text *out)
{
    text_add(out, let->tile ? "tile " : "let ");
    ksyntax_add_name(out, let->name);
    for (uint32_t i = 0; i < let->rank; i++) {
        text_add(out, i ? ", " : "[");
        ksyntax_add_name(out, let->index[i]->name);
        text_printf(out, " < %lld", (long long)let->index[i]->extent);
    }
    text_add(out, let->rank ? "] = " : " = ");
    kernel_print_expr(let->value, out);
}

static void print_target(const struct kbuffer *buffer, const struct kstatement *statement, struct text *out)
{
    ksyntax_add_name(out, buffer->name);
    for (uint32_t i = 0; i < statement->rank; i++) {
        text_add(out, i ? ", " : "[");
        ksyntax_add_name(out, statement->index[i]->name);
    }
    text_add(out, statement->rank ? "]" : "");
}

static void print_statement(const struct kstatement *statement, struct text *out)
{
    if (statement->kind == KS_LET) {
        print_let(statement->let, out);
        return;
    }
    print_target(statement->buffer, statement, out);
    if (statement->buffer2) {
        text_add(out, ", ");
        print_target(statement->buffer2, statement, out);
    }
    text_add(out, " = ");
    kernel_print_expr(statement->value, out);
}

static void print_sizes(const char *keyword, const struct ktile *tile, size_t count, const char **separator,
                        struct text *out)
{
    for (size_t i = 0; i < count; i++) {
        text_add(out, i ? ", " : *separator);
        if (i == 0)
            text_printf(out, "%s ", keyword);
        ksyntax_add_name(out, tile[i].index);
        text_printf(out, " %lld", (long long)tile[i].size);
        *separator = "; ";
    }
}

static void print_names(const char *keyword, const char *const *name, size_t count, const char **separator,
                        struct text *out)
{
    for (size_t i = 0; i < count; i++) {
        text_add(out, i ? ", " : *separator);
        if (i == 0)
            text_printf(out, "%s ", keyword);
        ksyntax_add_name(out, name[i]);
        *separator = "; ";
    }
}

static void print_schedule(const struct kschedule *schedule, struct text *out)
{
    const char *separator = " ";
    text_add(out, "schedule");
    print_names("lanes", &schedule->lanes, schedule->lanes != NULL, &separator, out);
    if (schedule->lanes && schedule->width)
        text_printf(out, " %lld", (long long)schedule->width);
    print_sizes("tile", schedule->tile.at, schedule->tile.count, &separator, out);
    print_sizes("block", schedule->block.at, schedule->block.count, &separator, out);
    print_names("order", schedule->order.at, schedule->order.count, &separator, out);
    print_names("unroll", schedule->unroll.at, schedule->unroll.count, &separator, out);
    print_names("prefetch", schedule->prefetch.at, schedule->prefetch.count, &separator, out);
    print_names("parallel", schedule->parallel.at, schedule->parallel.count, &separator, out);
    if (schedule->cold)
        text_printf(out, "%scold", separator);
}

void kernel_print_kernel(const struct kernel *kernel, struct text *out)
{
    print_header(kernel, out);
    for (size_t i = 0; i < kernel->statements.count; i++) {
        text_add(out, "    ");
        print_statement(kernel->statements.at[i], out);
        text_add(out, "\n");
    }
    if (kernel->scheduled) {
        text_add(out, "    ");
        print_schedule(&kernel->schedule, out);
        text_add(out, "\n");
    }
    text_add(out, "  }\n");
}

void kernel_print_schedules(const struct kprogram *program, struct text *out)
{
    for (size_t i = 0; i < program->kernels.count; i++) {
        const struct kernel *kernel = program->kernels.at[i];
        if (!kernel->scheduled)
            continue;
        text_add(out, "kernel ");
        ksyntax_add_name(out, kernel->name);
        text_add(out, " { ");
        print_schedule(&kernel->schedule, out);
        text_add(out, " }\n");
    }
}

static void print_function(const struct kfunction *function, struct text *out)
{
    text_add(out, "  fn ");
    ksyntax_add_name(out, function->name);
    text_add(out, "(");
    for (uint32_t i = 0; i < function->parameters; i++) {
        text_add(out, i ? ", " : "");
        print_scalar(function->parameter[i], out);
    }
    text_add(out, ") {\n");
    for (uint32_t i = 0; i < function->lets; i++) {
        text_add(out, "    ");
        print_let(function->let[i], out);
        text_add(out, "\n");
    }
    text_add(out, "    return ");
    kernel_print_expr(function->body, out);
    text_add(out, "\n  }\n");
}

static void print_values(const struct kvar *var, size_t line_start, struct text *out)
{
    const char *separator = "";
    text_add(out, " = [");
    for (int64_t i = 0; i < var->layout.elements; i++) {
        struct text part;
        text_init(&part, out->arena);
        ksyntax_add_f32(&part, var->value[i]);
        add_wrapped(out, &line_start, separator, &part);
        separator = ", ";
    }
    text_add(out, "]\n");
}

static void print_var(const struct kvar *var, struct text *out)
{
    static const char *const places[] = {
        [KP_DATA] = "data", [KP_STATE] = "state", [KP_ARENA] = "arena", [KP_CONST] = "const"};
    size_t line_start = out->count;
    text_printf(out, "  %s ", places[var->place]);
    ksyntax_add_name(out, var->name);
    text_add(out, ": ");
    print_shape(var->type, var->rank, var->extent, &var->layout, out);
    if (var->place == KP_CONST)
        print_values(var, line_start, out);
    else if (var->place == KP_DATA)
        text_printf(out, " slot %u\n", var->slot);
    else
        text_printf(out, " at %lld\n", (long long)var->offset);
}

static void print_call(const struct kcall *call, struct text *out)
{
    if (!call->kernel) {
        text_add(out, "  barrier\n");
        return;
    }
    size_t line_start = out->count;
    text_add(out, "  call ");
    ksyntax_add_name(out, call->kernel->name);
    text_add(out, "(");
    const char *separator = "";
    for (size_t i = 0; i < call->kernel->buffers.count + call->kernel->scalars.count; i++) {
        struct text part;
        text_init(&part, out->arena);
        if (i < call->kernel->buffers.count) {
            ksyntax_add_name(&part, call->argument[i]->name);
        } else {
            size_t s = i - call->kernel->buffers.count;
            ksyntax_add_name(&part, call->kernel->scalars.at[s]->name);
            text_add(&part, " = ");
            ksyntax_add_name(&part, call->scalar[s]->name);
        }
        add_wrapped(out, &line_start, separator, &part);
        separator = ", ";
    }
    text_add(out, ")\n");
}

void kernel_print_program(const struct kprogram *program, struct text *out)
{
    text_add(out, "program @");
    ksyntax_add_name(out, program->name);
    text_add(out, " {\n");
    if (program->note) {
        text_add(out, "  note ");
        ksyntax_add_name(out, program->note);
        text_add(out, "\n");
    }
    text_printf(out, "  arith %s\n", program->arith == KARITH_FMA ? "fma" : "muladd");
    if (program->arena_bytes)
        text_printf(out, "  memory %lld\n", (long long)program->arena_bytes);
    if (program->flops)
        text_printf(out, "  flops %lld\n", (long long)program->flops);
    for (size_t i = 0; i < program->scalars.count; i++) {
        text_add(out, "  scalar ");
        print_scalar(program->scalars.at[i], out);
        text_add(out, "\n");
    }
    for (size_t i = 0; i < program->vars.count; i++)
        print_var(program->vars.at[i], out);
    for (size_t i = 0; i < program->functions.count; i++)
        if (!kernel_is_builtin(program->functions.at[i]->name))
            print_function(program->functions.at[i], out);
    for (size_t i = 0; i < program->kernels.count; i++) {
        text_add(out, "\n");
        kernel_print_kernel(program->kernels.at[i], out);
    }
    if (program->calls.count > 0)
        text_add(out, "\n");
    for (size_t i = 0; i < program->calls.count; i++)
        print_call(&program->calls.at[i], out);
    text_add(out, "}\n");
}
