/* SPDX-License-Identifier: MIT */
/* The channel of a worker: what it asks for, and what it is told. */
#include "base/log.h"
#include "child/channel.h"
#include "io/sock.h"
#include "spawner/state.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

struct unsent {
    struct unsent *next;
    struct spawn_answer answer;
    int descriptor; /* or -1 */
};

/* Telling. */

static int send_answer(const struct link *link, const struct spawn_answer *answer, int descriptor)
{
    if (sock_pass(link->watch.fd, answer, sizeof *answer, descriptor))
        return -1;
    if (descriptor >= 0)
        close(descriptor);
    return 0;
}

/* Who does not take answers is not asked for more: so there are no more of them than programs. */
static void wait_for_events(struct link *link)
{
    loop_change(&link->spawner->loop, &link->watch, link->unsent ? EPOLLOUT : EPOLLIN);
}

static void send_unsent(struct link *link)
{
    while (link->unsent &&
           send_answer(link, &link->unsent->answer, link->unsent->descriptor) == 0) {
        struct unsent *unsent = link->unsent;
        link->unsent = unsent->next;
        free(unsent);
    }
    if (!link->unsent)
        link->unsent_end = &link->unsent;
    wait_for_events(link);
}

/* In order.  That there is no memory for an answer, the worker must not be left to find out. */
void link_tell(struct link *link, const struct spawn_answer *answer, int descriptor)
{
    if (!link->unsent && send_answer(link, answer, descriptor) == 0)
        return;
    struct unsent *unsent = malloc(sizeof *unsent);
    if (!unsent)
        abort();
    *unsent = (struct unsent){.answer = *answer, .descriptor = descriptor};
    *link->unsent_end = unsent;
    link->unsent_end = &unsent->next;
    wait_for_events(link);
}

/* Hearing. */

static bool is_valid(const struct spawner *spawner, const struct spawn_request *request,
                     int descriptor)
{
    return descriptor >= 0 && request->service < spawner->setup->conf->service_count &&
           spawner->recipes[request->service].service &&
           request->listener < spawner->setup->listener_count;
}

static void start(struct link *link, const struct spawn_request *request, int descriptor)
{
    struct spawn_answer failed = {
        .order = SPAWN_FAILED, .slot = request->slot, .number = request->number};
    if (is_valid(link->spawner, request, descriptor)) {
        program_start(link, request, descriptor);
        return;
    }
    log_say(LOG_ERR, "a program cannot be started: no descriptor came for it");
    link_tell(link, &failed, descriptor);
}

/* One that a spawner before has started is the master's. */
static void ask_master(const struct spawner *spawner, const struct spawn_request *request,
                       enum order order)
{
    const struct conf *conf = spawner->setup->conf;
    if (request->service >= conf->service_count || spawner->channel.fd < 0)
        return;
    struct message message = {
        .order = order,
        .value = (uint64_t)request->pid,
        .request = program_grace(&conf->services[request->service].program, request->hurry)};
    channel_send(spawner->channel.fd, &message, -1);
}

static void end(struct link *link, const struct spawn_request *request)
{
    struct running *program = program_find(link, request->slot, request->number);
    if (program)
        program_end(program, request->hurry);
    else if (request->pid > 0)
        ask_master(link->spawner, request, SPAWNER_END_ORPHAN);
}

static void obey(struct link *link, const struct spawn_request *request, int descriptor)
{
    if (request->order == SPAWN_START) {
        start(link, request, descriptor);
        return;
    }
    if (descriptor >= 0)
        close(descriptor);
    if (request->order == SPAWN_END)
        end(link, request);
    else if (request->order == SPAWN_CHECK)
        ask_master(link->spawner, request, SPAWNER_CHECK_ORPHAN);
    else if (request->order == SPAWN_SYNC)
        link_tell(link, &(struct spawn_answer){.order = SPAWN_SYNC}, -1);
}

/* One in a turn: other workers are waiting. */
static void take_request(struct link *link)
{
    struct spawn_request request;
    int descriptor;
    ssize_t length = sock_take(link->watch.fd, &request, sizeof request, &descriptor);
    if (length == sizeof request)
        obey(link, &request, descriptor);
    else if (descriptor >= 0)
        close(descriptor);
}

/* What a worker that has gone had asked for is not done: nobody would count it. */
static void link_ready(struct watch *watch, uint32_t events)
{
    struct link *link = (struct link *)watch;
    if (events & (EPOLLHUP | EPOLLERR)) {
        link_close(link);
        return;
    }
    if (events & EPOLLOUT)
        send_unsent(link);
    else
        take_request(link);
}

/* Beginning and end. */

int link_open(struct spawner *spawner, int fd, bool greets, struct error *error)
{
    struct link *link = calloc(1, sizeof *link);
    if (!link)
        return error_set(error, ENOMEM, "cannot make room for a worker");
    link->watch = (struct watch){link_ready, fd, EPOLLIN};
    link->spawner = spawner;
    link->unsent_end = &link->unsent;
    if (loop_add(&spawner->loop, &link->watch)) {
        free(link);
        return error_set(error, errno, "cannot listen to a worker");
    }
    link->next = spawner->links;
    spawner->links = link;
    if (greets)
        link_tell(link, &(struct spawn_answer){.order = SPAWN_HELLO}, -1);
    return 0;
}

void link_close(struct link *link)
{
    struct spawner *spawner = link->spawner;
    struct link **at = &spawner->links;
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    for (struct running *program = link->programs; program; program = program->next) {
        program->link = NULL;
        program->recipe->running--;
        program_end(program, false);
    }
    while (link->unsent) {
        struct unsent *unsent = link->unsent;
        link->unsent = unsent->next;
        if (unsent->descriptor >= 0)
            close(unsent->descriptor);
        free(unsent);
    }
    loop_remove(&spawner->loop, &link->watch);
    close(link->watch.fd);
    free(link);
    spawner_may_leave(spawner);
}
