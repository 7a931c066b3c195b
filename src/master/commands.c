/* SPDX-License-Identifier: MIT */
/* What the control socket offers; tcpctl(8) describes it. */
#include "base/log.h"
#include "base/places.h"
#include "base/tally.h"
#include "master/commands_children.h"
#include "master/commands_explain.h"
#include "master/drain.h"
#include "master/state.h"
#include "service/metrics.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static double seconds(uint64_t ns)
{
    return (double)(ns / CLOCK_MS) / 1000;
}

static double age(uint64_t since)
{
    uint64_t now = clock_now();
    return seconds(now > since ? now - since : 0);
}

/* status */

static const char *const daemon_states[] = {[DAEMON_STARTING] = "starting",
                                            [DAEMON_SERVING] = "serving",
                                            [DAEMON_DRAINING] = "draining",
                                            [DAEMON_STOPPING] = "stopping"};

static const struct level {
    const char *name;
    int level;
} levels[] = {{"error", LOG_ERR},
              {"warning", LOG_WARNING},
              {"notice", LOG_NOTICE},
              {"info", LOG_INFO},
              {"debug", LOG_DEBUG}};

#define LEVEL_COUNT (sizeof levels / sizeof *levels)

static const char *level_name(int level)
{
    for (size_t i = 0; i < LEVEL_COUNT; i++)
        if (levels[i].level == level)
            return levels[i].name;
    return "?";
}

static const char *child_state(const struct child_slot *child)
{
    if (child->state == CHILD_SERVING && child->generation->state == GENERATION_DRAINING)
        return "draining";
    return child->state == CHILD_ABSENT     ? "absent"
           : child->state == CHILD_STARTING ? "starting"
                                            : "serving";
}

static json_t *tell_child(const struct child_slot *child)
{
    json_t *told =
        json_pack("{s:i,s:s,s:I}", "index", (int)child->index, "state", child_state(child), "open",
                  (json_int_t)places_held_by_child(child->generation->board, child->index));
    if (child->state != CHILD_ABSENT)
        json_object_set_new(told, "pid", json_integer(child->pid));
    return told;
}

static json_t *tell_spawner(const struct child_slot *spawner)
{
    json_t *told = json_pack("{s:s}", "state", child_state(spawner));
    if (spawner->state != CHILD_ABSENT)
        json_object_set_new(told, "pid", json_integer(spawner->pid));
    return told;
}

static json_t *tell_generation(const struct master *master, const struct generation *generation)
{
    const char *state = generation == master->current              ? "current"
                        : generation->state == GENERATION_STARTING ? "starting"
                                                                   : "draining";
    json_t *children = json_array();
    for (unsigned i = 0; i < generation->count; i++)
        json_array_append_new(children, tell_child(&generation->children[i]));
    json_t *told = json_pack("{s:i,s:s,s:f,s:I,s:o}", "number", (int)generation->number, "state",
                             state, "age", age(generation->born), "open",
                             (json_int_t)generation_open(generation), "children", children);
    if (generation->spawner)
        json_object_set_new(told, "spawner", tell_spawner(generation->spawner));
    return told;
}

static json_t *tell_generations(const struct master *master)
{
    json_t *list = json_array();
    for (const struct generation *generation = master->generations; generation;
         generation = generation->next)
        if (generation->state != GENERATION_OVER)
            json_array_append_new(list, tell_generation(master, generation));
    return list;
}

static json_t *tell_changes(const struct daemon_score *daemon, enum change_kind kind)
{
    return json_pack("{s:I,s:I}", "ok", (json_int_t)daemon->changes_done[kind], "failed",
                     (json_int_t)daemon->changes_failed[kind]);
}

static void add_last_change(json_t *answer, const struct change_outcome *last)
{
    static const char *const names[] = {[CHANGE_RELOAD] = "reload", [CHANGE_UPGRADE] = "upgrade"};
    if (!last->any)
        return;
    json_t *told = json_pack("{s:s,s:b,s:f}", "what", names[last->kind], "ok", last->done, "age",
                             age(last->at));
    if (!last->done)
        json_object_set_new(told, "error", json_string(last->error));
    json_object_set_new(answer, "last_change", told);
}

static void status(struct control_client *client, const json_t *request, void *owner)
{
    const struct master *master = owner;
    const struct daemon_score *daemon = &master->scoreboard->head->daemon;
    const struct board_entry *board = &master->current->board->entry;
    struct tally tally;
    (void)request;
    tally_daemon(master->scoreboard, &tally);
    json_t *answer = json_pack(
        "{s:b,s:s,s:i,s:f,s:s,s:s,s:i,s:i,s:i,s:I,s:I,s:i,s:i,s:s,s:o,s:o,s:I,s:I,s:I,s:o}", "ok",
        1, "version", master->options->version, "pid", (int)getpid(), "uptime",
        age(daemon->started), "state", daemon_states[daemon->state], "config", master->config,
        "generation", (int)master->current->number, "processes", (int)board->children, "threads",
        (int)board->threads, "open", (json_int_t)places_held_by_all(master->scoreboard), "limit",
        (json_int_t)daemon->limit, "services", (int)board->services, "listeners",
        (int)board->listeners, "log_level", level_name(log_level()), "reloads",
        tell_changes(daemon, CHANGE_RELOAD), "upgrades", tell_changes(daemon, CHANGE_UPGRADE),
        "child_restarts", (json_int_t)daemon->child_restarts, "children_hung",
        (json_int_t)daemon->children_hung, "log_dropped", (json_int_t)tally.log_dropped,
        "generations", tell_generations(master));
    add_last_change(answer, &master->changes.last);
    control_answer(client, answer);
}

/* services */

static json_t *tell_counters(const struct scoreboard *scoreboard, unsigned id)
{
    struct counters sum;
    uint64_t rejected = 0;
    tally_service(scoreboard, id, &sum);
    for (int i = 0; i < REJECT_REASON_COUNT; i++)
        rejected += sum.rejected[i];
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "active", (json_int_t)places_held(scoreboard, id),
                     "accepted", (json_int_t)sum.accepted, "rejected", (json_int_t)rejected,
                     "received", (json_int_t)sum.received, "sent", (json_int_t)sum.sent, "lost",
                     (json_int_t)sum.lost);
}

/* Its addresses, and whether any of them is still open. */
static json_t *tell_addresses(const struct generation *generation, const struct service *service,
                              bool *accepting)
{
    char text[ADDR_TEXT_MAX];
    json_t *list = json_array();
    for (unsigned i = 0; i < generation->listeners.count; i++) {
        const struct listener *listener = &generation->listeners.list[i];
        if (listener->service != service)
            continue;
        *accepting = *accepting || !generation->board->last_calls[i];
        json_array_append_new(list, json_string(addr_format(&listener->address, text)));
    }
    return list;
}

static json_t *tell_service(const struct master *master, const struct generation *generation,
                            const struct service *service)
{
    bool accepting = false;
    json_t *addresses = tell_addresses(generation, service, &accepting);
    json_t *told = json_pack("{s:s,s:s,s:s,s:o}", "name", service->name, "type", service->ops->type,
                             "state", accepting ? "accepting" : "drained", "addresses", addresses);
    json_object_update_new(told, tell_counters(master->scoreboard, service->id));
    return told;
}

/* Not of the current configuration any more, but somebody is still connected. */
static void add_removed(const struct master *master, json_t *list)
{
    char name[SCOREBOARD_NAME];
    for (unsigned id = 0; id < SCOREBOARD_SERVICES; id++) {
        if (!tally_name(master->scoreboard, id, name) || master->current->board->indices[id] ||
            places_held(master->scoreboard, id) == 0)
            continue;
        json_t *told = json_pack("{s:s,s:s,s:s,s:[]}", "name", name, "type", "", "state", "removed",
                                 "addresses");
        json_object_update_new(told, tell_counters(master->scoreboard, id));
        json_array_append_new(list, told);
    }
}

static void services(struct control_client *client, const json_t *request, void *owner)
{
    const struct master *master = owner;
    const struct generation *generation = master->current;
    json_t *list = json_array();
    (void)request;
    /* Right after an upgrade the generation that starts tells what the one that serves is like. */
    if (!generation->conf && master->changes.next)
        generation = master->changes.next;
    const struct conf *conf = generation->conf;
    for (size_t i = 0; conf && i < conf->service_count; i++)
        json_array_append_new(list, tell_service(master, generation, &conf->services[i].service));
    add_removed(master, list);
    control_answer(client, json_pack("{s:b,s:o}", "ok", 1, "services", list));
}

/* metrics */

static void metrics(struct control_client *client, const json_t *request, void *owner)
{
    const struct master *master = owner;
    char *text = metrics_text(master->scoreboard);
    (void)request;
    if (text)
        control_answer(client, json_pack("{s:b,s:s}", "ok", 1, "text", text));
    else
        control_fail(client, "out of memory", NULL, 0);
    free(text);
}

/* log */

static void set_level(struct control_client *client, const json_t *request, void *owner)
{
    struct master *master = owner;
    const char *wanted = json_string_value(json_object_get(request, "level"));
    const char *was = level_name(log_level());
    size_t i = 0;
    while (i < LEVEL_COUNT && (!wanted || strcmp(levels[i].name, wanted) != 0))
        i++;
    if (i == LEVEL_COUNT) {
        control_fail(client, "the level must be error, warning, notice, info or debug", NULL, 0);
        return;
    }
    log_set_level(levels[i].level);
    struct message message = {.order = CHILD_LOG, .value = (uint64_t)levels[i].level};
    for (struct generation *generation = master->generations; generation;
         generation = generation->next)
        generation_tell(generation, &message);
    control_answer(client, json_pack("{s:b,s:s,s:s}", "ok", 1, "level", wanted, "was", was));
}

/* reload, upgrade, stop, drain */

static void ask(struct control_client *client, struct master *master, enum change_kind kind)
{
    if (master->stopping)
        control_fail(client, "the daemon is stopping", NULL, 0);
    else
        change_ask(master, kind, client);
}

static void reload(struct control_client *client, const json_t *request, void *owner)
{
    (void)request;
    ask(client, owner, CHANGE_RELOAD);
}

static void upgrade(struct control_client *client, const json_t *request, void *owner)
{
    (void)request;
    ask(client, owner, CHANGE_UPGRADE);
}

static void stop(struct control_client *client, const json_t *request, void *owner)
{
    struct master *master = owner;
    (void)request;
    drain_wait_for_stop(master, client);
    if (!master->stopping)
        master_stop(master);
}

static void drain(struct control_client *client, const json_t *request, void *owner)
{
    struct master *master = owner;
    const json_t *service = json_object_get(request, "service");
    if (master->stopping)
        control_fail(client, "the daemon is stopping", NULL, 0);
    else if (service && !json_is_string(service))
        control_fail(client, "\"service\" must be the name of a service", NULL, 0);
    else
        drain_service(master, client, json_string_value(service));
}

/* Until the first generation serves there is nothing to say. */
#define WHEN_SERVING(name)                                                                         \
    static void name##_when_serving(struct control_client *client, const json_t *request,          \
                                    void *owner)                                                   \
    {                                                                                              \
        if (((struct master *)owner)->current)                                                     \
            name(client, request, owner);                                                          \
        else                                                                                       \
            control_fail(client, "the daemon is still starting", NULL, 0);                         \
    }

WHEN_SERVING(status)
WHEN_SERVING(services)
WHEN_SERVING(commands_explain)
WHEN_SERVING(reload)
WHEN_SERVING(upgrade)
WHEN_SERVING(drain)

const struct control_command commands[] = {
    {"status", false, status_when_serving},
    {"services", false, services_when_serving},
    {"connections", false, commands_list},
    {"explain", false, commands_explain_when_serving},
    {"metrics", false, metrics},
    {"kill", true, commands_kill},
    {"log", true, set_level},
    {"reload", true, reload_when_serving},
    {"upgrade", true, upgrade_when_serving},
    {"drain", true, drain_when_serving},
    {"stop", true, stop},
    {NULL, false, NULL},
};
