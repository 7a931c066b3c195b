/* SPDX-License-Identifier: MIT */
/* What the files of conn/ know of a connection. */
#ifndef TCPD_CONN_STATE_H
#define TCPD_CONN_STATE_H

#include "conn/conn.h"
#include "conn/record.h"
#include "conn/spawn.h"
#include "io/buffer.h"

#define CONN_SCRATCH ((size_t)64 * 1024) /* the most that is read from one connection in a turn */

/* The FIFOs of a service's time-outs; NULL: off. */
struct clocks {
    struct fifo *idle, *write, *lifetime, *linger, *handshake;
};

/* New ones go to the end: masters of other builds read the numbers. */
enum conn_phase { CONN_OPEN, CONN_FINISHING, CONN_LINGERING, CONN_CLOSED, CONN_HEADER, CONN_AWAY };

/* What the header of the PROXY protocol told, or what is wrong with it. */
struct claim {
    bool has_addresses; /* then conn->peer is the client's, and these two are set: */
    struct addr via;    /* the proxy's */
    struct addr local;  /* where the client wanted to go */
    const char *error;  /* a sentence, static; NULL: none */
};

/* Who is at which end. */
struct ends {
    struct conn_end peer, local;
    struct conn_end via; /* the proxy that has told of them; family AF_UNSPEC: none */
};

/*
 * A connection whose socket was given to a program.  It is in no loop, and its descriptor is closed
 * (watch.fd is -1 then), or stays until the end to be asked for its bytes.
 */
struct away {
    struct conn *conn;
    uint32_t slot;              /* in the table of its set */
    pid_t pid;                  /* of the program; 0: it is not known to run yet */
    bool sent;                  /* the spawner has been asked */
    bool doubtful;              /* … and has died since, so that it may have got lost */
    bool orphan;                /* the spawner that has started it has died */
    bool unchecked;             /* … and may have known of its end, and taken that along */
    bool ending;                /* its end was asked for, with conn->reason */
    bool hurry;                 /* … and must come soon */
    bool unsent;                /* in the line of those who have something to ask */
    struct away *next_unsent;   /* there */
    struct away *next_released; /* its descriptor is to be closed at the end of the turn */
    struct ends ends;
    struct spawn_answer outcome; /* once it has ended: order is SPAWN_ENDED */
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
    union {
        struct away *away;      /* in CONN_AWAY */
        struct conn *next_dead; /* in CONN_CLOSED */
    };
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

/*
 * conn_away.c: gives the socket to the program of the service.  The connection is in CONN_AWAY, or
 * has failed.
 */
void conn_give_away(struct conn *conn);

/* Has the program ended, for a reason; the connection is closed when it has ended. */
void conn_call_back(struct conn *conn, enum close_reason reason, bool hurry);

/* The close, of one that is away as well: it is counted and logged, and freed at the end of the
 * turn. */
void conn_bury(struct conn *conn);

/* Closes the descriptors of those that the spawner has now.  Where there is one. */
void conn_set_release(struct conn_set *set);

/* The connection in a place of the table, or NULL; places are below conn_set_aways. */
struct conn *conn_set_away(const struct conn_set *set, size_t slot);
size_t conn_set_aways(const struct conn_set *set);

int conn_set_watch_spawner(struct conn_set *set, struct error *error);
void conn_set_leave_spawner(struct conn_set *set);

/* conn_list.c: the ends of a connection, whether its socket is here or away. */
void conn_ends(const struct conn *conn, struct ends *ends);

/* conn_header.c: a connection that begins with a header of the PROXY protocol. */
void conn_header_begin(struct conn *conn);
void conn_header_received(struct conn *conn, const char *bytes, size_t length);
void conn_header_ended(struct conn *conn); /* the peer has finished too early */

/* Of a connection that will be given away: as recv(2) into the scratch buffer, but nothing is taken
 * that is behind the header. */
ssize_t conn_header_receive(struct conn *conn);

/* Closes it at once; when it was still open the reason is drain. */
void conn_cut(struct conn *conn);

/* Finds or makes the FIFOs for these time-outs; -1 without memory. */
int conn_make_clocks(struct clocks *clocks, struct timers *timers, const struct timeouts *timeouts);

/* Writes the line for a closed connection. */
void conn_log_closed(const struct conn *conn);

#endif
