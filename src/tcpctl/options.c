/* SPDX-License-Identifier: MIT */
#include "tcpctl/options.h"

#include "base/clock.h"
#include "tcpctl/commands.h"
#include "tcpctl/import.h"
#include "tcpctl/text.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { JSON = 256 }; /* the value of an option without a letter */

static const struct option long_options[] = {
    {"format", required_argument, NULL, 'f'},
    {"help", no_argument, NULL, 'h'},
    {"interval", required_argument, NULL, 'i'},
    {"json", no_argument, NULL, JSON},
    {"socket", required_argument, NULL, 's'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static int set_interval(struct options *options, const char *text, struct error *error)
{
    char *end;
    double seconds = strtod(text, &end);
    if (end == text || *end || !(seconds >= 0.1 && seconds <= 3600))
        return error_set(error, 0, "--interval takes 0.1 to 3600 seconds, not \"%.100s\"", text);
    options->interval = (uint64_t)(seconds * (double)CLOCK_S);
    return 0;
}

static int set_socket(struct options *options, const char *path, struct error *error)
{
    if (!*path)
        return error_set(error, 0, "--socket wants a path");
    options->socket = path;
    return 0;
}

static int set_format(struct options *options, const char *name, struct error *error)
{
    if (!import_reader_named(name))
        return error_set(
            error, 0, "--format takes inetd, inetutils, xinetd or tcpserver, not \"%.100s\"", name);
    options->format = name;
    return 0;
}

/* What getopt_long stumbled over.  A letter may stand in a bundle, a long option is a word. */
static int refuse(int result, const char *word, struct error *error)
{
    if (result == ':')
        return error_set(error, 0, "the option %.100s wants an argument", word);
    if (optopt && strncmp(word, "--", 2) != 0)
        return error_set(error, 0, "unknown option -%c", optopt);
    if (optopt)
        return error_set(error, 0, "the option %.100s takes no argument", word);
    return error_set(error, 0, "unknown option %.100s", word);
}

static int take_option(struct options *options, int option, char **argv, struct error *error)
{
    switch (option) {
    case 's':
        return set_socket(options, optarg, error);
    case 'i':
        return set_interval(options, optarg, error);
    case 'f':
        return set_format(options, optarg, error);
    case JSON:
        options->json = true;
        return 0;
    case 'V':
        options->task = OPTIONS_VERSION;
        return 0;
    case 'h':
        options->task = OPTIONS_HELP;
        return 0;
    default:
        return refuse(option, argv[optind - 1], error);
    }
}

static int unknown_command(const char *name, struct error *error)
{
    const char *near = command_nearest(name);
    if (near)
        return error_set(error, 0, "there is no command \"%.100s\"; is it \"%s\"?", name, near);
    return error_set(error, 0, "there is no command \"%.100s\"", name);
}

/* Options that are of use to some commands only. */
static int check_options(const struct options *options, struct error *error)
{
    const struct command *command = options->command;
    const char *own = command->options ? command->options : "";
    if (options->interval && !strchr(own, 'i'))
        return error_set(error, 0, "--interval is of use to top only");
    if (options->format && !strchr(own, 'f'))
        return error_set(error, 0, "--format is of use to import-inetd only");
    if (options->json && command->run)
        return error_set(error, 0, "%s is for people: it has no --json", command->name);
    return 0;
}

/* Does what was given suit the command? */
static int check(const struct options *options, int count, char **words, struct error *error)
{
    const struct command *command = options->command;
    const char *name = command->name;
    static const char *const numbers[] = {"no argument", "one argument", "two arguments",
                                          "three arguments"};
    unsigned most = command_arguments(command);
    if ((unsigned)count > most && !command->takes_many)
        return error_set(error, 0, "%s takes %s: what is \"%.100s\"?", name, numbers[most],
                         words[most]);
    for (unsigned i = 0; i < most; i++)
        if (!command->arguments[i].optional && (i >= (unsigned)count || !*words[i]))
            return error_set(error, 0, "%s wants %s", name, command->arguments[i].name);
    return check_options(options, error);
}

static int take_command(struct options *options, int count, char **words, struct error *error)
{
    if (count == 0)
        return error_set(error, 0, "which command?");
    options->command = command_find(words[0]);
    if (!options->command)
        return unknown_command(words[0], error);
    options->arguments = words + 1;
    options->argument_count = (unsigned)count - 1;
    return check(options, count - 1, words + 1, error);
}

static const char *default_socket(void)
{
    const char *path = getenv(OPTIONS_VARIABLE);
    return path && *path ? path : OPTIONS_SOCKET;
}

int options_parse(struct options *options, int argc, char **argv, struct error *error)
{
    *options = (struct options){.socket = default_socket()};
    opterr = 0;
    optind = 0; /* glibc: begin anew */
    int option = getopt_long(argc, argv, ":f:hi:s:V", long_options, NULL);
    for (; option != -1; option = getopt_long(argc, argv, ":f:hi:s:V", long_options, NULL)) {
        if (take_option(options, option, argv, error))
            return -1;
    }
    if (options->task != OPTIONS_COMMAND)
        return 0;
    return take_command(options, argc - optind, argv + optind, error);
}

static void help_line(FILE *file, const struct command *command)
{
    char words[64];
    int length = snprintf(words, sizeof words, "%s", command->name);
    for (unsigned i = 0; i < command_arguments(command) && length < (int)sizeof words; i++)
        length +=
            snprintf(words + length, sizeof words - (size_t)length,
                     command->arguments[i].optional ? " [%s]" : " %s", command->arguments[i].name);
    fprintf(file, length < 24 ? "  %-23s %s\n" : "  %s\n                          %s\n", words,
            command->help);
}

void options_help(FILE *file)
{
    fputs("Usage: tcpctl [-s SOCKET] [--json] COMMAND\n"
          "\n"
          "  -s, --socket SOCKET     the daemon's control socket (default: $" OPTIONS_VARIABLE
          ", else\n"
          "                          " OPTIONS_SOCKET ")\n"
          "      --json              print the daemon's answer as it comes, a JSON object a line\n"
          "  -f, --format FORMAT     of what import-inetd reads: inetd, inetutils, xinetd, "
          "tcpserver\n"
          "  -i, --interval SECONDS  between two looks of top (default: 2)\n"
          "  -V, --version           version, and what was compiled in\n"
          "  -h, --help              this text\n"
          "\n"
          "Commands:\n",
          file);
    for (const struct command *command = commands; command->name; command++)
        help_line(file, command);
    fputs("\nExit status: 0 done; 1 refused; 64 wrong usage; 65 mistakes in what was to be "
          "imported;\n"
          "66 a file that cannot be read; 69 no daemon to ask.\n"
          "The manual: tcpctl(8).\n",
          file);
}
