/* Messages, JSON lines and whole files: what the subcommands tell the world. */
#include "commands.h"

#include "codegen.h"
#include "diag.h"
#include "text.h"
#include "utf8.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* `quoted`: lines that follow the message, each after a '\n', printable as they are. */
static void print_message(const char *kind, const char *quoted, const char *format, va_list args)
{
    struct arena arena;
    arena_init(&arena, NULL);
    const char *message = arena_vprintf(&arena, format, args);
    fflush(stdout);
    fprintf(stderr, "xentc: %s: %s%s\n", kind, utf8_escape(&arena, message, strlen(message), 5000), quoted);
    arena_deinit(&arena);
}

int report(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_message("error", "", format, args);
    va_end(args);
    return EXIT_WRONG;
}

static void report_quoting(const char *quoted, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void report_quoting(const char *quoted, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_message("error", quoted, format, args);
    va_end(args);
}

void print_messages(const char *messages)
{
    fflush(stdout);
    for (const char *line = messages; *line;) {
        size_t length = strcspn(line, "\n");
        length += line[length] == '\n';
        fprintf(stderr, "%s%.*s", strncmp(line, "error: ", 7) ? "" : "xentc: ", (int)length, line);
        line += length;
    }
}

int report_diagnostics(const struct diag_list *diags)
{
    struct text text;
    text_init(&text, diags->arena);
    diag_render(diags, &text);
    print_messages(text_string(&text));
    return EXIT_WRONG;
}

int report_error(const struct xent_error *error)
{
    const char *end = strchrnul(error->message, '\n');
    report_quoting(end, "%.*s", (int)(end - error->message), error->message);
    return EXIT_WRONG;
}

void report_note(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_message("note", "", format, args);
    va_end(args);
}

int report_no_memory(void)
{
    fputs("xentc: error: out of memory\n", stderr);
    return EXIT_WRONG;
}

int report_cannot_run(const struct codegen_target *target)
{
    char *missing = codegen_target_missing(target);
    int status = report("this machine cannot run code for %s%s%s", codegen_target_describe(target),
                        missing && *missing ? ": it has no " : "", missing ? missing : "");
    free(missing);
    return status;
}

bool json_line(FILE *out, cJSON *object)
{
    char *text = object ? cJSON_PrintUnformatted(object) : NULL;
    cJSON_Delete(object);
    if (!text)
        return false;
    bool ok = fprintf(out, "%s\n", text) >= 0 && fflush(out) == 0;
    cJSON_free(text);
    return ok;
}

static cJSON *json_number(double value, int digits)
{
    if (isnan(value))
        return cJSON_CreateString("nan");
    if (isinf(value))
        return cJSON_CreateString(value > 0 ? "inf" : "-inf");
    char text[40];
    snprintf(text, sizeof text, "%.*g", digits, value);
    return cJSON_CreateRaw(text);
}

void json_add_number(cJSON *object, const char *key, double value, int digits)
{
    cJSON_AddItemToObject(object, key, json_number(value, digits));
}

void json_add_numbers(cJSON *object, const char *key, const double *values, size_t count, int digits)
{
    cJSON *array = cJSON_AddArrayToObject(object, key);
    for (size_t i = 0; i < count; i++)
        cJSON_AddItemToArray(array, json_number(values[i], digits));
}

int write_stage(const char *path, const void *bytes, size_t size)
{
    if (!path || !strcmp(path, "-")) {
        fwrite(bytes, 1, size, stdout);
        return EXIT_OK; /* main looks at the stream's state */
    }
    struct xent_error error;
    struct xent_output *output;
    if (xent_output_open(path, false, &output, &error) != XENT_OK)
        return report_error(&error);
    if (xent_output_write(output, bytes, size, &error) != XENT_OK) {
        xent_output_abort(output);
        return report_error(&error);
    }
    return xent_output_commit(output, &error) == XENT_OK ? EXIT_OK : report_error(&error);
}

int one_argument(const struct options *options, const char *what)
{
    if (options->arguments.count == 0)
        return help_usage(options, "%s is missing", what);
    if (options->arguments.count > 1)
        return help_usage(options, "%s takes one %s, but there is also \"%s\"", command_table[options->command].name,
                          what, options->arguments.at[1]);
    return EXIT_OK;
}
