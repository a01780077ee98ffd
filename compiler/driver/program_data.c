/* Memory for one run of a kernel program. Random data depends on the seed, the buffer's number and the element's
 * logical position alone, so a layout or a schedule cannot change it. Elements that are used as indices stay within
 * what they index. */
#include "program_data.h"

#include "commands.h"
#include "program_limits.h"

#include <xent/random.h>

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { DEFAULT_ROWS = 64, DEFAULT_LIMIT = 10, ALIGNMENT = 64, SHOWN = 4 };

static size_t type_bytes(enum ktype type)
{
    return type == KT_U8 || type == KT_BOOL ? 1 : 4;
}

static const char *type_name(enum ktype type)
{
    static const char *const names[] = {[KT_F32] = "f32", [KT_I32] = "i32", [KT_U8] = "u8", [KT_BOOL] = "bool"};
    return names[type];
}

static bool has_rows(const struct kvar *var)
{
    return var->rank > 0 && var->extent[0] == KERNEL_UNKNOWN;
}

static int64_t extent_of(const struct program_data *data, const struct kvar *var, uint32_t dim)
{
    return var->extent[dim] == KERNEL_UNKNOWN ? data->rows : var->extent[dim];
}

static int64_t logical_elements(const struct program_data *data, const struct kvar *var)
{
    int64_t count = 1;
    for (uint32_t d = 0; d < var->rank; d++)
        count *= extent_of(data, var, d);
    return count;
}

static int64_t stored_elements(const struct program_data *data, const struct kvar *var)
{
    if (!has_rows(var))
        return var->layout.elements;
    int64_t row = 1;
    for (uint32_t i = 0; i < var->layout.count; i++)
        if (var->layout.digit[i].dim == 0)
            row = var->layout.digit[i].stride;
    return data->rows * row;
}

static int64_t address_of(const struct program_data *data, const struct kvar *var, int64_t number)
{
    int64_t index[KERNEL_MAX_RANK] = {0};
    for (uint32_t d = var->rank; d-- > 0;) {
        int64_t extent = extent_of(data, var, d);
        index[d] = number % extent;
        number /= extent;
    }
    return klayout_address(&var->layout, index);
}

static char *place_of(const struct program_data *data, const struct kvar *var)
{
    if (var->place == KP_CONST)
        return (char *)(uintptr_t)var->value; /* nothing writes there */
    return var->place == KP_DATA ? data->block[var->slot] : (char *)data->arena + var->offset;
}

/* ---- filling ---- */

static void fill_random(const struct program_data *data, const struct kvar *var, uint32_t stream, uint64_t seed,
                        const struct program_limit *limit)
{
    int64_t least = limit->used ? limit->least : 0, most = limit->used ? limit->most : DEFAULT_LIMIT - 1;
    if (least < 0 && most >= 0)
        least = 0;
    uint32_t choices = (uint32_t)(most - least) + 1;
    char *place = place_of(data, var);
    int64_t count = logical_elements(data, var);
    for (int64_t i = 0; i < count; i++) {
        uint32_t word = xent_random(seed, XENT_RANDOM_INIT, stream, (uint64_t)i);
        int64_t at = address_of(data, var, i);
        if (var->type == KT_F32)
            ((float *)place)[at] = xent_uniform(word, 1);
        else if (var->type == KT_I32)
            ((int32_t *)place)[at] = (int32_t)(least + (choices ? word % choices : word));
        else
            ((uint8_t *)place)[at] = (uint8_t)(limit->used ? least + word % choices : word);
    }
}

static const struct kvar *var_named(const struct kprogram *program, const char *name, size_t length)
{
    for (size_t i = 0; i < program->vars.count; i++) {
        const struct kvar *var = program->vars.at[i];
        if (strlen(var->name) == length && !memcmp(var->name, name, length))
            return var;
    }
    return NULL;
}

static size_t var_number(const struct kprogram *program, const struct kvar *var)
{
    size_t number = 0;
    while (program->vars.at[number] != var)
        number++;
    return number;
}

struct input_file {
    const struct kvar *var;
    const char *path;
    char *bytes;
    int64_t size;
};

static int read_input(struct arena *arena, const struct kprogram *program, const struct options *options,
                      const char *argument, struct input_file *out)
{
    const char *equals = strchr(argument, '=');
    if (!equals)
        return help_usage(options, "--input must be NAME=FILE, not \"%s\"", argument);
    out->var = var_named(program, argument, (size_t)(equals - argument));
    if (out->var && out->var->place == KP_CONST)
        return report("%s is a const of %s, which has its values", out->var->name, program->name);
    if (!out->var)
        return report("%s has no buffer \"%.*s\"", program->name, (int)(equals - argument), argument);
    out->path = equals + 1;
    struct stat status;
    if (stat(out->path, &status) != 0 || !S_ISREG(status.st_mode))
        return report("%s is no file that can be read", out->path);
    out->size = (int64_t)status.st_size;
    out->bytes = arena_alloc(arena, (size_t)out->size);
    FILE *file = fopen(out->path, "rb");
    bool whole = file && fread(out->bytes, 1, (size_t)out->size, file) == (size_t)out->size;
    if (file)
        fclose(file);
    return whole ? EXIT_OK : report("cannot read %s: %s", out->path, strerror(errno));
}

/* `?` stands for as many rows as the first given file of such a buffer has. */
static int find_rows(struct program_data *data, const struct input_file *inputs, size_t count)
{
    data->rows = 1;
    for (size_t i = 0; i < count; i++) {
        int64_t row = logical_elements(data, inputs[i].var) * (int64_t)type_bytes(inputs[i].var->type);
        if (has_rows(inputs[i].var)) {
            data->rows = row ? inputs[i].size / row : 0;
            if (data->rows == 0)
                return report("%s is shorter than one row of %s", inputs[i].path, inputs[i].var->name);
            return EXIT_OK;
        }
    }
    data->rows = DEFAULT_ROWS;
    return EXIT_OK;
}

/* An element as a whole number. */
static int64_t whole_at(const struct program_data *data, const struct kvar *var, int64_t number)
{
    const char *element = place_of(data, var) + address_of(data, var, number) * (int64_t)type_bytes(var->type);
    int32_t value = (uint8_t)*element;
    if (var->type == KT_I32)
        memcpy(&value, element, sizeof value);
    return value;
}

static int check_indices(const struct program_data *data, const struct input_file *input,
                         const struct program_limit *limit)
{
    const struct kvar *var = input->var;
    int64_t count = logical_elements(data, var);
    for (int64_t i = 0; i < count && limit->used && var->type != KT_F32; i++) {
        int64_t value = whole_at(data, var, i);
        if (program_limit_allows(limit, value))
            continue;
        return report("%s: element %" PRId64 " of %s is %" PRId64 ", but it is used as an index and must be from "
                      "%" PRId64 " to %" PRId64, input->path, i, var->name, value, limit->least, limit->most);
    }
    return EXIT_OK;
}

static int fill_input(const struct program_data *data, const struct input_file *input,
                      const struct program_limit *limit)
{
    const struct kvar *var = input->var;
    size_t bytes = type_bytes(var->type);
    int64_t count = logical_elements(data, var);
    if (input->size != count * (int64_t)bytes)
        return report("%s has %" PRId64 " bytes, but %s needs %" PRId64, input->path, input->size, var->name,
                      count * (int64_t)bytes);
    for (int64_t i = 0; i < count; i++)
        memcpy(place_of(data, var) + address_of(data, var, i) * (int64_t)bytes, input->bytes + i * (int64_t)bytes,
               bytes);
    return check_indices(data, input, limit);
}

static int64_t clamped(int64_t value, int64_t least, int64_t most)
{
    return value < least ? least : value > most ? most : value;
}

static int fill_scalars(struct program_data *data, const struct kprogram *program, const struct options *options,
                        uint64_t seed, const struct program_limit *limits)
{
    for (size_t i = 0; i < program->scalars.count; i++) {
        const struct kscalar *scalar = program->scalars.at[i];
        union xent_scalar *value = &data->call.scalar[i];
        if (scalar->type == KT_F32)
            value->f = xent_uniform(xent_random(seed, XENT_RANDOM_INIT, (uint32_t)(1000 + i), 0), 0.1f);
        else
            value->i = (int32_t)(scalar->limit    ? scalar->limit
                                 : limits[i].used ? clamped(0, limits[i].least, limits[i].most)
                                                  : 0);
    }
    for (size_t k = 0; k < options->set.count; k++) {
        const char *argument = options->set.at[k], *equals = strchr(argument, '=');
        size_t length = equals ? (size_t)(equals - argument) : 0, i = 0;
        while (i < program->scalars.count && (strlen(program->scalars.at[i]->name) != length ||
                                              memcmp(program->scalars.at[i]->name, argument, length) != 0))
            i++;
        if (!equals || i == program->scalars.count)
            return help_usage(options, "--set must be SCALAR=VALUE with a scalar of %s, not \"%s\"", program->name,
                              argument);
        const struct kscalar *scalar = program->scalars.at[i];
        char *end;
        double value = strtod(equals + 1, &end);
        bool whole = scalar->type == KT_F32 || (value == floor(value) && fabs(value) <= INT32_MAX);
        if (end == equals + 1 || *end || !whole || (scalar->limit && (value < 1 || value > (double)scalar->limit)) ||
            (scalar->type == KT_I32 && !program_limit_allows(&limits[i], (int64_t)value)))
            return help_usage(options, "\"%s\" is no value that %s can have", equals + 1, scalar->name);
        if (scalar->type == KT_F32)
            data->call.scalar[i].f = (float)value;
        else
            data->call.scalar[i].i = (int32_t)value;
    }
    return EXIT_OK;
}

static bool allocate(struct program_data *data, const struct kprogram *program)
{
    size_t bytes = ((size_t)program->arena_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    data->arena = aligned_alloc(ALIGNMENT, bytes ? bytes : ALIGNMENT);
    if (!data->arena)
        return false;
    memset(data->arena, 0, bytes);
    data->call.arena = data->arena;
    for (size_t i = 0; i < program->vars.count; i++) {
        const struct kvar *var = program->vars.at[i];
        if (var->place != KP_DATA)
            continue;
        int64_t count = stored_elements(data, var);
        if (count > (INT64_MAX >> 8))
            return false;
        bytes = ((size_t)count * type_bytes(var->type) / ALIGNMENT + 1) * ALIGNMENT;
        data->block[var->slot] = aligned_alloc(ALIGNMENT, bytes);
        if (!data->block[var->slot])
            return false;
        memset(data->block[var->slot], 0, bytes);
        data->call.data[var->slot] = data->block[var->slot];
    }
    return true;
}

/* A subscript such as p[i] + 100 into a buffer of 100 elements. */
static int check_limits(const struct kprogram *program, const struct program_limits *limits)
{
    for (size_t i = 0; i < program->vars.count; i++)
        if (limits->var[i].used && limits->var[i].least > limits->var[i].most)
            return report("%s: %s is used as an index, but no value of it is known to be within bounds", program->name,
                          program->vars.at[i]->name);
    for (size_t i = 0; i < program->scalars.count; i++)
        if (limits->scalar[i].used && limits->scalar[i].least > limits->scalar[i].most)
            return report("%s: %s is used as an index, but no value of it is known to be within bounds", program->name,
                          program->scalars.at[i]->name);
    return EXIT_OK;
}

int program_data_fill(struct program_data *data, struct arena *arena, const struct kprogram *program,
                      const struct options *options)
{
    uint64_t seed = options->seed < 0 ? 1 : (uint64_t)options->seed;
    struct input_file *inputs = ARENA_ARRAY(arena, struct input_file, options->input.count + 1);
    for (size_t i = 0; i < options->input.count; i++) {
        int status = read_input(arena, program, options, options->input.at[i], &inputs[i]);
        if (status != EXIT_OK)
            return status;
    }
    int status = find_rows(data, inputs, options->input.count);
    if (status != EXIT_OK)
        return status;
    if (!allocate(data, program))
        return report("cannot allocate the memory that %s asks for: %" PRId64 " bytes of arena and %" PRId64
                      " rows of data", program->name, program->arena_bytes, data->rows);

    struct program_limits limits = program_limits_find(arena, program, data->rows);
    status = check_limits(program, &limits);
    if (status != EXIT_OK)
        return status;
    for (size_t i = 0; i < program->vars.count; i++)
        if (program->vars.at[i]->place == KP_DATA || program->vars.at[i]->place == KP_STATE)
            fill_random(data, program->vars.at[i], (uint32_t)i, seed, &limits.var[i]);
    for (size_t i = 0; i < options->input.count && status == EXIT_OK; i++)
        status = fill_input(data, &inputs[i], &limits.var[var_number(program, inputs[i].var)]);
    return status == EXIT_OK ? fill_scalars(data, program, options, seed, limits.scalar) : status;
}

/* ---- printing ---- */

/* The number of the last call that writes the var; 0: none does, calls count from 1. */
static size_t last_write(const struct kprogram *program, const struct kvar *var)
{
    size_t last = 0;
    for (size_t i = 0; i < program->calls.count; i++) {
        const struct kcall *call = &program->calls.at[i];
        for (size_t k = 0; call->kernel && k < call->kernel->buffers.count; k++)
            if (call->argument[k] == var && call->kernel->buffers.at[k]->access != KA_IN)
                last = i + 1;
    }
    return last;
}

/* Whether another buffer of the arena was written over this one afterwards. */
static bool is_overwritten(const struct kprogram *program, const struct kvar *var)
{
    size_t written = last_write(program, var);
    for (size_t i = 0; i < program->vars.count; i++) {
        const struct kvar *other = program->vars.at[i];
        if (other != var && kvar_overlap(var, other) && last_write(program, other) > written)
            return true;
    }
    return false;
}

static void print_var(const struct program_data *data, const struct kvar *var, FILE *out)
{
    size_t bytes = type_bytes(var->type);
    int64_t count = logical_elements(data, var);
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a over the elements' bytes */
    for (int64_t i = 0; i < count; i++) {
        const char *element = place_of(data, var) + address_of(data, var, i) * (int64_t)bytes;
        for (size_t b = 0; b < bytes; b++)
            hash = (hash ^ (uint8_t)element[b]) * UINT64_C(1099511628211);
    }
    fprintf(out, "  hash %016" PRIx64 " ", hash);
    for (int64_t i = 0; i < count && i < SHOWN; i++) {
        const char *element = place_of(data, var) + address_of(data, var, i) * (int64_t)bytes;
        float f;
        int32_t n = (uint8_t)*element;
        if (bytes == 4)
            memcpy(&n, element, 4);
        memcpy(&f, &n, 4);
        if (var->type == KT_F32)
            fprintf(out, " %.9g (%a)", (double)f, (double)f);
        else
            fprintf(out, " %" PRId32, n);
    }
    fputs(count > SHOWN ? " …\n" : "\n", out);
}

void program_data_print(const struct program_data *data, const struct kprogram *program, FILE *out)
{
    for (size_t i = 0; i < program->vars.count; i++) {
        const struct kvar *var = program->vars.at[i];
        fprintf(out, "%s: %s[", var->name, type_name(var->type));
        for (uint32_t d = 0; d < var->rank; d++)
            fprintf(out, "%s%" PRId64, d ? ", " : "", extent_of(data, var, d));
        fputc(']', out);
        if (kvar_in_arena(var) && is_overwritten(program, var))
            fputs("  its memory was used again\n", out);
        else
            print_var(data, var, out);
    }
}

void program_data_deinit(struct program_data *data)
{
    free(data->arena);
    for (size_t i = 0; i < XENT_MAX_DATA; i++)
        free(data->block[i]);
}
