/* The command line: one table of options (options.def), one of subcommands (commands.def). Parsing, help and "did you
 * mean" are expansions of them. */
#ifndef XENT_DRIVER_OPTIONS_H
#define XENT_DRIVER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { EXIT_OK = 0, EXIT_WRONG = 1, EXIT_USAGE = 2 }; /* wrong: model, data, or the world */

enum command_id {
#define COMMAND(id, letter, function, name, arguments, line, more) COMMAND_##id,
#include "commands.def"
#undef COMMAND
    COMMAND_COUNT
};

struct options;
struct command {
    const char *name, *arguments, *line, *more;
    char letter; /* in the table of options */
    int (*run)(const struct options *options);
};

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER, OPTION_WORD, OPTION_LIST };

struct option_list {
    const char **at;
    size_t count;
};

/* What was asked for; absent: NULL, 0 (every NUMBER but the seed is at least 1), false. Strings point into argv. */
struct options {
    enum command_id command;
    struct option_list arguments;
    const char *emit, *output, *stop_after, *entry, *passes, *optimizer, *data, *init, *save, *step_log, *weights,
        *split, *dump, *schedule, *schedules, *cpu, *features;
    struct option_list print_after, set, input;
    int64_t batch, threads, steps, seconds, seed;
    bool time_passes, no_shuffle, reference, quiet, json, interpret, no_cache, infer, help, version;
    const char **storage;
};

struct option {
    const char *name;
    enum option_kind kind;
    size_t field; /* offset in struct options */
    const char *value;
    int64_t least, most;
    const char *commands, *doc;
};

extern const struct option option_table[];
extern const size_t option_count;
extern const struct command command_table[COMMAND_COUNT];

bool option_fits(const struct option *option, const struct command *command);

/* EXIT_OK, or EXIT_USAGE after a message on standard error. */
int options_parse(struct options *options, int argc, char **argv);
void options_deinit(struct options *options);

/* help.c */
void help_overview(FILE *out);
void help_command(FILE *out, const struct command *command);
int help_usage(const struct options *options, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
