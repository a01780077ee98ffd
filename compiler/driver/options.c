/* Parses the command line by the tables. Nothing is guessed: an unknown option or subcommand, a value that is missing,
 * malformed or given twice ends with one message. */
#include "options.h"

#include "commands.h"
#include "text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct option option_table[] = {
#define OPTION(name, kind, field, value, least, most, commands, doc)                                                   \
    {name, OPTION_##kind, offsetof(struct options, field), value, least, most, commands, doc},
#include "options.def"
#undef OPTION
};
const size_t option_count = sizeof option_table / sizeof option_table[0];

const struct command command_table[COMMAND_COUNT] = {
#define COMMAND(id, letter, function, name, arguments, line, more) {name, arguments, line, more, letter, function},
#include "commands.def"
#undef COMMAND
};

bool option_fits(const struct option *option, const struct command *command)
{
    return strchr(option->commands, command->letter) != NULL;
}

/* The option of this command; else one of this name that others have. */
static const struct option *option_named(const struct command *command, const char *name, size_t length)
{
    const struct option *found = NULL;
    if (length == 2 && !memcmp(name, "-h", 2))
        return option_named(command, "--help", 6);
    for (size_t i = 0; i < option_count; i++)
        if (strlen(option_table[i].name) == length && !memcmp(option_table[i].name, name, length) &&
            (!found || option_fits(&option_table[i], command)))
            found = &option_table[i];
    return found;
}

static int unknown_option(const struct options *options, const char *name, size_t length)
{
    const char *names[sizeof option_table / sizeof option_table[0]], *near = NULL;
    size_t count = 0;
    for (size_t i = 0; i < option_count; i++)
        if (option_fits(&option_table[i], &command_table[options->command]))
            names[count++] = option_table[i].name;
    char *wanted = strndup(name, length);
    if (wanted)
        near = nearest_name(wanted, names, count);
    int status = help_usage(options, "unknown option \"%.*s\"%s%s%s", (int)(length > 200 ? 200 : length), name,
                            near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    free(wanted);
    return status;
}

static bool is_word(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
        if (length && strcspn(at, "|") == length && !memcmp(at, word, length))
            return true;
    return false;
}

static int store(struct options *options, const struct option *option, const char *value)
{
    char *field = (char *)options + option->field;
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)field = true;
        return EXIT_OK;
    case OPTION_WORD:
        if (!is_word(option->value, value))
            return help_usage(options, "%s must be one of %s, not \"%s\"", option->name, option->value, value);
        break;
    case OPTION_NUMBER: {
        int64_t number;
        if (!text_to_int(value, &number) || number < option->least || number > option->most) {
            if (option->most == INT64_MAX)
                return help_usage(options, "%s must be a whole number from %lld on, not \"%s\"", option->name,
                                  (long long)option->least, value);
            return help_usage(options, "%s must be a whole number from %lld to %lld, not \"%s\"", option->name,
                              (long long)option->least, (long long)option->most, value);
        }
        *(int64_t *)field = number;
        return EXIT_OK;
    }
    case OPTION_LIST: {
        struct option_list *list = (struct option_list *)field;
        list->at[list->count++] = value;
        return EXIT_OK;
    }
    case OPTION_TEXT:
        if (!*value && strcmp(option->name, "--passes") != 0)
            return help_usage(options, "%s needs a value", option->name);
        break;
    }
    *(const char **)field = value;
    return EXIT_OK;
}

/* A first word that is no option: a subcommand, or a model's path. */
static int find_command(struct options *options, const char *word)
{
    const char *names[COMMAND_COUNT];
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        names[i] = command_table[i].name;
        if (!strcmp(word, names[i])) {
            options->command = (enum command_id)i;
            return EXIT_OK;
        }
    }
    if (strpbrk(word, "./") || access(word, F_OK) == 0)
        return -1; /* a path: an argument of `compile` */
    options->command = COMMAND_HELP; /* the hint is the list of subcommands */
    const char *near = nearest_name(word, names, COMMAND_COUNT);
    if (!*word)
        return help_usage(options, "the subcommand, or the name of a file, is empty");
    return help_usage(options, "unknown subcommand \"%s\"%s%s%s", word,
                      near ? "; did you mean \"" : ", and no such file", near ? near : "", near ? "\"?" : "");
}

static int parse_option(struct options *options, bool *seen, int argc, char **argv, int *at)
{
    const char *word = argv[*at], *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    const struct command *command = &command_table[options->command];
    const struct option *option = option_named(command, word, length);
    if (!option)
        return unknown_option(options, word, length);
    if (!option_fits(option, command))
        return help_usage(options, "%s is no option of %s", option->name, command->name);
    if (option->kind == OPTION_FLAG) {
        if (equals)
            return help_usage(options, "%s takes no value", option->name);
        return store(options, option, NULL);
    }
    if (!equals && *at + 1 >= argc)
        return help_usage(options, "%s needs a value: %s", option->name, option->value);
    if (seen[option - option_table] && option->kind != OPTION_LIST)
        return help_usage(options, "%s is given twice", option->name);
    seen[option - option_table] = true;
    return store(options, option, equals ? equals + 1 : argv[++*at]);
}

int options_parse(struct options *options, int argc, char **argv)
{
    bool seen[sizeof option_table / sizeof option_table[0]] = {false};
    struct option_list *const lists[] = {&options->arguments, &options->print_after, &options->set, &options->input};
    size_t room = (size_t)argc + 1, count = sizeof lists / sizeof lists[0];
    *options = (struct options){.seed = -1};
    options->storage = calloc(count * room, sizeof *options->storage);
    if (!options->storage) {
        fputs("xentc: error: out of memory\n", stderr);
        return EXIT_WRONG;
    }
    for (size_t i = 0; i < count; i++)
        lists[i]->at = options->storage + i * room;

    bool any = false, only_arguments = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        int status = EXIT_OK;
        if (!only_arguments && !strcmp(word, "--")) {
            only_arguments = true;
            continue;
        }
        if (!only_arguments && word[0] == '-' && word[1]) {
            status = parse_option(options, seen, argc, argv, &i);
        } else if (!any) {
            any = true;
            status = only_arguments || i > 1 ? -1 : find_command(options, word);
            if (status < 0) {
                options->arguments.at[options->arguments.count++] = word;
                status = EXIT_OK;
            }
        } else {
            options->arguments.at[options->arguments.count++] = word;
        }
        if (status != EXIT_OK)
            return status;
    }
    return EXIT_OK;
}

void options_deinit(struct options *options)
{
    free(options->storage);
    options->storage = NULL;
}
