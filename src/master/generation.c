/* SPDX-License-Identifier: MIT */
#include "master/generation_state.h"

#include "base/clock.h"
#include "base/container.h"
#include "base/log.h"
#include "base/places.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#define KILL_AFTER (2 * CLOCK_S) /* what a child gets beyond the drain before it is ended */

/* The children, the spawner not counted. */
static bool all_are(const struct generation *generation, enum child_state state)
{
    for (unsigned i = 0; i < generation->count; i++)
        if (generation->children[i].state != state)
            return false;
    return true;
}

bool generation_has_children(const struct generation *generation)
{
    return !all_are(generation, CHILD_ABSENT);
}

/* What follows from what happens to one of them. */

static void see_whether_closed(struct generation *generation)
{
    for (unsigned i = 0; i < generation->count; i++)
        if (generation->children[i].accepts)
            return;
    generation->events->closed(generation);
}

/* The last process is the spawner. */
static void see_whether_over(struct generation *generation)
{
    struct child_slot *spawner = generation->spawner;
    if (generation->state != GENERATION_DRAINING || !all_are(generation, CHILD_ABSENT))
        return;
    if (spawner && spawner->state != CHILD_ABSENT) {
        slot_dismiss(spawner, generation->killed);
        return;
    }
    if (spawner)
        timer_stop(&spawner->timer);
    timer_stop(&generation->deadline);
    generation->state = GENERATION_OVER;
    generation->events->over(generation);
}

static void fail(struct generation *generation)
{
    generation_kill(generation);
    generation->state = GENERATION_DRAINING;
    generation->events->failed(generation);
}

/* Whether somebody may still need it. */
static bool is_missed(const struct child_slot *slot)
{
    const struct generation *generation = slot->generation;
    if (!generation->conf || generation->killed)
        return false;
    return generation->state == GENERATION_SERVING ||
           (slot->spawns && generation->state == GENERATION_DRAINING &&
            generation_has_children(generation));
}

void generation_slot_lost(struct child_slot *slot)
{
    struct generation *generation = slot->generation;
    if (is_missed(slot))
        slot_plan_restart(slot);
    else if (generation->state == GENERATION_STARTING)
        fail(generation);
    else if (generation->state == GENERATION_DRAINING)
        see_whether_closed(generation);
    see_whether_over(generation);
}

static bool all_are_ready(const struct generation *generation)
{
    return all_are(generation, CHILD_SERVING) &&
           (!generation->spawner || generation->spawner->state == CHILD_SERVING);
}

void generation_slot_ready(struct child_slot *slot)
{
    struct generation *generation = slot->generation;
    timer_stop(&slot->timer);
    slot->state = CHILD_SERVING;
    slot->accepts = !slot->spawns;
    if (generation->state == GENERATION_STARTING && all_are_ready(generation)) {
        generation->state = GENERATION_SERVING;
        generation->events->ready(generation);
    }
    if (slot->spawns)
        generation->events->spawner_ready(slot);
}

void generation_slot_stopped(struct child_slot *slot)
{
    slot->accepts = false;
    if (slot->generation->state == GENERATION_DRAINING)
        see_whether_closed(slot->generation);
}

void generation_reap(struct generation *generation)
{
    for (unsigned i = 0; i < generation->count; i++)
        slot_reap(&generation->children[i]);
    if (generation->spawner)
        slot_reap(generation->spawner);
}

/* The whole set. */

static struct board *make_board(const struct generation *generation, struct error *error)
{
    struct conf *conf = generation->conf;
    const char **names = calloc(conf->service_count, sizeof *names);
    if (!names) {
        error_set(error, ENOMEM, "cannot make room for the names of services");
        return NULL;
    }
    for (size_t i = 0; i < conf->service_count; i++)
        names[i] = conf->services[i].service.name;
    struct board_plan plan = {.generation = generation->number,
                              .children = conf->pool.processes,
                              .threads = conf->pool.threads,
                              .services = (uint32_t)conf->service_count,
                              .listeners = generation->listeners.count,
                              .names = names};
    struct board *board = board_new(generation->scoreboard, &plan, error);
    for (size_t i = 0; board && i < conf->service_count; i++)
        conf->services[i].service.id = board->ids[i];
    free(names);
    return board;
}

static bool runs_programs(const struct conf *conf)
{
    for (size_t i = 0; i < conf->service_count; i++)
        if (conf->services[i].service.program)
            return true;
    return false;
}

/* With the board of a generation that another binary has made, or a new one for its conf. */
struct generation *generation_new(unsigned number, struct conf *conf, struct listeners *listeners,
                                  const struct scoreboard *scoreboard, struct loop *loop,
                                  struct error *error)
{
    struct generation *generation = calloc(1, sizeof *generation);
    if (!generation) {
        error_set(error, ENOMEM, "cannot make room for a generation");
        return NULL;
    }
    *generation = (struct generation){.number = number,
                                      .conf = conf,
                                      .listeners = *listeners,
                                      .loop = loop,
                                      .scoreboard = scoreboard,
                                      .born = clock_now()};
    generation->board = conf ? make_board(generation, error) : board_find(scoreboard, number);
    if (generation->board)
        generation->count = generation->board->entry.children;
    generation->children = calloc(generation->count + 1, sizeof *generation->children);
    if (!generation->board || !generation->children) {
        if (generation->board && conf)
            board_fold(generation->board);
        free(generation->children);
        free(generation);
        if (!error->text[0])
            error_set(error, 0, "the scoreboard does not know generation %u", number);
        return NULL;
    }
    for (unsigned i = 0; i <= generation->count; i++)
        generation->children[i] = (struct child_slot){.generation = generation,
                                                      .index = i,
                                                      .spawns = i == generation->count,
                                                      .channel = {.fd = -1}};
    if (conf && runs_programs(conf))
        generation->spawner = &generation->children[generation->count];
    return generation;
}

void generation_start(struct generation *generation)
{
    if (generation->spawner)
        slot_fork(generation->spawner);
    for (unsigned i = 0; i < generation->count && generation->state == GENERATION_STARTING; i++)
        slot_fork(&generation->children[i]);
}

int generation_adopt_child(struct generation *generation, unsigned index, pid_t pid, int channel,
                           enum child_state state, bool accepts)
{
    struct child_slot *slot = &generation->children[index];
    if (slot->spawns)
        generation->spawner = slot;
    return slot_adopt(slot, pid, channel, state, accepts);
}

void generation_tell(struct generation *generation, const struct message *message)
{
    for (unsigned i = 0; i <= generation->count; i++)
        if (generation->children[i].state != CHILD_ABSENT)
            send(generation->children[i].channel.fd, message, sizeof *message,
                 MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The drain. */

static void drain_over(struct timer *timer, uint64_t now)
{
    struct generation *generation = container_of(timer, struct generation, deadline);
    (void)now;
    log_say(LOG_ERR, "a child of generation %u did not leave in time and is ended",
            generation->number);
    generation_kill(generation);
}

static void set_deadline(struct generation *generation, uint64_t duration)
{
    uint64_t now = clock_now();
    if (duration == 0 || (generation->cut_at && generation->cut_at <= now + duration))
        return;
    generation->cut_at = now + duration;
    timer_start(&generation->deadline,
                timers_fifo(&generation->loop->timers, duration + KILL_AFTER, drain_over), now);
}

void generation_drain(struct generation *generation, uint64_t duration)
{
    generation->state = GENERATION_DRAINING;
    for (unsigned i = 0; i < generation->count; i++)
        if (generation->children[i].state == CHILD_ABSENT)
            timer_stop(&generation->children[i].timer);
    set_deadline(generation, duration);
    generation_tell(generation, &(struct message){.order = CHILD_DRAIN, .value = duration});
    see_whether_closed(generation);
    see_whether_over(generation);
}

void generation_kill(struct generation *generation)
{
    generation->killed = true;
    for (unsigned i = 0; i < generation->count; i++)
        if (generation->children[i].state != CHILD_ABSENT)
            kill(generation->children[i].pid, SIGKILL);
    if (generation->spawner && generation->spawner->state != CHILD_ABSENT)
        slot_dismiss(generation->spawner, true);
}

void generation_kill_child(const struct child_slot *child)
{
    kill(child->pid, SIGKILL);
}

uint32_t generation_open(const struct generation *generation)
{
    uint32_t open = 0;
    for (unsigned i = 0; i < generation->count; i++)
        open += places_held_by_child(generation->board, i);
    return open;
}

void generation_free(struct generation *generation)
{
    board_fold(generation->board);
    listeners_free(&generation->listeners);
    conf_free(generation->conf);
    free(generation->children);
    free(generation);
}
