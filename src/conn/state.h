/* SPDX-License-Identifier: MIT */
/* What the files of conn/ know of a connection. */
#ifndef TCPD_CONN_STATE_H
#define TCPD_CONN_STATE_H

#include "conn/conn.h"
#include "conn/record.h"
#include "io/buffer.h"

#define CONN_SCRATCH ((size_t)64 * 1024) /* the most that is read from one connection in a turn */

/* The FIFOs of a service's time-outs; NULL: off. */
struct clocks {
    struct fifo *idle, *write, *lifetime, *linger, *handshake;
};

/* New ones go to the end: masters of other builds read the numbers. */
enum conn_phase { CONN_OPEN, CONN_FINISHING, CONN_LINGERING, CONN_CLOSED, CONN_HEADER };

/* What the header of the PROXY protocol told, or what is wrong with it. */
struct claim {
    bool has_addresses; /* then conn->peer is the client's, and these two are set: */
    struct addr via;    /* the proxy's */
    struct addr local;  /* where the client wanted to go */
    const char *error;  /* a sentence, static; NULL: none */
};

struct conn {
    struct watch watch;
    struct conn_set *set;
    const struct listener *listener;
    const struct clocks *clocks; /* of its service */
    struct counters *counters;   /* of its service, in its worker's slot */
    struct timer activity;       /* idle, write or linger, as the phase has it */
    struct timer lifetime;
    struct buffer *input;  /* what the service has not used yet, or the begin of a header */
    struct buffer *output; /* what the peer has not taken yet */
    struct conn *next_dead;
    uint64_t accepted; /* clock_now() */
    uint64_t number;   /* of the child's */
    uint64_t received, sent;
    struct addr peer;
    uint8_t phase;      /* enum conn_phase */
    uint8_t reason;     /* enum close_reason, once the phase is not CONN_OPEN */
    bool peer_finished; /* its FIN has come */
    bool eof_told;      /* … and the service knows */
    bool wants_room;    /* the service asks for `room` */
    uint32_t taken;     /* of sent, by the peer, when the write time-out last looked; modulo 2^32 */
    bool broken;        /* sending failed: to be closed when the callback has returned */
    bool unopened;      /* the service does not know of it yet */
    struct claim *claim;                /* NULL: none */
    _Alignas(max_align_t) char state[]; /* of the service */
};

_Static_assert(sizeof(struct conn) <= 224, "an idle connection costs 256 bytes at most, in all");

/* The loop's callback for a connection: what tells one from the other watches. */
void conn_ready(struct watch *watch, uint32_t events);

/* Whether it has not come to an end: the phase is CONN_OPEN or before that. */
static inline bool conn_is_live(const struct conn *conn)
{
    return conn->phase == CONN_OPEN || conn->phase == CONN_HEADER;
}

/* The service gets to know of it. */
void conn_start(struct conn *conn);

/* Bytes of the peer's. */
void conn_received(struct conn *conn, const char *bytes, size_t length);

/* Marks an end, orderly or at once, to be drawn by conn_settle, which whoever calls in from outside
 * of a turn's callbacks calls next. */
void conn_leave(struct conn *conn, enum close_reason reason);
void conn_fail(struct conn *conn, enum close_reason reason);
void conn_settle(struct conn *conn);

/* conn_header.c: a connection that begins with a header of the PROXY protocol. */
void conn_header_begin(struct conn *conn);
void conn_header_received(struct conn *conn, const char *bytes, size_t length);
void conn_header_ended(struct conn *conn); /* the peer has finished too early */

/* Closes it at once; when it was still open the reason is drain. */
void conn_cut(struct conn *conn);

/* Finds or makes the FIFOs for these time-outs; -1 without memory. */
int conn_make_clocks(struct clocks *clocks, struct timers *timers, const struct timeouts *timeouts);

/* Writes the line for a closed connection. */
void conn_log_closed(const struct conn *conn);

#endif
