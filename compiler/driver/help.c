/* `xentc help`, `--version` and messages about wrong usage, from the tables. */
#include "options.h"

#include "commands.h"
#include "pass.h"
#include "text.h"
#include "utf8.h"

#include <xent/compiler.h>

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

enum { HELP_COLUMN = 28, HELP_WIDTH = 110 };

/* `text` from column HELP_COLUMN on, broken at blanks. */
static void wrapped(FILE *out, size_t column, const char *text)
{
    while (*text) {
        for (; column < HELP_COLUMN; column++)
            fputc(' ', out);
        size_t length = strlen(text), room = HELP_WIDTH - HELP_COLUMN;
        if (length > room)
            for (length = room; length > 1 && text[length] != ' ';)
                length--;
        fprintf(out, "%.*s\n", (int)length, text);
        text += length;
        text += strspn(text, " ");
        column = 0;
    }
}

static void help_option(FILE *out, const struct option *option)
{
    int column = fprintf(out, "  %s%s%s", option->name, option->value ? (option->name[1] == '-' ? "=" : " ") : "",
                         option->value ? option->value : "");
    if (column >= HELP_COLUMN - 1) {
        fputc('\n', out);
        column = 0;
    }
    wrapped(out, (size_t)column, option->doc);
}

void help_overview(FILE *out)
{
    fputs("xentc compiles neural networks written as text, and trains them.\n\nusage:\n", out);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        const struct command *command = &command_table[i];
        bool plain = i == COMMAND_COMPILE;
        int column = fprintf(out, "  xentc %s%s%s", plain ? "" : command->name, plain ? "" : " ", command->arguments);
        if (column < 0)
            return;
        fprintf(out, "%*s%s\n", column < 36 ? 36 - column : 1, "", command->line);
    }
    fputs("\n`xentc help SUBCOMMAND` has its options. Start with: xentc help train\n"
          "exit status: 0 done, 1 wrong model or data (or no memory, no disk), 2 wrong usage\n",
          out);
}

void help_command(FILE *out, const struct command *command)
{
    bool plain = command == &command_table[COMMAND_COMPILE];
    fprintf(out, "usage: xentc %s%s[OPTION]… %s\n%s.\n\n", plain ? "" : command->name, plain ? "" : " ",
            command->arguments, command->line);
    for (size_t i = 0; i < option_count; i++)
        if (option_fits(&option_table[i], command))
            help_option(out, &option_table[i]);
    if (*command->more)
        fprintf(out, "\n%s", command->more);
    if (command == &command_table[COMMAND_OPT])
        for (size_t i = 0; i < pass_count; i++) {
            int column = fprintf(out, "  %s%s", pass_table[i].name, pass_table[i].on_program ? " (kernels)" : "");
            wrapped(out, column < 0 ? 0 : (size_t)column, pass_table[i].doc);
        }
    else if (command == &command_table[COMMAND_HELP]) {
        fputs("\nsubcommands:", out);
        for (size_t i = 0; i < COMMAND_COUNT; i++)
            fprintf(out, " %s", command_table[i].name);
        fputc('\n', out);
    }
}

int help_usage(const struct options *options, const char *format, ...)
{
    struct arena arena;
    arena_init(&arena, NULL);
    va_list args;
    va_start(args, format);
    const char *message = arena_vprintf(&arena, format, args);
    va_end(args);
    bool lists = options->command == COMMAND_HELP;
    fprintf(stderr, "xentc: error: %s\n   help: `xentc help%s%s` %s\n",
            utf8_escape(&arena, message, strlen(message), 2000), lists ? "" : " ",
            lists ? "" : command_table[options->command].name,
            lists ? "lists the subcommands" : "shows what it takes");
    arena_deinit(&arena);
    return EXIT_USAGE;
}

int cmd_help(const struct options *options)
{
    if (options->arguments.count > 1)
        return help_usage(options, "help takes one subcommand, not %zu", options->arguments.count);
    if (options->arguments.count == 0) {
        help_overview(stdout);
        return EXIT_OK;
    }
    const char *names[COMMAND_COUNT], *wanted = options->arguments.at[0];
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        names[i] = command_table[i].name;
        if (!strcmp(names[i], wanted)) {
            help_command(stdout, &command_table[i]);
            return EXIT_OK;
        }
    }
    const char *near = nearest_name(wanted, names, COMMAND_COUNT);
    return help_usage(options, "unknown subcommand \"%s\"%s%s%s", wanted, near ? "; did you mean \"" : "",
                      near ? near : "", near ? "\"?" : "");
}

int cmd_version(void)
{
    printf("xentc %s (%s)\n", xent_version(), xent_llvm_version());
    return EXIT_OK;
}
