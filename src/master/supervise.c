/* SPDX-License-Identifier: MIT */
/*
 * Hanging children, and the service manager's watchdog.  A child's threads
 * write the time into their slots of the scoreboard; one that has not for pool.hang_timeout hangs,
 * and its child is ended and replaced.  The watchdog is fed only while all are well.
 */
#include "base/container.h"
#include "base/log.h"
#include "master/notify.h"
#include "master/state.h"

#define BEATS 8 /* signs of life, and looks, in the time after which one hangs */
#define FEEDS 4 /* of the watchdog, in the time that it waits */

static uint64_t hang_time(const struct master *master, const struct conf *conf)
{
    return conf->pool.hang_timeout ? conf->pool.hang_timeout : master->supervision.watchdog / FEEDS;
}

uint64_t supervise_beat(const struct master *master, const struct conf *conf)
{
    return hang_time(master, conf) / BEATS;
}

/* A thread that is silent for too long; -1: there is none.  The acceptor's number is the last. */
static int hanging_thread(const struct child_slot *child, uint64_t now, uint64_t hang)
{
    const struct board *board = child->generation->board;
    for (unsigned thread = 0; thread <= board->entry.threads; thread++) {
        uint64_t beat = counter_get(&board_thread(board, child->index, thread)->beat);
        if (beat && now > beat && now - beat > hang)
            return (int)thread;
    }
    return -1;
}

static void end_hanging(struct master *master, struct child_slot *child, int thread)
{
    struct log_line line;
    bool acceptor = (unsigned)thread == child->generation->board->entry.threads;
    log_begin(&line, "child_hung");
    log_add_number(&line, "generation", child->generation->number);
    log_add_number(&line, "child", child->index);
    log_add_number(&line, "pid", (uint64_t)child->pid);
    if (acceptor)
        log_add(&line, "thread", "acceptor");
    else
        log_add_number(&line, "worker", (uint64_t)thread);
    log_end(&line, LOG_ERR);
    counter_add(&master->scoreboard->head->daemon.children_hung, 1);
    generation_kill_child(child);
}

static void end_hanging_spawner(const struct child_slot *spawner)
{
    struct log_line line;
    log_begin(&line, "spawner_hung");
    log_add_number(&line, "generation", spawner->generation->number);
    log_add_number(&line, "pid", (uint64_t)spawner->pid);
    log_end(&line, LOG_ERR);
    generation_kill_child(spawner);
}

/* One hangs when what it executes lies on a file system that does. */
static bool spawner_is_well(const struct child_slot *spawner, uint64_t now, uint64_t hang)
{
    uint64_t beat = counter_get(&spawner->generation->board->children[0].spawner_beat);
    if (spawner->state != CHILD_SERVING || !beat || now <= beat || now - beat <= hang)
        return spawner->state == CHILD_SERVING;
    end_hanging_spawner(spawner);
    return false;
}

/* Returns whether all processes of a generation serve and give signs of life. */
static bool look_at(struct master *master, struct generation *generation, uint64_t now)
{
    /* Its children beat as often as the configuration wanted when they were forked. */
    uint64_t own = generation->beat_every * BEATS;
    uint64_t hang = own > master->supervision.hang ? own : master->supervision.hang;
    bool well = true;
    for (unsigned i = 0; i < generation->count; i++) {
        struct child_slot *child = &generation->children[i];
        int thread = own && child->state == CHILD_SERVING ? hanging_thread(child, now, hang) : -1;
        if (thread >= 0)
            end_hanging(master, child, thread);
        well = well && thread < 0 && child->state == CHILD_SERVING;
    }
    if (own && generation->spawner)
        well = spawner_is_well(generation->spawner, now, hang) && well;
    return well;
}

/* A look is often due earlier than that. */
static void feed(struct supervision *supervision, uint64_t now)
{
    uint64_t soon = now + supervision->every / 2;
    if (!supervision->watchdog || soon < supervision->fed + supervision->watchdog / FEEDS)
        return;
    supervision->fed = now;
    notify_watchdog();
}

static void look_again(struct master *master, uint64_t now);

/* When the master itself was held up, so may the children have been: they get another chance. */
static void look(struct timer *timer, uint64_t now)
{
    struct master *master = container_of(timer, struct master, supervision.timer);
    struct supervision *supervision = &master->supervision;
    bool held_up = now - supervision->last > 2 * supervision->every;
    bool well = true;
    for (struct generation *generation = master->generations; generation && !held_up;
         generation = generation->next) {
        bool all = supervision->hang == 0 || look_at(master, generation, now);
        if (generation == master->current)
            well = all;
    }
    if (well || master->stopping)
        feed(supervision, now);
    look_again(master, now);
}

static void look_again(struct master *master, uint64_t now)
{
    struct supervision *supervision = &master->supervision;
    supervision->last = now;
    timer_start(&supervision->timer, timers_fifo(&master->loop.timers, supervision->every, look),
                now);
}

void supervise(struct master *master, const struct conf *conf)
{
    struct supervision *supervision = &master->supervision;
    uint64_t meal = supervision->watchdog / FEEDS;
    supervision->hang = hang_time(master, conf);
    supervision->every = supervision->hang / BEATS;
    if (meal && (!supervision->every || meal < supervision->every))
        supervision->every = meal;
    if (supervision->every)
        look_again(master, clock_now());
    else
        timer_stop(&supervision->timer);
}
