/* SPDX-License-Identifier: MIT */
#include "traffic/control.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *do_mark(struct fleet *fleet, const char *name)
{
    for (const char *c = name; *c; c++)
        if (!isprint((unsigned char)*c) || *c == '"' || *c == '\\')
            return "a name without quotes, please";
    fleet_report(fleet, "mark", name);
    return NULL;
}

static const struct command {
    const char *word;
    const char *(*run)(struct fleet *fleet, const char *argument);
} commands[] = {
    {"mark", do_mark},
    {"add", fleet_add},
    {"remove", fleet_remove},
};

static const struct command *find_command(const char *line)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        size_t length = strlen(commands[i].word);
        if (!strncmp(line, commands[i].word, length) && line[length] == ' ')
            return &commands[i];
    }
    return NULL;
}

static void do_line(struct fleet *fleet, const char *line)
{
    const struct command *command = find_command(line);
    const char *wrong = command ? command->run(fleet, line + strlen(command->word) + 1)
                                : "not a command: mark NAME, add TARGET, remove TARGET, stop";
    if (!wrong)
        return;
    fprintf(stderr, "traffic: %s: %s\n", line, wrong);
    printf("{\"error\":\"%s\",\"command\":\"%s\"}\n", wrong, command ? command->word : "");
    fflush(stdout);
}

static void line_came(struct control *control, struct fleet *fleet)
{
    control->line[control->length] = '\0';
    control->length = 0;
    if (!strcmp(control->line, "stop"))
        control->end = "stop";
    else
        do_line(fleet, control->line);
}

void control_read(struct control *control, struct fleet *fleet)
{
    char bytes[4096];
    ssize_t length = read(STDIN_FILENO, bytes, sizeof bytes);
    if (length <= 0)
        control->end = "eof";
    for (ssize_t i = 0; i < length && !control->end; i++)
        if (bytes[i] == '\n')
            line_came(control, fleet);
        else if (control->length < sizeof control->line - 1)
            control->line[control->length++] = bytes[i];
}
