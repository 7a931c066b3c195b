/* SPDX-License-Identifier: MIT */
#include "master/drain.h"

#include "base/container.h"
#include "base/log.h"
#include "base/places.h"
#include "base/tally.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_EVERY   (100 * CLOCK_MS)
#define REPORT_EVERY CLOCK_S

/* Somebody who waits for a drain. */
struct drain_wait {
    struct master *master;
    struct control_client *client;
    bool stop;                     /* for the end of the daemon */
    bool status_too;               /* connections of status services count */
    char service[SCOREBOARD_NAME]; /* "": all */
    uint64_t reported;             /* clock_now() */
    uint32_t open;                 /* as it was reported */
    struct drain_wait *next;
};

static void look_again(struct master *master);

/* What is left. */

static bool is_status(const struct master *master, unsigned id)
{
    const struct generation *current = master->current;
    unsigned index = current ? current->board->indices[id] : 0;
    return index > 0 && current->conf &&
           strcmp(current->conf->services[index - 1].service.ops->type, "status") == 0;
}

static bool counts(const struct drain_wait *wait, unsigned id, const char *name)
{
    if (wait->service[0])
        return strcmp(wait->service, name) == 0;
    return wait->status_too || !is_status(wait->master, id);
}

/* In each service, as `services`; returns the sum. */
static uint32_t count_left(const struct drain_wait *wait, json_t *services)
{
    const struct scoreboard *scoreboard = wait->master->scoreboard;
    char name[SCOREBOARD_NAME];
    uint32_t sum = 0;
    for (unsigned id = 0; id < SCOREBOARD_SERVICES && tally_name(scoreboard, id, name); id++) {
        uint32_t held = counts(wait, id, name) ? places_held(scoreboard, id) : 0;
        if (held > 0 && services)
            json_array_append_new(services,
                                  json_pack("{s:s,s:I}", "name", name, "active", (json_int_t)held));
        sum += held;
    }
    return sum;
}

static void report(struct drain_wait *wait, uint64_t now)
{
    json_t *services = json_array();
    wait->open = count_left(wait, services);
    wait->reported = now;
    control_progress(wait->client, json_pack("{s:b,s:I,s:o}", "progress", 1, "open",
                                             (json_int_t)wait->open, "services", services));
}

/* Those who wait. */

static void forget(struct drain_wait *wait)
{
    struct drain_wait **at = &wait->master->drain_waits;
    while (*at != wait)
        at = &(*at)->next;
    *at = wait->next;
    free(wait);
}

static void client_gone(struct control_client *client, void *waiter)
{
    (void)client;
    forget(waiter);
}

static void finish(struct drain_wait *wait)
{
    control_answer(wait->client, json_pack("{s:b,s:i}", "ok", 1, "open", 0));
    forget(wait);
}

static void look(struct timer *timer, uint64_t now)
{
    struct master *master = container_of(timer, struct master, progress);
    for (struct drain_wait *wait = master->drain_waits, *next; wait; wait = next) {
        next = wait->next;
        uint32_t open = count_left(wait, NULL);
        if (open == 0 && !wait->stop)
            finish(wait);
        else if (open != wait->open ? now - wait->reported >= LOOK_EVERY
                                    : now - wait->reported >= REPORT_EVERY)
            report(wait, now);
    }
    look_again(master);
}

static void look_again(struct master *master)
{
    if (master->drain_waits)
        timer_start(&master->progress, timers_fifo(&master->loop.timers, LOOK_EVERY, look),
                    clock_now());
}

static void wait_for(struct master *master, struct control_client *client, const char *service,
                     bool stop)
{
    struct drain_wait *wait = calloc(1, sizeof *wait);
    if (!wait) {
        control_fail(client, "out of memory", NULL, 0);
        return;
    }
    *wait = (struct drain_wait){.master = master,
                                .client = client,
                                .stop = stop,
                                .status_too = stop,
                                .next = master->drain_waits};
    snprintf(wait->service, sizeof wait->service, "%s", service);
    master->drain_waits = wait;
    control_wait(client, client_gone, wait);
    report(wait, clock_now());
    look_again(master);
}

/* The orders. */

static bool is_meant(const struct service *service, const char *name)
{
    return name ? strcmp(service->name, name) == 0 : strcmp(service->ops->type, "status") != 0;
}

/* Marks its listeners, which are no longer the master's either. */
static void shut(struct master *master, const char *name)
{
    struct generation *current = master->current;
    for (unsigned i = 0; i < current->listeners.count; i++) {
        struct listener *listener = &current->listeners.list[i];
        if (!is_meant(listener->service, name) || current->board->last_calls[i])
            continue;
        current->board->last_calls[i] = LAST_CALL_BEGUN;
        sockets_retire(&master->sockets, listener->fd);
        listener->fd = -1;
    }
    generation_tell(current, &(struct message){.order = CHILD_SHUT});
    serve_close_retired_later(master);
}

static bool is_known(const struct master *master, const char *name)
{
    const struct conf *conf = master->current->conf;
    for (size_t i = 0; conf && i < conf->service_count; i++)
        if (strcmp(conf->services[i].service.name, name) == 0)
            return true;
    return false;
}

void drain_service(struct master *master, struct control_client *client, const char *name)
{
    char sentence[256];
    if (!master->current->conf) {
        control_fail(client, "the upgrade is not over yet: try again", NULL, 0);
        return;
    }
    if (name && !is_known(master, name)) {
        snprintf(sentence, sizeof sentence,
                 "there is no service \"%.64s\"; tcpctl services lists them", name);
        control_fail(client, sentence, NULL, 0);
        return;
    }
    log_say(LOG_NOTICE, "draining service=%s", name ? name : "all");
    shut(master, name);
    if (!name)
        counter_set(&master->scoreboard->head->daemon.state, DAEMON_DRAINING);
    wait_for(master, client, name ? name : "", false);
}

void drain_wait_for_stop(struct master *master, struct control_client *client)
{
    wait_for(master, client, "", true);
}

void drain_stopped(struct master *master)
{
    while (master->drain_waits)
        finish(master->drain_waits);
}
