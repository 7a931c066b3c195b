/* SPDX-License-Identifier: MIT */
/*
 * A connection: the state machine between a socket and a service.
 *
 *   (header ──►) open ──► data … ──► finishing ──► lingering ──► closed
 *
 * header     only behind proxies: nothing is sent, and the service does not know of it yet
 * open       bytes go to the service; what it sends goes to the peer
 * finishing  nothing goes to the service any more; what is queued is sent
 * lingering  tcpd's FIN is sent; the peer's is awaited, what it still sends is thrown away
 * away       in place of open: the socket was given to a program, whose end closes the connection
 *
 * A peer that has finished first needs no lingering.  Half-close works in both
 * directions: after the peer's FIN the service may still send.
 *
 * Everything here: the worker thread that owns the connection.
 */
#ifndef TCPD_CONN_CONN_H
#define TCPD_CONN_CONN_H

#include "base/reason.h"
#include "base/scoreboard.h"
#include "conn/listener.h"
#include "conn/service.h"
#include "io/addr.h"
#include "io/loop.h"
#include "io/timer.h"

#include <stddef.h>
#include <stdint.h>

#define CONN_OUTPUT_HIGH ((size_t)64 * 1024) /* output that waits beyond this stops reading */
#define CONN_INPUT_MAX   ((size_t)64 * 1024) /* the most that a service may leave unread */

/* The most memory that one connection can take: itself, and two full buffers of twice their mark.
 */
#define CONN_MEMORY_MAX ((size_t)1024 + 4 * CONN_OUTPUT_HIGH + 4 * CONN_INPUT_MAX)

/* For services. */

/*
 * Sends a copy of the bytes, now or when the peer takes them.  A service looks
 * at conn_room first: what goes beyond it by more than CONN_OUTPUT_HIGH closes the connection.
 * Nothing is sent after conn_finish.
 */
void conn_send(struct conn *conn, const void *bytes, size_t length);

/* How many more bytes the service should send before it waits for room. */
size_t conn_room(const struct conn *conn);

/*
 * Whether `room` is to be called, once in each turn in which the peer takes more.  So it is from
 * the beginning; a service that has nothing more to say must say so, or its turns never end.
 * While it wants room it may leave all input unused, and is told of the peer's FIN only when
 * nothing is left unused.
 */
void conn_want_room(struct conn *conn, bool want);

/* The service is done: what is queued is sent, then FIN.  No callback but `close` follows. */
void conn_finish(struct conn *conn);

/* Whether the service may still send: false after conn_finish, or when the connection has failed.
 */
bool conn_is_open(const struct conn *conn);

/* The zeroed state_size bytes of this connection, and the way back from them. */
void *conn_state(struct conn *conn);
struct conn *conn_of(void *state);

const struct service *conn_service(const struct conn *conn);

/* The moment of this turn, and the timers of the worker's loop, for time-outs of the service's own.
 */
uint64_t conn_now(const struct conn *conn);
struct timers *conn_timers(struct conn *conn);

/* What the daemon counts. */
const struct scoreboard *conn_scoreboard(const struct conn *conn);

/* The generation is to leave: a service whose connections have no end of their own should end this
 * one at its next chance. */
bool conn_drains(const struct conn *conn);

/* From a callback of the service's own timer: the kept bytes go to `data` once more, as if more had
 * come. */
void conn_resume(struct conn *conn);

/* For the worker. */

/* The connections of one worker and what they share. */
struct conn_set {
    struct loop *loop;
    struct thread_slot *slot;            /* this worker's */
    const struct scoreboard *scoreboard; /* for services that tell of it */
    bool access_log;
    bool drains;   /* the worker has been told to finish */
    unsigned open; /* connections, those to be freed at the end of the turn included */
    void *owner;
    /* A connection is no more: its place is free.  peer NULL: it never came to its service. */
    void (*gone)(struct conn_set *set, const struct service *service, const struct addr *peer);
    /* Behind proxies, when it is known who the client is: whether it may come in.  Then its
     * handshake is over.  via: the proxy; NULL: it has come for itself. */
    bool (*admit)(struct conn_set *set, const struct service *service, int fd,
                  const struct addr *peer, const struct addr *via);

    int spawner; /* the channel to it; 0: none, and no service gives connections away */

    char *scratch;         /* what is read goes here first */
    struct clocks *clocks; /* the FIFOs of each service */
    unsigned service_count;
    struct conn *dead;   /* closed in this turn */
    struct aways *aways; /* NULL without a spawner */
};

/* An accepted socket on its way to a worker. */
struct handover {
    int fd;
    unsigned listener; /* its index in the child's table */
    uint64_t accepted; /* clock_now() */
    uint64_t number;   /* of the child's, counted from 1 */
    struct addr peer;
};

/* The loop, slot and callbacks are set before; clocks are made for the services given. */
int conn_set_init(struct conn_set *set, const struct service *const *services, unsigned count,
                  struct error *error);
void conn_set_fini(struct conn_set *set);

/* At the end of each turn: frees and really closes what was closed in it. */
void conn_set_sweep(struct conn_set *set);

/* The drain is over: closes every connection with reason drain. */
void conn_set_cut(struct conn_set *set);

#define CONN_ANY_SERVICE UINT64_MAX

/*
 * The next slice of a walk through all connections that begins with *from = 0 and is over when
 * conn_set_walked says so; one that lives all the while is met once, or once more when it was given
 * away meanwhile.  The turns between the slices are for the others.
 *
 * Writes a struct conn_record into set->scratch for each connection of a service, by its id;
 * returns how many.
 */
unsigned conn_set_list(struct conn_set *set, uint64_t service, size_t *from);

/*
 * The same walk, in search of one connection: closes it with a reset, or has its program ended;
 * false: not met yet.
 */
bool conn_set_kill(struct conn_set *set, uint64_t number, size_t *from);

bool conn_set_walked(const struct conn_set *set, size_t from);

/*
 * The events that the acceptor asks for on behalf of a new connection: a
 * service that speaks first is woken at once because the socket is writable.
 */
uint32_t conn_first_events(const struct service *service);

/*
 * Takes over an accepted socket, which is in the loop's epoll set already.  Without memory
 * the socket is closed, counted and logged like any other.
 */
void conn_open(struct conn_set *set, const struct listener *listener,
               const struct handover *handover);

#endif
