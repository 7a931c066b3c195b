/* SPDX-License-Identifier: MIT */
#include "conn/conn.h"

#include "base/container.h"
#include "base/log.h"
#include "conn/state.h"
#include "io/sock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct service_ops *ops_of(const struct conn *conn)
{
    return conn->listener->service->ops;
}

/* Opening. */

uint32_t conn_first_events(const struct service *service)
{
    bool at_once = service->ops->speaks_first && service->proxy_protocol == PROXY_PROTOCOL_OFF;
    return at_once ? EPOLLIN | EPOLLOUT : EPOLLIN;
}

/* Nothing is known of the connection but that it was: it still counts. */
static void refuse(struct conn_set *set, const struct service *service,
                   const struct handover *handover)
{
    counter_add(&set->slot->services[service->index].closed[CLOSE_ERROR], 1);
    log_say(LOG_ERR, "out of memory: a connection of service %s was closed", service->name);
    close(handover->fd);
    bool admitted = service->proxy_protocol == PROXY_PROTOCOL_OFF;
    set->gone(set, service, admitted ? &handover->peer : NULL);
}

void conn_open(struct conn_set *set, const struct listener *listener,
               const struct handover *handover)
{
    const struct service *service = listener->service;
    struct conn *conn = calloc(1, sizeof *conn + service->ops->state_size);
    if (!conn) {
        refuse(set, service, handover);
        return;
    }
    conn->watch = (struct watch){conn_ready, handover->fd, conn_first_events(service)};
    conn->set = set;
    conn->listener = listener;
    conn->clocks = &set->clocks[service->index];
    conn->counters = &set->slot->services[service->index];
    conn->accepted = handover->accepted < set->loop->now ? handover->accepted : set->loop->now;
    conn->number = handover->number;
    conn->peer = handover->peer;
    conn->wants_room = service->ops->room != NULL;
    if (loop_adopt(set->loop, &conn->watch)) {
        free(conn);
        refuse(set, service, handover);
        return;
    }
    set->open++;
    histogram_add(&set->slot->wait, histogram_waits, conn_now(conn) - conn->accepted);
    timer_start(&conn->lifetime, conn->clocks->lifetime, conn->accepted);
    if (service->proxy_protocol == PROXY_PROTOCOL_OFF)
        conn_start(conn);
    else
        conn_header_begin(conn);
    conn_settle(conn);
}

void conn_start(struct conn *conn)
{
    conn->phase = CONN_OPEN;
    conn->unopened = false;
    if (ops_of(conn)->gives_away)
        conn_give_away(conn);
    else if (ops_of(conn)->open)
        ops_of(conn)->open(conn);
}

/* Ending: what may be called from anywhere only sets marks; conn_settle acts on them. */

void conn_leave(struct conn *conn, enum close_reason reason)
{
    if (!conn_is_live(conn)) {
        if (conn->phase == CONN_AWAY)
            conn_call_back(conn, reason, false);
        return;
    }
    conn->phase = CONN_FINISHING;
    conn->reason = (uint8_t)reason;
}

/* Sending or receiving failed.  A reset after all was said is no loss, and no reason. */
void conn_fail(struct conn *conn, enum close_reason reason)
{
    if (conn_is_live(conn) || conn->output)
        conn->reason = (uint8_t)reason;
    if (conn_is_live(conn))
        conn->phase = CONN_FINISHING;
    conn->broken = true;
}

void conn_finish(struct conn *conn)
{
    conn_leave(conn, conn->peer_finished ? CLOSE_EOF : CLOSE_DONE);
}

/* No callback comes any more; memory and descriptor go at the end of the turn. */
void conn_bury(struct conn *conn)
{
    if (conn->phase != CONN_AWAY) {
        conn->phase = CONN_CLOSED;
        loop_forget(conn->set->loop, &conn->watch);
        if (ops_of(conn)->close && !conn->unopened)
            ops_of(conn)->close(conn);
    }
    timer_stop(&conn->activity);
    timer_stop(&conn->lifetime);
    counter_add(&conn->counters->closed[conn->reason], 1);
    histogram_add(&conn->counters->duration, histogram_durations, conn_now(conn) - conn->accepted);
    if (conn->set->access_log)
        conn_log_closed(conn);
    buffer_free(&conn->input);
    buffer_free(&conn->output);
    free(conn->claim);
    conn->phase = CONN_CLOSED;
    conn->next_dead = conn->set->dead;
    conn->set->dead = conn;
}

/* Everything is sent that will be: FIN, unless the peer's has come and close(2) sends ours. */
static void say_fin(struct conn *conn)
{
    if (conn->peer_finished || !conn->clocks->linger) {
        conn_bury(conn);
        return;
    }
    shutdown(conn->watch.fd, SHUT_WR);
    conn->phase = CONN_LINGERING;
}

/* What follows from the state, once a callback has returned. */

static bool is_reading(const struct conn *conn)
{
    if (conn->peer_finished)
        return false;
    return conn->phase != CONN_OPEN ||
           (conn_room(conn) > 0 && buffer_length(conn->input) < CONN_INPUT_MAX);
}

static bool is_writing(const struct conn *conn)
{
    return conn->output || (conn->phase == CONN_OPEN && conn->wants_room);
}

/*
 * The time-out that holds now.  While output waits, the write time-out takes the idle one's place;
 * so it does for a service that always has more to say, though the kernel may hold all it said.
 */
static struct fifo *current_clock(const struct conn *conn)
{
    const struct clocks *clocks = conn->clocks;
    bool at_leisure = conn->reason == CLOSE_EOF || conn->reason == CLOSE_DONE;
    if (conn->phase == CONN_HEADER)
        return clocks->handshake;
    if (conn->phase == CONN_OPEN)
        return is_writing(conn) && clocks->write ? clocks->write : clocks->idle;
    if (conn->phase == CONN_FINISHING && (at_leisure || !clocks->linger) && clocks->write)
        return clocks->write;
    return clocks->linger;
}

/* The usual case, in which nothing follows: the peer has taken everything, and more is awaited. */
static bool is_steady(const struct conn *conn)
{
    return conn->phase == CONN_OPEN && !conn->broken && !conn->output && !conn->peer_finished &&
           conn->watch.events == EPOLLIN && conn->activity.fifo == conn->clocks->idle &&
           !conn->wants_room && buffer_length(conn->input) < CONN_INPUT_MAX;
}

void conn_settle(struct conn *conn)
{
    if (conn->phase == CONN_CLOSED)
        return;
    if (conn->broken) {
        conn_bury(conn);
        return;
    }
    if (!conn_is_live(conn)) {
        if (conn->phase == CONN_AWAY)
            return;
        buffer_free(&conn->input);
    }
    if (conn->phase == CONN_FINISHING && !conn->output)
        say_fin(conn);
    else if (conn->phase == CONN_LINGERING && conn->peer_finished)
        conn_bury(conn);
    if (conn->phase == CONN_CLOSED)
        return;
    struct fifo *clock = current_clock(conn);
    if (conn->activity.fifo != clock)
        timer_start(&conn->activity, clock, conn_now(conn));
    loop_change(conn->set->loop, &conn->watch,
                (is_reading(conn) ? EPOLLIN : 0u) | (is_writing(conn) ? EPOLLOUT : 0u));
}

/* From the peer to the service. */

static void keep(struct conn *conn, const char *bytes, size_t length)
{
    if (buffer_append(&conn->input, bytes, length))
        conn_fail(conn, CLOSE_ERROR);
}

/*
 * Gives the service what was kept.  One that leaves a full buffer although it may send, and does
 * not ask to be called for that, is at fault.
 */
static void give_kept(struct conn *conn)
{
    size_t length = buffer_length(conn->input);
    size_t used = ops_of(conn)->data(conn, buffer_bytes(conn->input), length);
    if (conn->phase != CONN_OPEN)
        return;
    if (used == 0 && length >= CONN_INPUT_MAX && conn_room(conn) > 0 && !conn->wants_room)
        conn_fail(conn, CLOSE_ERROR);
    buffer_consume(&conn->input, used);
}

static void give(struct conn *conn, const char *bytes, size_t length)
{
    if (conn->input) {
        keep(conn, bytes, length);
        give_kept(conn);
        return;
    }
    size_t used = ops_of(conn)->data(conn, bytes, length);
    if (used < length && conn->phase == CONN_OPEN)
        keep(conn, bytes + used, length - used);
}

/* The end is told when the service has used all, or has had room and left the rest as it is. */
static void give_eof(struct conn *conn)
{
    if (!conn->peer_finished || conn->eof_told || conn->phase != CONN_OPEN ||
        (conn->input && (conn_room(conn) == 0 || conn->wants_room)))
        return;
    conn->eof_told = true;
    if (ops_of(conn)->eof)
        ops_of(conn)->eof(conn, buffer_bytes(conn->input), buffer_length(conn->input));
    else
        conn_finish(conn);
    buffer_free(&conn->input);
}

void conn_received(struct conn *conn, const char *bytes, size_t length)
{
    if (conn->phase != CONN_OPEN) {
        if (conn->phase == CONN_HEADER)
            conn_header_received(conn, bytes, length);
        return; /* else thrown away */
    }
    conn->received += length;
    counter_add(&conn->counters->received, length);
    if (conn->activity.fifo == conn->clocks->idle)
        timer_touch(&conn->activity, conn_now(conn));
    give(conn, bytes, length);
}

static void readable(struct conn *conn)
{
    bool peeks = conn->phase == CONN_HEADER && ops_of(conn)->gives_away;
    ssize_t length = peeks ? conn_header_receive(conn)
                           : sock_recv(conn->watch.fd, conn->set->scratch, CONN_SCRATCH);
    if (length > 0) {
        conn_received(conn, conn->set->scratch, (size_t)length);
    } else if (length == 0) {
        conn->peer_finished = true;
        if (conn->phase == CONN_HEADER)
            conn_header_ended(conn);
        give_eof(conn);
    } else if (errno != EAGAIN && errno != EINTR) {
        conn_fail(conn, CLOSE_RESET);
    }
}

/* From the service to the peer. */

static size_t send_now(struct conn *conn, const void *bytes, size_t length)
{
    ssize_t taken = sock_send(conn->watch.fd, bytes, length);
    if (taken < 0) {
        if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
            conn_fail(conn, CLOSE_RESET);
        return 0;
    }
    conn->sent += (size_t)taken;
    counter_add(&conn->counters->sent, (size_t)taken);
    if (!conn->activity.fifo || conn->activity.fifo != conn->clocks->linger)
        timer_touch(&conn->activity, conn_now(conn));
    return (size_t)taken;
}

void conn_send(struct conn *conn, const void *bytes, size_t length)
{
    if (length == 0 || conn->phase != CONN_OPEN || conn->broken)
        return;
    size_t taken = conn->output ? 0 : send_now(conn, bytes, length);
    if (conn->broken || taken == length)
        return;
    bool too_much = buffer_length(conn->output) + length - taken > 2 * CONN_OUTPUT_HIGH;
    if (too_much || buffer_append(&conn->output, (const char *)bytes + taken, length - taken))
        conn_fail(conn, CLOSE_ERROR);
}

size_t conn_room(const struct conn *conn)
{
    size_t waiting = buffer_length(conn->output);
    return waiting < CONN_OUTPUT_HIGH ? CONN_OUTPUT_HIGH - waiting : 0;
}

static void writable(struct conn *conn)
{
    if (conn->output) {
        size_t length = buffer_length(conn->output);
        buffer_consume(&conn->output, send_now(conn, buffer_bytes(conn->output), length));
    }
    if (conn->phase == CONN_OPEN && conn->wants_room && conn_room(conn) > 0)
        ops_of(conn)->room(conn);
    if (conn->phase != CONN_OPEN || conn_room(conn) == 0)
        return;
    if (conn->input)
        give_kept(conn);
    give_eof(conn);
}

void conn_want_room(struct conn *conn, bool want)
{
    conn->wants_room = want && ops_of(conn)->room;
}

/* Events. */

void conn_ready(struct watch *watch, uint32_t events)
{
    struct conn *conn = (struct conn *)watch;
    if (events & EPOLLOUT)
        writable(conn);
    if (!conn->broken && (events & (EPOLLIN | EPOLLERR | EPOLLHUP))) {
        if (is_reading(conn))
            readable(conn);
        else if (events & (EPOLLERR | EPOLLHUP))
            conn_fail(conn, CLOSE_RESET); /* told without being asked: both directions are dead */
    }
    if (!is_steady(conn))
        conn_settle(conn);
}

void conn_resume(struct conn *conn)
{
    if (conn->phase == CONN_OPEN && conn->input)
        give_kept(conn);
    give_eof(conn);
    conn_settle(conn);
}

bool conn_is_open(const struct conn *conn)
{
    return conn->phase == CONN_OPEN;
}

void *conn_state(struct conn *conn)
{
    return conn->state;
}

struct conn *conn_of(void *state)
{
    return container_of(state, struct conn, state);
}

const struct service *conn_service(const struct conn *conn)
{
    return conn->listener->service;
}

uint64_t conn_now(const struct conn *conn)
{
    return conn->set->loop->now;
}

struct timers *conn_timers(struct conn *conn)
{
    return &conn->set->loop->timers;
}

void conn_cut(struct conn *conn)
{
    if (conn->phase == CONN_AWAY) {
        conn_call_back(conn, CLOSE_DRAIN, true);
        return;
    }
    conn_leave(conn, CLOSE_DRAIN);
    conn->broken = true;
    conn_settle(conn);
}
