/* CSV: one example a row. The file is read whole, its rows are counted (never more than its bytes allow), then each
 * number is parsed into its place. */
#include "internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct csv {
    struct xent_dataset *dataset;
    struct xent_error *error;
    const char *path;
    const char *at, *end;  /* the text that is left */
    const char *line_text; /* first byte of the current line */
    uint64_t line;         /* from 1 */
    uint64_t row;          /* example, from 0 */
    uint64_t targets, fields; /* of a row */
    locale_t locale;
    unsigned char *u8;
    float *f32, *probs;
    double *exact_inputs, *exact_probs;
    int32_t *classes;
};

struct field {
    const char *text;
    size_t size;
    bool last; /* of its row */
};

/* --- Messages --- */

static bool ends_line(const struct csv *csv, const char *at) {
    return at == csv->end || *at == '\n' || (*at == '\r' && at + 1 < csv->end && at[1] == '\n') ||
           (*at == '\r' && at + 1 == csv->end);
}

static enum xent_status fail_at(const struct csv *csv, const char *place, size_t length, const char *message) {
    uint64_t column = 1;
    for (const char *at = csv->line_text; at < place; column++) {
        size_t bytes = rt_utf8((const unsigned char *)at, (size_t)(place - at));
        at += bytes ? bytes : 1;
    }
    const char *end = place;
    while (!ends_line(csv, end))
        end++;
    struct rt_quote quote = {csv->line_text, (size_t)(end - csv->line_text), (size_t)(place - csv->line_text), length};
    return rt_fail_quoting(csv->error, csv->line, &quote, "%s:%" PRIu64 ":%" PRIu64 ": %s", csv->path, csv->line,
                           column, message);
}

static enum xent_status fail_field(const struct csv *csv, const struct field *field, uint64_t number,
                                   const char *wrong) {
    char message[512], excerpt[RT_EXCERPT];
    snprintf(message, sizeof message, "field %" PRIu64 ": %s %s", number + 1,
             field->size ? rt_excerpt(excerpt, field->text, field->size) : "nothing", wrong);
    return fail_at(csv, field->text, field->size, message);
}

static enum xent_status fail_count(const struct csv *csv, const char *place, uint64_t found) {
    char message[256];
    const struct xent_data_spec *spec = &csv->dataset->spec;
    snprintf(message, sizeof message,
             "%" PRIu64 " field%s, but a row has %" PRIu64 ": %" PRIu64 " of the input%s%s", found,
             found == 1 ? "" : "s", csv->fields, csv->dataset->elements,
             csv->targets == 0  ? ""
             : csv->targets == 1 ? " and 1 of the target"
                                 : " and one probability for each class",
             spec->target == XENT_TARGET_NONE ? " (no target)" : "");
    return fail_at(csv, place, 0, message);
}

/* --- Fields --- */

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* blank* ( quote [^quote line-end]* quote | [^, line-end]* ) blank*, then a comma or the end of the line. */
static enum xent_status next_field(struct csv *csv, uint64_t number, struct field *out) {
    const char *at = csv->at, *end = csv->end;
    while (at < end && is_blank(*at))
        at++;
    if (at < end && *at == '"') {
        out->text = ++at;
        while (at < end && *at != '"' && *at != '\n')
            at++;
        out->size = (size_t)(at - out->text);
        if (at == end || *at != '"')
            return fail_field(csv, out, number, "has no closing quote");
        at++;
        while (at < end && is_blank(*at))
            at++;
        if (!ends_line(csv, at) && *at != ',')
            return fail_field(csv, out, number, "is followed by more than a comma");
        while (out->size && is_blank(out->text[0]))
            out->text++, out->size--;
    } else {
        out->text = at;
        while (at < end && *at != ',' && *at != '\n' && *at != '\r')
            at++;
        while (!ends_line(csv, at) && *at != ',')
            at++;
        out->size = (size_t)(at - out->text);
    }
    while (out->size && is_blank(out->text[out->size - 1]))
        out->size--;
    out->last = ends_line(csv, at);
    csv->at = out->last ? at : at + 1;
    return XENT_OK;
}

/* Past the end of the line; the column of a message counts from there. */
static void next_line(struct csv *csv) {
    const char *newline = memchr(csv->at, '\n', (size_t)(csv->end - csv->at));
    csv->at = newline ? newline + 1 : csv->end;
    csv->line_text = csv->at;
    csv->line++;
}

/* --- One row --- */

static enum xent_status parse_u8(struct csv *csv, const struct field *field, uint64_t number, uint64_t place) {
    int32_t value = 0;
    enum rt_number result = rt_integer_parse(field->text, field->size, &value);
    if (result == RT_NUMBER_NOT)
        return fail_field(csv, field, number, "is no integer (the input is u8: 0 to 255)");
    if (result == RT_NUMBER_RANGE || value < 0 || value > 255)
        return fail_field(csv, field, number, "is outside 0 to 255 (the input is u8)");
    csv->u8[place] = (unsigned char)value;
    if (csv->exact_inputs)
        csv->exact_inputs[place] = value;
    return XENT_OK;
}

static enum xent_status parse_f32(struct csv *csv, const struct field *field, uint64_t number, float *out,
                                  double *out_exact) {
    double value;
    enum rt_number result = rt_number_parse(field->text, field->size, csv->locale, &value);
    if (result == RT_NUMBER_NOT)
        return fail_field(csv, field, number, "is no number");
    *out = (float)value;
    if (result == RT_NUMBER_RANGE || (isinf(*out) && !isinf(value)))
        return fail_field(csv, field, number, "is too large for f32 (write inf where that is meant)");
    if (out_exact)
        *out_exact = value;
    return XENT_OK;
}

static enum xent_status parse_class(struct csv *csv, const struct field *field, uint64_t number) {
    int32_t value = 0;
    const struct xent_data_spec *spec = &csv->dataset->spec;
    enum rt_number result = rt_integer_parse(field->text, field->size, &value);
    if (result == RT_NUMBER_NOT)
        return fail_field(csv, field, number, "is no class index (an integer)");
    if (result == RT_NUMBER_OK && rt_class_fits(spec, value)) {
        csv->classes[csv->row] = value;
        return XENT_OK;
    }
    char wrong[192];
    snprintf(wrong, sizeof wrong,
             "is no class of example %" PRIu64 " (counted from 0): classes are 0 to %" PRIu32
             ", and %" PRId32 " for an ignored one",
             csv->row, spec->classes - 1, spec->ignore_index);
    return fail_field(csv, field, number, wrong);
}

static enum xent_status parse_prob(struct csv *csv, const struct field *field, uint64_t number, uint64_t place) {
    double value;
    enum xent_status status = parse_f32(csv, field, number, &csv->probs[place], &value);
    if (status)
        return status;
    if (!isfinite(value) || value < 0)
        return fail_field(csv, field, number, "is no probability (a finite number that is not negative)");
    if (csv->exact_probs)
        csv->exact_probs[place] = value;
    return XENT_OK;
}

static enum xent_status parse_field(struct csv *csv, const struct field *field, uint64_t number) {
    const struct xent_dataset *dataset = csv->dataset;
    if (number < dataset->elements) {
        uint64_t place = csv->row * dataset->elements + number;
        if (csv->u8)
            return parse_u8(csv, field, number, place);
        return parse_f32(csv, field, number, &csv->f32[place], csv->exact_inputs ? &csv->exact_inputs[place] : NULL);
    }
    if (csv->classes)
        return parse_class(csv, field, number);
    uint64_t place = csv->row * csv->targets + (number - dataset->elements);
    return parse_prob(csv, field, number, place);
}

/* How many fields the rest of the line has, for a message, and where it ends. */
static uint64_t count_rest(const struct csv *csv, const char **out_end) {
    uint64_t commas = 0;
    const char *at = csv->at;
    for (; !ends_line(csv, at); at++)
        commas += *at == ',';
    *out_end = at;
    return commas + 1;
}

static enum xent_status parse_row(struct csv *csv) {
    for (uint64_t number = 0; number < csv->fields; number++) {
        struct field field = {0};
        enum xent_status status = next_field(csv, number, &field);
        if (status)
            return status;
        if (field.last && number + 1 < csv->fields)
            return fail_count(csv, csv->at, number + 1);
        if ((status = parse_field(csv, &field, number)))
            return status;
        if (!field.last && number + 1 == csv->fields) {
            const char *end;
            return fail_count(csv, csv->at, csv->fields + count_rest(csv, &end));
        }
    }
    next_line(csv);
    csv->row++;
    return XENT_OK;
}

/* --- The file --- */

static bool blank_rest(const struct csv *csv) {
    for (const char *at = csv->at; at < csv->end; at++)
        if (!is_blank(*at) && *at != '\n' && *at != '\r')
            return false;
    return true;
}

/* Old spreadsheets end lines in \r alone, which would be one line of all rows, or one header. */
static enum xent_status check_line_ends(struct csv *csv) {
    for (const char *at = csv->at; (at = memchr(at, '\r', (size_t)(csv->end - at))); at++)
        if (!ends_line(csv, at)) {
            while (csv->at < at)
                if (*csv->at++ == '\n') {
                    csv->line_text = csv->at;
                    csv->line++;
                }
            return fail_at(csv, at, 1, "a line ends in \\r alone, but lines end in \\n or in \\r\\n");
        }
    return XENT_OK;
}

/* Lines that are left, but no more rows than the bytes allow: each field has a digit and a comma or a line's end. */
static uint64_t count_rows(const struct csv *csv) {
    uint64_t rows = 0, most = (uint64_t)(csv->end - csv->at + 1) / 2 / csv->fields;
    for (const char *at = csv->at; at < csv->end; rows++) {
        const char *newline = memchr(at, '\n', (size_t)(csv->end - at));
        at = newline ? newline + 1 : csv->end;
    }
    return rows < most ? rows : most;
}

static enum xent_status allocate(struct csv *csv, uint64_t rows, unsigned flags) {
    struct xent_dataset *dataset = csv->dataset;
    uint64_t elements = dataset->elements;
    bool u8 = dataset->spec.dtype == XENT_U8, exact = flags & XENT_CSV_EXACT;
    bool classes = dataset->spec.target == XENT_TARGET_CLASS, probs = dataset->spec.target == XENT_TARGET_PROB;
    void *at[5] = {0};
    const struct {
        bool wanted;
        uint64_t each;
        size_t size;
    } want[5] = {{true, elements, u8 ? 1 : sizeof(float)},
                 {classes, 1, sizeof(int32_t)},
                 {probs, csv->targets, sizeof(float)},
                 {exact, elements, sizeof(double)},
                 {exact && probs, csv->targets, sizeof(double)}};
    for (int i = 0; i < 5; i++) {
        enum xent_status status = XENT_OK;
        if (want[i].wanted)
            status = rt_dataset_alloc(dataset, rows, want[i].each, want[i].size, csv->path, &at[i], csv->error);
        if (status)
            return status;
    }
    csv->u8 = u8 ? at[0] : NULL;
    csv->f32 = u8 ? NULL : at[0];
    dataset->inputs = at[0];
    dataset->classes = csv->classes = at[1];
    dataset->probs = csv->probs = at[2];
    dataset->exact_inputs = csv->exact_inputs = at[3];
    dataset->exact_probs = csv->exact_probs = at[4];
    return XENT_OK;
}

static enum xent_status parse_file(struct csv *csv, unsigned flags) {
    if (csv->end - csv->at >= 3 && !memcmp(csv->at, "\xef\xbb\xbf", 3))
        csv->line_text = csv->at += 3;
    if (blank_rest(csv))
        return rt_fail(csv->error, XENT_ERROR_DATA, "%s: the file is empty", csv->path);
    enum xent_status status = check_line_ends(csv);
    if (status)
        return status;
    if (flags & XENT_CSV_HEADER)
        next_line(csv);
    if (blank_rest(csv))
        return rt_fail(csv->error, XENT_ERROR_DATA, "%s: there is no example behind the header", csv->path);
    uint64_t rows = count_rows(csv);
    if (rows > INT32_MAX)
        return rt_fail(csv->error, XENT_ERROR_DATA, "%s: more than 2147483647 examples", csv->path);
    const char *end;
    uint64_t found = count_rest(csv, &end);
    if (!rows && found != csv->fields) /* memory for one row could be far more than the file */
        return fail_count(csv, end, found);
    status = allocate(csv, rows + 1, flags); /* the one that is wrong needs a place, too */
    while (!status && csv->at < csv->end && !blank_rest(csv)) {
        if (ends_line(csv, csv->at))
            return fail_at(csv, csv->at, 0, "a blank line between examples");
        status = parse_row(csv);
    }
    csv->dataset->examples = csv->row;
    return status;
}

enum xent_status xent_dataset_load_csv(const struct xent_data_spec *spec, const char *path, unsigned flags,
                                       struct xent_dataset **out, struct xent_error *error) {
    struct csv csv = {.error = error, .path = path, .line = 1};
    enum xent_status status = rt_dataset_new(spec, path, &csv.dataset, error);
    if (status)
        return status;
    csv.targets = spec->target == XENT_TARGET_CLASS ? 1 : spec->target == XENT_TARGET_PROB ? spec->classes : 0;
    csv.fields = csv.dataset->elements + csv.targets;
    char *text = NULL;
    size_t size;
    csv.locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    status = csv.locale ? rt_file_read(path, &text, &size, error) : rt_fail_memory(error, path, 0);
    if (!status) {
        csv.at = csv.line_text = text;
        csv.end = text + size;
        status = parse_file(&csv, flags);
    }
    free(text);
    if (csv.locale)
        freelocale(csv.locale);
    if (status)
        xent_dataset_destroy(csv.dataset);
    else
        *out = csv.dataset;
    return status;
}
