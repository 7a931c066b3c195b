/* SPDX-License-Identifier: MIT */
/*
 * Connections that are given away: the worker's end of the channel to the spawner (spawn.h), and a
 * table of those whose programs run, or are about to.
 *
 * The worker closes its descriptor when the spawner has been asked; a socket whose program cannot
 * be started comes back, to be closed in order.
 */
#include "base/clock.h"
#include "base/container.h"
#include "base/log.h"
#include "conn/aways.h"
#include "io/sock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTENER_PAUSE (1 * CLOCK_S) /* between two programs that take the same listener */

static void channel_ready(struct watch *watch, uint32_t events);

/* Going. */

void conn_give_away(struct conn *conn)
{
    struct conn_set *set = conn->set;
    struct away *away = NULL;
    if (set->aways && set->aways->channel.fd >= 0)
        away = away_new(conn);
    if (!away) {
        log_say(LOG_ERR, "no program can be started for a connection of service %s",
                conn_service(conn)->name);
        conn_leave(conn, CLOSE_ERROR);
        return;
    }
    conn_ends(conn, &away->ends);
    timer_stop(&conn->activity);
    loop_remove(set->loop, &conn->watch);
    conn->phase = CONN_AWAY;
    conn->away = away;
    away_ask(away);
}

static void started(struct away *away, pid_t pid)
{
    if (away->pid)
        return;
    away->pid = pid;
    counter_add(&away->conn->counters->programs, 1);
}

/* Coming back. */

/* The length of a header of the PROXY protocol stands in conn->received, and is not counted. */
static void count_bytes(struct conn *conn)
{
    uint64_t header = conn->received;
    if (sock_bytes(conn->watch.fd, &conn->received, &conn->sent))
        return;
    conn->received -= header;
    counter_add(&conn->counters->received, conn->received);
    counter_add(&conn->counters->sent, conn->sent);
}

static void close_away(struct away *away, enum close_reason reason)
{
    struct conn *conn = away->conn;
    if (away->pid)
        counter_add(&conn->counters->programs, (uint64_t)-1);
    if (conn_service(conn)->program->counts_bytes)
        count_bytes(conn);
    conn->reason = (uint8_t)reason;
    conn_bury(conn);
    away_free(away);
}

static void close_ended(struct away *away)
{
    const struct spawn_answer *outcome = &away->outcome;
    close_away(away, away->ending ? (enum close_reason)away->conn->reason
                     : outcome->order == SPAWN_FAILED || outcome->order == SPAWN_ORPHAN_GONE
                         ? CLOSE_ERROR
                     : outcome->idle ? CLOSE_IDLE
                                     : CLOSE_DONE);
}

static void pause_over(struct timer *timer, uint64_t now)
{
    struct conn *conn = container_of(timer, struct conn, activity);
    (void)now;
    close_ended(conn->away);
}

/* Who accepts by himself and does not would be started again and again for the same peer. */
static void ended(struct away *away, const struct spawn_answer *answer)
{
    struct conn *conn = away->conn;
    away->outcome = *answer;
    if (answer->pid)
        started(away, answer->pid);
    if (conn_service(conn)->program->takes_listener &&
        conn_now(conn) - conn->accepted < LISTENER_PAUSE)
        timer_start(&conn->activity, timers_fifo(conn_timers(conn), LISTENER_PAUSE, pause_over),
                    conn_now(conn));
    else
        close_ended(away);
}

/* No program has it: what is left is an orderly close. */
static void give_back(struct away *away, enum close_reason reason)
{
    struct conn *conn = away->conn;
    conn->away = NULL;
    away_free(away);
    conn->phase = CONN_OPEN;
    conn->watch.events = EPOLLIN;
    if (loop_add(conn->set->loop, &conn->watch)) {
        loop_adopt(conn->set->loop, &conn->watch);
        conn_fail(conn, CLOSE_ERROR);
    }
    conn_leave(conn, reason);
    conn_settle(conn);
}

/* A listener, which stays as it is, or what is left when even the socket has not come back. */
static void close_failed(struct away *away)
{
    ended(away, &(struct spawn_answer){.order = SPAWN_FAILED});
}

/* The socket comes back, but for one that was kept here to count its bytes. */
static void failed(struct away *away, int socket)
{
    struct conn *conn = away->conn;
    if (socket >= 0 && conn->watch.fd < 0)
        conn->watch.fd = socket;
    else if (socket >= 0)
        close(socket);
    if (conn_service(conn)->program->takes_listener || conn->watch.fd < 0)
        close_failed(away);
    else
        give_back(away, away->ending ? (enum close_reason)conn->reason : CLOSE_ERROR);
}

/* Whether its program runs is not known: no FIN of ours must come into its way. */
static void lost(struct away *away)
{
    log_say(LOG_ERR, "a connection of service %s is closed: its program may not have been started",
            conn_service(away->conn)->name);
    close_failed(away);
}

void conn_call_back(struct conn *conn, enum close_reason reason, bool hurry)
{
    struct away *away = conn->away;
    struct aways *aways = conn->set->aways;
    if (away->ending && (away->hurry || !hurry))
        return;
    if (!away->ending)
        conn->reason = (uint8_t)reason;
    away->ending = true;
    away->hurry = hurry;
    if (!away->sent)
        failed(away, -1);
    else if (aways->channel.fd >= 0)
        away_ask(away);
}

/* Answers. */

/* Whoever answers now has been told nothing of what runs. */
static void greeted(struct aways *aways)
{
    for (uint32_t slot = 0; slot < aways->size; slot++) {
        struct away *away = aways->slots[slot];
        if (!away)
            continue;
        away->orphan = away->unchecked = away->pid != 0;
        away->doubtful = away->sent && !away->orphan;
        if (away->orphan)
            away_ask(away);
    }
    aways_sync(aways);
}

static void synchronized(struct aways *aways)
{
    for (uint32_t slot = 0; slot < aways->size; slot++) {
        struct away *away = aways->slots[slot];
        if (away && away->doubtful && !away->pid)
            lost(away);
    }
}

static void orphan_ended(struct aways *aways, const struct spawn_answer *answer)
{
    for (uint32_t slot = 0; slot < aways->size; slot++) {
        struct away *away = aways->slots[slot];
        if (away && away->orphan && away->pid == answer->pid) {
            ended(away, answer);
            return;
        }
    }
}

static void take_answer_to(struct away *away, const struct spawn_answer *answer, int descriptor)
{
    if (answer->order == SPAWN_FAILED && !away->pid) {
        failed(away, descriptor);
        return;
    }
    if (descriptor >= 0)
        close(descriptor);
    if (answer->order == SPAWN_STARTED)
        started(away, answer->pid);
    else if (answer->order == SPAWN_ENDED)
        ended(away, answer);
}

static void take_answer(struct aways *aways, const struct spawn_answer *answer, int descriptor)
{
    struct away *away = answer->slot < aways->size ? aways->slots[answer->slot] : NULL;
    bool of_one = answer->order == SPAWN_FAILED || answer->order == SPAWN_STARTED ||
                  answer->order == SPAWN_ENDED;
    if (of_one && away && away->conn->number == answer->number) {
        take_answer_to(away, answer, descriptor);
        return;
    }
    if (descriptor >= 0)
        close(descriptor);
    if (answer->order == SPAWN_HELLO)
        greeted(aways);
    else if (answer->order == SPAWN_SYNC)
        synchronized(aways);
    else if (answer->order == SPAWN_ORPHAN_ENDED || answer->order == SPAWN_ORPHAN_GONE)
        orphan_ended(aways, answer);
}

/* There is no spawner, and will be none: nobody tells any more what becomes of what runs. */
static void abandoned(struct aways *aways)
{
    loop_remove(aways->set->loop, &aways->channel);
    aways->channel.fd = -1;
    for (uint32_t slot = 0; slot < aways->size; slot++) {
        struct away *away = aways->slots[slot];
        if (away && away->pid)
            close_away(away, CLOSE_ERROR);
        else if (away && away->sent)
            lost(away);
        else if (away)
            failed(away, -1);
    }
}

/* One in a turn: to look whether there is another one costs as much as the turn. */
static void channel_ready(struct watch *watch, uint32_t events)
{
    struct aways *aways = (struct aways *)watch;
    struct spawn_answer answer;
    int descriptor;
    (void)events;
    ssize_t length = sock_take(watch->fd, &answer, sizeof answer, &descriptor);
    bool failed = length < 0 && errno != EAGAIN && errno != EINTR;
    if (length == sizeof answer)
        take_answer(aways, &answer, descriptor);
    else if (descriptor >= 0)
        close(descriptor);
    if (length == 0 || failed)
        abandoned(aways);
}

/* Beginning and end. */

int conn_set_watch_spawner(struct conn_set *set, struct error *error)
{
    if (set->spawner <= 0)
        return 0;
    set->aways = calloc(1, sizeof *set->aways);
    if (!set->aways)
        return error_set(error, ENOMEM, "cannot make room for programs");
    *set->aways = (struct aways){.channel = {channel_ready, set->spawner, EPOLLIN}, .set = set};
    if (loop_add(set->loop, &set->aways->channel) == 0)
        return 0;
    return error_set(error, errno, "cannot listen to the spawner");
}

void conn_set_leave_spawner(struct conn_set *set)
{
    struct aways *aways = set->aways;
    if (!aways)
        return;
    timer_stop(&aways->retry);
    if (aways->channel.fd >= 0)
        loop_remove(set->loop, &aways->channel);
    free(aways->slots);
    free(aways->free);
    free(aways);
    set->aways = NULL;
}
