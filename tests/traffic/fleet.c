/* SPDX-License-Identifier: MIT */
#include "traffic/fleet.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>

#define COMPLAINTS_MAX 20
#define AT_ONCE        64 /* opened or tried again before epoll is asked again */

uint64_t fleet_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

static void count(struct fleet *fleet, const struct conn *conn, enum what what)
{
    tally_count(&fleet->tally, &conn->target->counts, conn->kind, what);
}

/* --- What becomes of a connection --- */

static void settle(struct conn *conn)
{
    if (conn->kind == KIND_LONG && !conn->is_settled)
        conn->target->unsettled--;
    conn->is_settled = true;
}

static void retire(struct conn *conn)
{
    list_remove(&conn->due);
    settle(conn);
}

/* It has no connection any more.  A long one is opened again when it is due, if it shall be. */
static void release(struct fleet *fleet, struct conn *conn, bool comes_back)
{
    conn_close(conn);
    if (conn->kind == KIND_SHORT)
        list_append(&fleet->idle, &conn->due);
    else if (!comes_back)
        retire(conn);
    fleet_announce(fleet, conn->target);
}

static void complain(struct fleet *fleet, const struct conn *conn)
{
    const struct exchange *exchange = &conn->exchange;
    if (fleet->complaints++ >= COMPLAINTS_MAX)
        return;
    fprintf(stderr, "traffic: %.3f s: %s: %s: %s in phase %s%s%s, port %u, connection %llu: ",
            (double)(fleet->now - fleet->began) / 1e9, conn->target->text, kind_names[conn->kind],
            what_names[conn->what], phase_names[conn->phase], conn->error ? ", " : "",
            error_name(conn->error), conn_port(conn), (unsigned long long)conn->number);
    fprintf(stderr, "%zu of %zu bytes, %llu in all, after %.3f s\n", exchange->got,
            exchange->in_length, (unsigned long long)conn->received,
            (double)(fleet->now - conn->opened_at) / 1e9);
}

/* Whether it shall end: its target was removed, or all is to end. */
static bool shall_leave(const struct fleet *fleet, const struct conn *conn)
{
    return fleet->is_stopping || conn->target->is_removed;
}

static void conn_failed(struct fleet *fleet, struct conn *conn)
{
    bool is_broken =
        fleet->plan->survivors && (conn->what == WHAT_RESET || conn->what == WHAT_CLOSED_EARLY);
    struct failure failure = {
        .target = conn->target->text,
        .phase = phase_names[conn->phase],
        .kind = conn->kind,
        .what = conn->what,
        .error = conn->error,
        .is_broken = is_broken,
    };
    tally_failure(&fleet->tally, &failure);
    if (!is_broken)
        complain(fleet, conn);
    count(fleet, conn, is_broken ? WHAT_BROKEN : conn->what);
    release(fleet, conn, is_broken && !shall_leave(fleet, conn));
}

static void conn_ended(struct fleet *fleet, struct conn *conn)
{
    count(fleet, conn, WHAT_OK);
    if (conn->kind == KIND_SHORT)
        tally_took(&fleet->tally, KIND_SHORT, fleet->now - conn->opened_at, fleet->now);
    release(fleet, conn, false);
}

static void conn_outcome(struct fleet *fleet, struct conn *conn, enum outcome outcome);

/* The server has something to do from now on. */
static void wait_for_server(struct fleet *fleet, struct conn *conn)
{
    conn->asked_at = fleet->now;
    list_append(&fleet->waiting, &conn->waiting);
}

static void send_away(struct fleet *fleet, struct conn *conn)
{
    wait_for_server(fleet, conn);
    conn_outcome(fleet, conn, conn_leave(conn));
}

static void conn_rests(struct fleet *fleet, struct conn *conn)
{
    list_remove(&conn->waiting);
    count(fleet, conn, WHAT_MESSAGES);
    tally_took(&fleet->tally, KIND_LONG, fleet->now - conn->asked_at, fleet->now);
    settle(conn);
    fleet_announce(fleet, conn->target);
    if (shall_leave(fleet, conn))
        send_away(fleet, conn);
}

static void conn_outcome(struct fleet *fleet, struct conn *conn, enum outcome outcome)
{
    if (outcome == CONN_FAILED)
        conn_failed(fleet, conn);
    else if (outcome == CONN_ENDED)
        conn_ended(fleet, conn);
    else if (outcome == CONN_RESTS)
        conn_rests(fleet, conn);
    else if (outcome == CONN_AGAIN)
        list_append(&fleet->again, &conn->again);
}

void fleet_ready(struct fleet *fleet, struct conn *conn, uint32_t events)
{
    unsigned step = conn->step;
    enum outcome outcome = conn_ready(conn, events);
    if (conn->step != step)
        wait_for_server(fleet, conn);
    conn_outcome(fleet, conn, outcome);
}

/* --- Opening --- */

/* Edges are enough: whoever moves a connection goes on until the socket is empty. */
static void watch(struct fleet *fleet, struct conn *conn)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = conn};
    if (!epoll_ctl(fleet->epoll, EPOLL_CTL_ADD, conn->fd, &event))
        return;
    conn->what = WHAT_LOCAL;
    conn->error = errno;
    conn_failed(fleet, conn);
}

static void connecting(struct fleet *fleet, struct conn *conn, enum outcome outcome)
{
    if (outcome == CONN_GOES_ON)
        watch(fleet, conn);
    else
        conn_outcome(fleet, conn, outcome);
}

static void open_conn(struct fleet *fleet, struct conn *conn)
{
    count(fleet, conn, WHAT_OPENED);
    conn->opened_at = fleet->now;
    wait_for_server(fleet, conn);
    connecting(fleet, conn, conn_open(conn, ++fleet->last_number));
}

static struct target *next_target(struct fleet *fleet)
{
    for (unsigned i = 0; i < fleet->target_count; i++) {
        struct target *target = &fleet->targets[fleet->turn++ % fleet->target_count];
        if (!target->is_removed)
            return target;
    }
    return NULL;
}

static void open_short(struct fleet *fleet)
{
    struct target *target = next_target(fleet);
    struct link *idle = list_first(&fleet->idle);
    if (!target)
        return;
    if (!idle) {
        tally_count(&fleet->tally, &target->counts, KIND_SHORT, WHAT_LATE);
        return;
    }
    struct conn *conn = LIST_OWNER(idle, struct conn, due);
    list_remove(idle);
    conn->target = target;
    open_conn(fleet, conn);
}

/* By the clock, whatever has become of those before. */
static void open_shorts(struct fleet *fleet)
{
    if (fleet->plan->rate <= 0 || fleet->is_stopping)
        return;
    uint64_t period = (uint64_t)(1e9 / fleet->plan->rate);
    for (int i = 0; i < AT_ONCE && fleet->next_short <= fleet->now; i++) {
        fleet->next_short += period;
        open_short(fleet);
    }
}

static void retry(struct fleet *fleet)
{
    struct list round;
    list_init(&round);
    for (int i = 0; i < AT_ONCE; i++) {
        struct link *link = list_first(&fleet->again);
        if (!link)
            break;
        list_append(&round, link);
    }
    for (struct link *link; (link = list_first(&round));) {
        struct conn *conn = LIST_OWNER(link, struct conn, again);
        list_remove(link);
        connecting(fleet, conn, conn_connect(conn));
    }
}

/* --- Long ones --- */

static void long_due(struct fleet *fleet, struct conn *conn)
{
    conn->due_at = fleet->now + fleet->plan->interval;
    list_append(&fleet->due, &conn->due);
    if (conn->phase == PHASE_NONE) {
        open_conn(fleet, conn);
    } else if (conn->phase == PHASE_REST) {
        wait_for_server(fleet, conn);
        conn_outcome(fleet, conn, conn_ask(conn));
    }
}

static void work_long(struct fleet *fleet)
{
    for (struct link *link; (link = list_first(&fleet->due));) {
        struct conn *conn = LIST_OWNER(link, struct conn, due);
        if (conn->due_at > fleet->now)
            return;
        long_due(fleet, conn);
    }
}

void fleet_leave(struct fleet *fleet, struct conn *conn)
{
    list_remove(&conn->due);
    if (conn->phase == PHASE_REST)
        send_away(fleet, conn);
    else if (conn->phase == PHASE_NONE)
        settle(conn);
}

/* --- The clock --- */

void fleet_work(struct fleet *fleet)
{
    open_shorts(fleet);
    retry(fleet);
    work_long(fleet);
}

void fleet_expire(struct fleet *fleet)
{
    for (struct link *link; (link = list_first(&fleet->waiting));) {
        struct conn *conn = LIST_OWNER(link, struct conn, waiting);
        if (fleet->now - conn->asked_at < fleet->plan->timeout)
            return;
        conn->what = WHAT_TIMEOUT;
        conn->error = 0;
        conn_failed(fleet, conn);
    }
}

static void earlier(uint64_t *next, uint64_t moment)
{
    if (moment < *next)
        *next = moment;
}

static uint64_t next_event(const struct fleet *fleet)
{
    uint64_t next = fleet->now + SECOND;
    struct link *due = list_first(&fleet->due), *waiting = list_first(&fleet->waiting);
    if (due)
        earlier(&next, LIST_OWNER(due, struct conn, due)->due_at);
    if (waiting)
        earlier(&next, LIST_OWNER(waiting, struct conn, waiting)->asked_at + fleet->plan->timeout);
    if (fleet->plan->rate > 0 && !fleet->is_stopping)
        earlier(&next, fleet->next_short);
    return next;
}

int fleet_pause(const struct fleet *fleet)
{
    uint64_t next = next_event(fleet);
    if (list_first(&fleet->again))
        return 1;
    return next <= fleet->now ? 0 : (int)((next - fleet->now + 999999) / 1000000);
}
