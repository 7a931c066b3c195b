/* SPDX-License-Identifier: MIT */
#include "tcpctl/commands.h"

#include "conf/nearest.h"
#include "tcpctl/answer.h"
#include "tcpctl/client.h"
#include "tcpctl/import.h"
#include "tcpctl/options.h"
#include "tcpctl/print.h"
#include "tcpctl/text.h"
#include "tcpctl/top.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define TIMEOUT_MS   10000
#define EXIT_REFUSED 1

const struct command commands[] = {
    {.name = "status",
     .help = "version, uptime, generations, child processes, what is open",
     .print = print_status},
    {.name = "services",
     .help = "each service: type, state, connections, bytes, addresses",
     .print = print_services},
    {.name = "connections",
     .argument = "SERVICE",
     .key = "service",
     .help = "each connection: peer, age, idle, bytes, what TCP knows of it",
     .print = print_connections},
    {.name = "top", .options = "i", .help = "the two above as a live screen", .run = top_run},
    {.name = "kill",
     .argument = "ID",
     .needs_argument = true,
     .key = "id",
     .help = "close one connection",
     .print = print_kill},
    {.name = "reload",
     .patient = true,
     .help = "read the configuration again; tells what changes",
     .print = print_reload},
    {.name = "upgrade",
     .patient = true,
     .help = "go on with the installed binary; no connection is lost",
     .print = print_upgrade},
    {.name = "stop",
     .patient = true,
     .until_gone = true,
     .help = "stop, as SIGTERM does; returns when tcpd has left",
     .print = print_stop},
    {.name = "drain",
     .argument = "SERVICE",
     .key = "service",
     .patient = true,
     .help = "accept no more; returns when no connection is left",
     .print = print_drain},
    {.name = "log",
     .argument = "LEVEL",
     .needs_argument = true,
     .key = "level",
     .help = "log from now on: error, warning, notice, info, debug",
     .print = print_log},
    {.name = "metrics", .help = "what the status service prints", .print = print_metrics},
    {.name = "import-inetd",
     .argument = "FILE...",
     .needs_argument = true,
     .takes_many = true,
     .options = "f",
     .help = "print the tcpd form of what inetd, xinetd, tcpserver have",
     .run = import_run},
    {.name = NULL},
};

#define COMMANDS (sizeof commands / sizeof *commands)

const struct command *command_find(const char *name)
{
    for (const struct command *command = commands; command->name; command++) {
        if (strcmp(command->name, name) == 0)
            return command;
    }
    return NULL;
}

const char *command_nearest(const char *name)
{
    const char *names[COMMANDS];
    for (size_t i = 0; i < COMMANDS; i++)
        names[i] = commands[i].name;
    return nearest(name, names);
}

/* A command under way. */
struct asking {
    const struct options *options;
    struct client client;
    char *last; /* what was said of the progress */
};

static int unavailable(const struct error *error)
{
    text_say(stderr, "tcpctl: %s", error->text);
    return EX_UNAVAILABLE;
}

/* As it came; but what a terminal could take for a command is written as JSON escapes there. */
static void print_json(const char *line, const json_t *answer)
{
    char *escaped =
        isatty(STDOUT_FILENO)
            ? json_dumps(answer, JSON_ENSURE_ASCII | JSON_COMPACT | JSON_REAL_PRECISION(15))
            : NULL;
    printf("%s\n", escaped ? escaped : line);
    fflush(stdout);
    free(escaped);
}

/* A line for people each time something else is left. */
static void tell_progress(struct asking *asking, const json_t *line)
{
    char *text = print_progress(line);
    if (text && (!asking->last || strcmp(text, asking->last) != 0)) {
        text_say(stdout, "%s", text);
        fflush(stdout);
    }
    free(asking->last);
    asking->last = text;
}

static void tell_refusal(const json_t *answer)
{
    const json_t *errors = json_object_get(answer, "errors");
    text_say(stderr, "tcpctl: %s", field_text(answer, "error"));
    for (size_t i = 0; i < json_array_size(errors); i++) {
        const char *error = json_string_value(json_array_get(errors, i));
        text_say(stderr, "%s", error ? error : "-");
    }
}

/* The next line of the answer; with ANSWER_NONSENSE, there will be none. */
static enum answer_kind next(struct asking *asking, json_t **answer, struct error *error)
{
    char *line;
    size_t length;
    int timeout = asking->options->command->patient ? -1 : TIMEOUT_MS;
    enum client_result result = client_receive(&asking->client, timeout, &line, &length, error);
    if (result == CLIENT_END)
        error_set(error, 0, "tcpd has gone away before it had answered");
    if (result != CLIENT_LINE)
        return ANSWER_NONSENSE;
    enum answer_kind kind = answer_parse(line, length, answer, error);
    if (kind != ANSWER_NONSENSE && asking->options->json)
        print_json(line, *answer);
    return kind;
}

static void wait_until_gone(struct asking *asking)
{
    char *line;
    size_t length;
    struct error error;
    enum client_result result;
    do
        result = client_receive(&asking->client, -1, &line, &length, &error);
    while (result == CLIENT_LINE);
}

static int done(struct asking *asking, const json_t *answer)
{
    if (asking->options->command->until_gone)
        wait_until_gone(asking);
    if (!asking->options->json)
        asking->options->command->print(answer);
    return EX_OK;
}

/* All lines of the answer, to the final one. */
static int listen_to_answer(struct asking *asking)
{
    struct error error;
    json_t *answer;
    enum answer_kind kind = next(asking, &answer, &error);
    while (kind == ANSWER_PROGRESS) {
        if (!asking->options->json)
            tell_progress(asking, answer);
        json_decref(answer);
        kind = next(asking, &answer, &error);
    }
    if (kind == ANSWER_NONSENSE)
        return unavailable(&error);
    int status = EXIT_REFUSED;
    if (kind == ANSWER_DONE)
        status = done(asking, answer);
    else
        tell_refusal(answer);
    json_decref(answer);
    return status;
}

static int ask(struct asking *asking, const char *request)
{
    struct error error;
    if (client_open(&asking->client, asking->options->socket, TIMEOUT_MS, &error))
        return unavailable(&error);
    int status;
    if (client_send(&asking->client, request, strlen(request), &error))
        status = unavailable(&error);
    else
        status = listen_to_answer(asking);
    client_close(&asking->client);
    return status;
}

int command_run(const struct options *options)
{
    const struct command *command = options->command;
    if (command->run)
        return command->run(options);
    char *request = answer_request(command->name, command->key, options->argument);
    if (!request || strlen(request) > CLIENT_REQUEST_MAX) {
        text_say(stderr, "tcpctl: that is no %s: it is %s", command->argument,
                 request ? "too long" : "not UTF-8");
        free(request);
        return EX_USAGE;
    }
    struct asking asking = {.options = options};
    int status = ask(&asking, request);
    free(asking.last);
    free(request);
    return status;
}
