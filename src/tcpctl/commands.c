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
#include "tcpctl/who.h"

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
     .arguments = {{.name = "SERVICE", .key = "service", .optional = true}},
     .help = "each connection: peer, age, idle, bytes, what TCP knows of it",
     .print = print_connections},
    {.name = "top", .options = "i", .help = "the two above as a live screen", .run = top_run},
    {.name = "kill",
     .arguments = {{.name = "ID", .key = "id"}},
     .help = "close one connection",
     .print = print_kill},
    {.name = "explain",
     .arguments = {{.name = "ADDRESS", .key = "address", .translate = who_translate},
                   {.name = "SERVICE", .key = "service"},
                   {.name = "PROXY", .key = "proxy", .optional = true, .translate = who_translate}},
     .help = "would that client be admitted now, and by which rule",
     .print = print_explain},
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
     .arguments = {{.name = "SERVICE", .key = "service", .optional = true}},
     .patient = true,
     .help = "accept no more; returns when no connection is left",
     .print = print_drain},
    {.name = "log",
     .arguments = {{.name = "LEVEL", .key = "level"}},
     .help = "log from now on: error, warning, notice, info, debug",
     .print = print_log},
    {.name = "metrics", .help = "what the status service prints", .print = print_metrics},
    {.name = "import-inetd",
     .arguments = {{.name = "FILE..."}},
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

unsigned command_arguments(const struct command *command)
{
    unsigned count = 0;
    while (count < COMMAND_ARGUMENTS && command->arguments[count].name)
        count++;
    return count;
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

/* The members of the request, each as the daemon wants it; NULL: an argument is not right. */
static json_t *make_request(const struct options *options, struct error *error)
{
    json_t *request = json_pack("{s:s}", "command", options->command->name);
    for (unsigned i = 0; i < options->argument_count; i++) {
        const struct argument *argument = &options->command->arguments[i];
        const char *text = options->arguments[i];
        char *translated = argument->translate ? argument->translate(text, error) : NULL;
        bool failed = argument->translate && !translated;
        if (!failed && json_object_set_new(request, argument->key,
                                           json_string(translated ? translated : text)))
            failed = error_set(error, 0, "that is no %s: it is not UTF-8", argument->name);
        free(translated);
        if (failed) {
            json_decref(request);
            return NULL;
        }
    }
    return request;
}

/* As a line; NULL: what was given cannot be asked. */
static char *make_line(const struct options *options, struct error *error)
{
    json_t *request = make_request(options, error);
    char *line = request ? answer_request(request) : NULL;
    json_decref(request);
    if (line && strlen(line) > CLIENT_REQUEST_MAX) {
        error_set(error, 0, "that is no %s: it is too long", options->command->arguments[0].name);
        free(line);
        return NULL;
    }
    return line;
}

int command_run(const struct options *options)
{
    struct error error;
    if (options->command->run)
        return options->command->run(options);
    char *request = make_line(options, &error);
    if (!request) {
        text_say(stderr, "tcpctl: %s", error.text);
        return EX_USAGE;
    }
    struct asking asking = {.options = options};
    int status = ask(&asking, request);
    free(asking.last);
    free(request);
    return status;
}
