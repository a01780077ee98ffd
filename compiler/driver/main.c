/* xentc: compiles neural networks written as text, and trains them. */
#include "commands.h"

#include <errno.h>
#include <string.h>

int main(int argc, char **argv)
{
    struct options options;
    if (argc < 2) {
        help_overview(stderr);
        return EXIT_USAGE;
    }
    int status = options_parse(&options, argc, argv);
    if (status == EXIT_OK) {
        bool bare = options.command == COMMAND_COMPILE && strcmp(argv[1], "compile") != 0;
        if (options.version)
            status = cmd_version();
        else if (options.help && bare)
            help_overview(stdout);
        else if (options.help)
            help_command(stdout, &command_table[options.command]);
        else
            status = command_table[options.command].run(&options);
    }
    options_deinit(&options);
    errno = 0;
    bool broken = ferror(stdout) != 0;
    if ((fflush(stdout) != 0 || broken) && status == EXIT_OK)
        status = report("cannot write to standard output%s%s", errno ? ": " : "", errno ? strerror(errno) : "");
    return status;
}
