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
#include "conn/conn.h"
#include "conn/state.h"
#include "io/sock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ASK_AGAIN      (10 * CLOCK_MS) /* the channel was full */
#define ANSWERS_MAX    64              /* taken in a turn */
#define LISTENER_PAUSE (1 * CLOCK_S)   /* between two programs that take the same listener */
#define SLOTS_AT_FIRST 64

struct aways {
    struct watch channel; /* to the spawner; fd -1: it has ended for good */
    struct timer retry;
    struct conn_set *set;
    struct away **slots; /* NULL: a free one */
    uint32_t *free;      /* a stack of those */
    uint32_t size, free_count;
    struct away *unsent, **unsent_end; /* those who have something to ask, in order */
    struct away *released;
    bool sync_unsent;
};

static void channel_ready(struct watch *watch, uint32_t events);

/* The table. */

static bool make_room(struct aways *aways)
{
    uint32_t size = aways->size ? 2 * aways->size : SLOTS_AT_FIRST;
    struct away **slots = realloc(aways->slots, size * sizeof(struct away *));
    if (slots)
        aways->slots = slots;
    uint32_t *free_slots = slots ? realloc(aways->free, size * sizeof *free_slots) : NULL;
    if (!free_slots)
        return false;
    aways->free = free_slots;
    for (uint32_t slot = size; slot-- > aways->size;) {
        aways->slots[slot] = NULL;
        aways->free[aways->free_count++] = slot;
    }
    aways->size = size;
    return true;
}

static struct away *away_new(struct conn *conn)
{
    struct aways *aways = conn->set->aways;
    struct away *away = calloc(1, sizeof *away);
    if (!away || (aways->free_count == 0 && !make_room(aways))) {
        free(away);
        return NULL;
    }
    away->conn = conn;
    away->slot = aways->free[--aways->free_count];
    aways->slots[away->slot] = away;
    return away;
}

size_t conn_set_aways(const struct conn_set *set)
{
    return set->aways ? set->aways->size : 0;
}

struct conn *conn_set_away(const struct conn_set *set, size_t slot)
{
    const struct away *away = set->aways->slots[slot];
    return away ? away->conn : NULL;
}

/* The descriptor of one that has ended in the same turn goes with the connection. */
static void forget(struct aways *aways, struct away *away)
{
    struct away **at = &aways->unsent;
    for (; away->unsent && *at != away; at = &(*at)->next_unsent)
        ;
    if (away->unsent) {
        *at = away->next_unsent;
        if (aways->unsent_end == &away->next_unsent)
            aways->unsent_end = at;
    }
    for (at = &aways->released; *at && *at != away; at = &(*at)->next_released)
        ;
    if (*at)
        *at = away->next_released;
    aways->slots[away->slot] = NULL;
    aways->free[aways->free_count++] = away->slot;
    free(away);
}

/* Asking. */

/* The descriptor has been passed on: it goes at the end of the turn, in which the loop may still
 * have an event of that number. */
static void release(struct aways *aways, struct away *away)
{
    if (conn_service(away->conn)->program->counts_bytes)
        return;
    away->next_released = aways->released;
    aways->released = away;
}

static int ask(struct aways *aways, struct away *away)
{
    const struct conn *conn = away->conn;
    enum spawn_order order = !away->sent ? SPAWN_START : away->unchecked ? SPAWN_CHECK : SPAWN_END;
    struct spawn_request request = {.order = order,
                                    .service = conn_service(conn)->index,
                                    .slot = away->slot,
                                    .pid = away->orphan ? away->pid : 0,
                                    .number = conn->number,
                                    .hurry = away->hurry,
                                    .listener = conn->listener->index,
                                    .peer = away->ends.peer,
                                    .local = away->ends.local};
    if (sock_pass(aways->channel.fd, &request, sizeof request,
                  order == SPAWN_START ? conn->watch.fd : -1))
        return -1;
    if (order == SPAWN_START)
        release(aways, away);
    away->sent = true;
    away->unchecked = false;
    return order == SPAWN_CHECK && away->ending ? ask(aways, away) : 0;
}

static void ask_again(struct timer *timer, uint64_t now);

static void wait_to_ask(struct aways *aways)
{
    struct loop *loop = aways->set->loop;
    if (!aways->retry.fifo)
        timer_start(&aways->retry, timers_fifo(&loop->timers, ASK_AGAIN, ask_again), loop->now);
}

/* In order: as soon as one cannot be asked for, all others wait behind it. */
static void ask_or_wait(struct aways *aways, struct away *away)
{
    if (away->unsent || (!aways->unsent && ask(aways, away) == 0))
        return;
    away->unsent = true;
    away->next_unsent = NULL;
    *(aways->unsent ? aways->unsent_end : &aways->unsent) = away;
    aways->unsent_end = &away->next_unsent;
    wait_to_ask(aways);
}

static void ask_sync(struct aways *aways)
{
    struct spawn_request sync = {.order = SPAWN_SYNC};
    aways->sync_unsent = sock_pass(aways->channel.fd, &sync, sizeof sync, -1) != 0;
    if (aways->sync_unsent)
        wait_to_ask(aways);
}

static void ask_again(struct timer *timer, uint64_t now)
{
    struct aways *aways = container_of(timer, struct aways, retry);
    (void)now;
    if (aways->channel.fd < 0)
        return;
    if (aways->sync_unsent)
        ask_sync(aways);
    while (aways->unsent && ask(aways, aways->unsent) == 0) {
        aways->unsent->unsent = false;
        aways->unsent = aways->unsent->next_unsent;
    }
    if (aways->unsent)
        wait_to_ask(aways);
}

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
    ask_or_wait(set->aways, away);
}

void conn_set_release(struct conn_set *set)
{
    struct aways *aways = set->aways;
    while (aways && aways->released) {
        struct conn *conn = aways->released->conn;
        aways->released = aways->released->next_released;
        close(conn->watch.fd);
        conn->watch.fd = -1;
    }
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

static void close_away(struct aways *aways, struct away *away, enum close_reason reason)
{
    struct conn *conn = away->conn;
    if (away->pid)
        counter_add(&conn->counters->programs, (uint64_t)-1);
    if (conn_service(conn)->program->counts_bytes)
        count_bytes(conn);
    conn->reason = (uint8_t)reason;
    conn_bury(conn);
    forget(aways, away);
}

static void close_ended(struct aways *aways, struct away *away)
{
    const struct spawn_answer *outcome = &away->outcome;
    close_away(aways, away,
               away->ending ? (enum close_reason)away->conn->reason
               : outcome->order == SPAWN_FAILED || outcome->order == SPAWN_ORPHAN_GONE ? CLOSE_ERROR
               : outcome->idle                                                         ? CLOSE_IDLE
                               : CLOSE_DONE);
}

static void pause_over(struct timer *timer, uint64_t now)
{
    struct conn *conn = container_of(timer, struct conn, activity);
    (void)now;
    close_ended(conn->set->aways, conn->away);
}

/* Who accepts by himself and does not would be started again and again for the same peer. */
static void ended(struct aways *aways, struct away *away, const struct spawn_answer *answer)
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
        close_ended(aways, away);
}

/* No program has it: what is left is an orderly close. */
static void give_back(struct aways *aways, struct away *away, enum close_reason reason)
{
    struct conn *conn = away->conn;
    conn->away = NULL;
    forget(aways, away);
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
static void close_failed(struct aways *aways, struct away *away)
{
    ended(aways, away, &(struct spawn_answer){.order = SPAWN_FAILED});
}

/* The socket comes back, but for one that was kept here to count its bytes. */
static void failed(struct aways *aways, struct away *away, int socket)
{
    struct conn *conn = away->conn;
    if (socket >= 0 && conn->watch.fd < 0)
        conn->watch.fd = socket;
    else if (socket >= 0)
        close(socket);
    if (conn_service(conn)->program->takes_listener || conn->watch.fd < 0)
        close_failed(aways, away);
    else
        give_back(aways, away, away->ending ? (enum close_reason)conn->reason : CLOSE_ERROR);
}

/* Whether its program runs is not known: no FIN of ours must come into its way. */
static void lost(struct aways *aways, struct away *away)
{
    log_say(LOG_ERR, "a connection of service %s is closed: its program may not have been started",
            conn_service(away->conn)->name);
    close_failed(aways, away);
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
        failed(aways, away, -1);
    else if (aways->channel.fd >= 0)
        ask_or_wait(aways, away);
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
            ask_or_wait(aways, away);
    }
    ask_sync(aways);
}

static void synchronized(struct aways *aways)
{
    for (uint32_t slot = 0; slot < aways->size; slot++) {
        struct away *away = aways->slots[slot];
        if (away && away->doubtful && !away->pid)
            lost(aways, away);
    }
}

static void orphan_ended(struct aways *aways, const struct spawn_answer *answer)
{
    for (uint32_t slot = 0; slot < aways->size; slot++) {
        struct away *away = aways->slots[slot];
        if (away && away->orphan && away->pid == answer->pid) {
            ended(aways, away, answer);
            return;
        }
    }
}

static void take_answer_to(struct aways *aways, struct away *away,
                           const struct spawn_answer *answer, int descriptor)
{
    if (answer->order == SPAWN_FAILED && !away->pid) {
        failed(aways, away, descriptor);
        return;
    }
    if (descriptor >= 0)
        close(descriptor);
    if (answer->order == SPAWN_STARTED)
        started(away, answer->pid);
    else if (answer->order == SPAWN_ENDED)
        ended(aways, away, answer);
}

static void take_answer(struct aways *aways, const struct spawn_answer *answer, int descriptor)
{
    struct away *away = answer->slot < aways->size ? aways->slots[answer->slot] : NULL;
    bool of_one = answer->order == SPAWN_FAILED || answer->order == SPAWN_STARTED ||
                  answer->order == SPAWN_ENDED;
    if (of_one && away && away->conn->number == answer->number) {
        take_answer_to(aways, away, answer, descriptor);
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
            close_away(aways, away, CLOSE_ERROR);
        else if (away && away->sent)
            lost(aways, away);
        else if (away)
            failed(aways, away, -1);
    }
}

static void channel_ready(struct watch *watch, uint32_t events)
{
    struct aways *aways = (struct aways *)watch;
    (void)events;
    for (int i = 0; i < ANSWERS_MAX; i++) {
        struct spawn_answer answer;
        int descriptor;
        ssize_t length = sock_take(watch->fd, &answer, sizeof answer, &descriptor);
        if (length == sizeof answer) {
            take_answer(aways, &answer, descriptor);
            continue;
        }
        if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
            abandoned(aways);
        return;
    }
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
