/* SPDX-License-Identifier: MIT */
/*
 * What goes between a worker and the spawner of its generation, over a SOCK_SEQPACKET pair of their
 * own: a worker gives a connection away, to the program of its service, and hears what becomes of
 * it.
 *
 *   worker:  SPAWN_START, with the socket ──►                           SPAWN_END ──►
 *   spawner:            ◄── SPAWN_STARTED, or SPAWN_FAILED with it            ◄── SPAWN_ENDED
 *
 * A request names a service by its place in the configuration and holds nothing that could be
 * executed.  Orders are answered one after the other.  A spawner that takes the place of one that
 * has died begins with SPAWN_HELLO; a worker asks it for a SPAWN_SYNC, and what was asked before
 * and is not answered then was lost.
 *
 * Both ends are of one binary: they are forked by the same master.
 */
#ifndef TCPD_CONN_SPAWN_H
#define TCPD_CONN_SPAWN_H

#include "conn/record.h"

#include <stdint.h>

enum spawn_order {
    /* From the worker. */
    SPAWN_START, /* run the program of `service` on the socket that comes along */
    SPAWN_END,   /* end what runs for `slot` and `number`: SIGTERM, and SIGKILL later */
    SPAWN_SYNC,  /* comes back as an answer */
    SPAWN_CHECK, /* whether the orphan `pid` is still there; answered only if it is not */
    /* From the spawner. */
    SPAWN_HELLO,        /* another one answers from now on */
    SPAWN_STARTED,      /* `pid` */
    SPAWN_FAILED,       /* it does not run, and the log tells why; the socket comes back */
    SPAWN_ENDED,        /* with all that follows `pid` */
    SPAWN_ORPHAN_ENDED, /* the same of a program that a spawner before has started, by its pid */
    SPAWN_ORPHAN_GONE,  /* it has ended, and nobody knows how */
};

struct spawn_request {
    uint32_t order;   /* enum spawn_order */
    uint32_t service; /* its index in the configuration */
    uint32_t slot;    /* the worker's, repeated in answers */
    int32_t pid;      /* SPAWN_END, SPAWN_CHECK: of an orphan; else 0 */
    uint64_t number;  /* of the connection */
    uint32_t hurry;   /* SPAWN_END, not 0: there is no more than a second left */
    uint32_t listener;
    struct conn_end peer, local; /* as the program is told */
};

struct spawn_answer {
    uint32_t order; /* enum spawn_order */
    uint32_t slot;
    uint64_t number;
    int32_t pid;
    int32_t status;     /* as wait(2) has it */
    uint32_t idle;      /* not 0: the spawner has ended it, since nothing went over its socket */
    uint32_t maxrss_kb; /* the most memory that it, or a child it has waited for, has had */
    uint64_t cpu_us;    /* of it and of those */
};

#endif
