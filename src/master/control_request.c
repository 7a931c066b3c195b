/* SPDX-License-Identifier: MIT */
/* From a line to a command that runs: what is asked for, and by whom. */
#include "base/log.h"
#include "master/control_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GROUPS_MAX 65536 /* of one process, as Linux has it */

/* Errors. */

/* A string of JSON is UTF-8; a sentence with a file's name or a peer's bytes in it may not be. */
static json_t *words(const char *text)
{
    json_t *string = json_string(text);
    char *copy = string ? NULL : strdup(text);
    if (!copy)
        return string;
    for (char *c = copy; *c; c++)
        if (*c & 0x80)
            *c = '?';
    string = json_string(copy);
    free(copy);
    return string;
}

static json_t *list(const char *const *errors, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, words(errors[i]));
    return array;
}

json_t *control_request_error(const char *sentence, const char *const *errors, size_t count)
{
    json_t *line = json_pack("{s:b, s:o}", "ok", 0, "error", words(sentence));
    if (line && count && json_object_set_new(line, "errors", list(errors, count))) {
        json_decref(line);
        line = NULL;
    }
    return line;
}

/* Who may. */

static bool holds(const gid_t *groups, socklen_t size, gid_t gid)
{
    for (size_t i = 0; i < size / sizeof *groups; i++)
        if (groups[i] == gid)
            return true;
    return false;
}

/* The kernel keeps the supplementary groups that the peer had when it connected. */
static bool has_supplementary(int fd, gid_t gid)
{
    gid_t few[64];
    socklen_t size = sizeof few;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, few, &size) == 0)
        return holds(few, size, gid);
    if (errno != ERANGE || size > GROUPS_MAX * sizeof(gid_t))
        return false;
    gid_t *many = malloc(size);
    bool found = many && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, many, &size) == 0 &&
                 holds(many, size, gid);
    free(many);
    return found;
}

static bool may_steer(const struct control_client *client)
{
    const struct control *control = client->control;
    if (client->peer.uid == 0 || client->peer.uid == geteuid())
        return true;
    return control->has_group &&
           (client->peer.gid == control->gid || has_supplementary(client->watch.fd, control->gid));
}

static void log_steering(const struct control_client *client, const char *command, bool may)
{
    struct log_line line;
    log_begin(&line, may ? "control" : "control_refused");
    log_add_number(&line, "uid", client->peer.uid);
    log_add_number(&line, "pid", (uint64_t)client->peer.pid);
    log_add(&line, "command", command);
    log_end(&line, may ? LOG_NOTICE : LOG_INFO);
}

/* What. */

static const struct control_command *find(const struct control_command *commands, const char *name)
{
    while (commands->name && strcmp(commands->name, name) != 0)
        commands++;
    return commands->name ? commands : NULL;
}

static void refuse_unknown(struct control_client *client, const char *name)
{
    char sentence[1024];
    size_t length = (size_t)snprintf(sentence, sizeof sentence,
                                     "there is no command \"%.64s\"; there are:", name);
    for (const struct control_command *c = client->control->commands; c->name; c++)
        if (length < sizeof sentence)
            length += (size_t)snprintf(sentence + length, sizeof sentence - length, " %s", c->name);
    control_client_refuse(client, sentence);
}

static void refuse_steering(struct control_client *client, const char *name)
{
    char sentence[256];
    snprintf(sentence, sizeof sentence,
             "not permitted: %.64s is for root, the daemon's own user and the members of "
             "control.group",
             name);
    control_client_refuse(client, sentence);
}

static void run(struct control_client *client, const struct control_command *command,
                const json_t *request)
{
    control_client_begin(client);
    command->run(client, request, client->control->owner);
    if (client->waits && !client->gone) {
        log_say(LOG_ERR, "control socket: the command %s gave no answer", command->name);
        control_client_refuse(client, "the command gave no answer");
    }
}

static void choose(struct control_client *client, const json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "command"));
    const struct control_command *command = name ? find(client->control->commands, name) : NULL;
    bool may = command && (!command->steers || may_steer(client));
    if (!name) {
        control_client_refuse(client, "the request is not an object with a string \"command\"");
        return;
    }
    if (command && command->steers)
        log_steering(client, command->name, may);
    if (!command)
        refuse_unknown(client, name);
    else if (!may)
        refuse_steering(client, command->name);
    else
        run(client, command, request);
}

void control_request_run(struct control_client *client, const char *text, size_t length)
{
    char sentence[256];
    json_error_t error;
    json_t *request = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    if (request) {
        choose(client, request);
    } else {
        snprintf(sentence, sizeof sentence, "the request is not JSON: %.160s", error.text);
        control_client_refuse(client, sentence);
    }
    json_decref(request);
}
