/* SPDX-License-Identifier: MIT */
#include "child/privileges.h"
#include "spawner/landlock.h"
#include "spawner/launch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The first argument is what the program is told its name is. */
static int copy_arguments(struct recipe *recipe)
{
    const char *const *command = recipe->program->command;
    size_t count = 0;
    while (command[count])
        count++;
    recipe->arguments = calloc(count + 1, sizeof *recipe->arguments);
    for (size_t i = 0; recipe->arguments && i < count; i++) {
        recipe->arguments[i] = strdup(i == 0 ? recipe->program->argv0 : command[i]);
        if (!recipe->arguments[i])
            return -1;
    }
    return recipe->arguments ? 0 : -1;
}

static int copy_environment(struct recipe *recipe)
{
    const struct conf_program *program = recipe->program;
    size_t count = program->environment_count;
    recipe->environment = calloc(count + RECIPE_VARIABLES + 1, sizeof *recipe->environment);
    recipe->texts = calloc(RECIPE_VARIABLES, sizeof *recipe->texts);
    if (!recipe->environment || !recipe->texts)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (!(recipe->environment[i] = strdup(program->environment[i])))
            return -1;
    return 0;
}

static int open_null(struct recipe *recipe, struct error *error)
{
    if (recipe->program->errors != PROGRAM_STDERR_NULL)
        return 0;
    recipe->null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    return recipe->null >= 0 ? 0 : error_set(error, errno, "cannot open /dev/null");
}

int recipe_init(struct recipe *recipe, const struct conf_service *service, struct error *error)
{
    const struct conf_program *program = &service->program;
    *recipe = (struct recipe){.service = service, .program = program, .null = -1, .sandbox = -1};
    recipe->becomes = program->identity.changes;
    recipe->drops = privileges_are_there() &&
                    (program->identity.uid != 0 || program->sandbox != PROGRAM_SANDBOX_NONE);
    if (copy_arguments(recipe) || copy_environment(recipe))
        return error_set(error, ENOMEM, "cannot make room for the service %s",
                         service->service.name);
    if (program->sandbox == PROGRAM_SANDBOX_STRICT) {
        recipe->sandbox = landlock_make(program->chroot, program->writable, error);
        if (recipe->sandbox < 0)
            return -1;
    }
    return open_null(recipe, error);
}

void recipe_fini(struct recipe *recipe)
{
    for (char **at = recipe->arguments; at && *at; at++)
        free(*at);
    for (size_t i = 0; recipe->environment && i < recipe->program->environment_count; i++)
        free(recipe->environment[i]);
    free(recipe->arguments);
    free(recipe->environment);
    free(recipe->texts);
    if (recipe->null >= 0)
        close(recipe->null);
    if (recipe->sandbox >= 0)
        close(recipe->sandbox);
}

/* The variables of one connection. */

struct variables {
    struct recipe *recipe;
    size_t count;
};

static void say(struct variables *variables, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(struct variables *variables, const char *format, ...)
{
    struct recipe *recipe = variables->recipe;
    char *text = recipe->texts[variables->count];
    va_list values;
    va_start(values, format);
    vsnprintf(text, RECIPE_TEXT, format, values);
    va_end(values);
    recipe->environment[recipe->program->environment_count + variables->count++] = text;
}

static void say_end(struct variables *variables, const char *which, const struct conn_end *end)
{
    char text[INET6_ADDRSTRLEN] = "";
    inet_ntop(end->family, end->bytes, text, sizeof text);
    say(variables, "TCP%sIP=%s", which, text);
    say(variables, "TCP%sPORT=%u", which, end->port);
}

static void say_unix(struct variables *variables, const struct spawn_request *request,
                     const struct listener *listener)
{
    const uint32_t *peer = request->peer.credentials;
    say(variables, "PROTO=UNIX");
    say(variables, "UNIXLOCALPATH=%s", listener->address.path ? listener->address.path : "");
    say(variables, "UNIXREMOTEPID=%" PRIu32, peer[0]);
    say(variables, "UNIXREMOTEEUID=%" PRIu32, peer[1]);
    say(variables, "UNIXREMOTEEGID=%" PRIu32, peer[2]);
}

/* Whose listening socket it is, the program finds out by itself. */
static void say_listening(struct variables *variables)
{
    say(variables, "LISTEN_PID=");
    say(variables, "LISTEN_FDS=1");
}

void recipe_describe(struct recipe *recipe, const struct spawn_request *request,
                     const struct listener *listener)
{
    struct variables variables = {.recipe = recipe};
    if (recipe->program->wait) {
        say_listening(&variables);
    } else if (request->peer.family == AF_UNIX) {
        say_unix(&variables, request, listener);
    } else {
        say(&variables, "PROTO=TCP");
        say_end(&variables, "LOCAL", &request->local);
        say_end(&variables, "REMOTE", &request->peer);
        say(&variables, "TCPCONNNUM=%" PRIu64, request->number);
    }
    recipe->environment[recipe->program->environment_count + variables.count] = NULL;
}
