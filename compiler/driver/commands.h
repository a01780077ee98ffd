/* The subcommands, one file each, and what they share: messages, JSON lines, output. */
#ifndef XENT_DRIVER_COMMANDS_H
#define XENT_DRIVER_COMMANDS_H

#include "options.h"

#include <xent/output.h>
#include <xent/status.h>

#include <cJSON.h>

int cmd_compile(const struct options *options);
int cmd_train(const struct options *options);
int cmd_eval(const struct options *options);
int cmd_predict(const struct options *options);
int cmd_opt(const struct options *options);
int cmd_run(const struct options *options);
int cmd_ops(const struct options *options);
int cmd_cache(const struct options *options);
int cmd_bench(const struct options *options);
int cmd_help(const struct options *options);
int cmd_version(void);

/* `xentc: error: …` on standard error, odd bytes escaped; returns EXIT_WRONG. */
int report(const char *format, ...) __attribute__((format(printf, 1, 2)));
int report_error(const struct xent_error *error);
void report_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
int report_no_memory(void);
/* Rendered diagnostics; those without a place in a text begin like all other messages. */
void print_messages(const char *messages);
/* What was found wrong in a text; returns EXIT_WRONG. */
struct diag_list;
int report_diagnostics(const struct diag_list *diags);

/* One object as a line, and frees it; false when memory is short or the stream is broken. */
bool json_line(FILE *out, cJSON *object);
/* A number with `digits` significant digits; what JSON has no number for as a string: "nan", "inf", "-inf". */
void json_add_number(cJSON *object, const char *key, double value, int digits);
void json_add_numbers(cJSON *object, const char *key, const double *values, size_t count, int digits);

/* Text to `path` (NULL or "-": standard output); EXIT_OK or EXIT_WRONG after a message. */
int write_stage(const char *path, const void *bytes, size_t size);

/* Exactly one argument, or a message about usage. */
int one_argument(const struct options *options, const char *what);

/* Outputs that would overwrite an input or one another are wrong usage, as is "-" for anything but -o. `save`: where
 * weights go, or NULL; `data`: a file of the data set, or NULL. */
int check_paths(const struct options *options, const char *save, const char *data);
/* The names behind --print-after and --stop-after. */
int check_passes(const struct options *options);
int unknown_pass(const struct options *options, const char *name);
struct codegen_target;
int report_cannot_run(const struct codegen_target *target);

/* Compiles the one MODEL.net argument with the options that all subcommands share. The compilation is destroyed by the
 * caller, also after a failure, which has been reported. */
struct xent_compilation;
struct xent_compile_options;
int compile_model(const struct options *options, struct xent_compile_options *compile,
                  struct xent_compilation **out);
struct xent_session;
/* Says so where fewer threads take part than were asked for. */
void note_threads(const struct options *options, const struct xent_session *session);
/* A session for the compiled model, its parameters from `weights` where that is given. */
int open_session(const struct options *options, const struct xent_compilation *compilation, const char *weights,
                 struct xent_session **out);

#endif
