/* SPDX-License-Identifier: MIT */
/* What would become of a client that came now: asks what admission asks, and takes nothing. */
#ifndef TCPD_MASTER_EXPLAIN_H
#define TCPD_MASTER_EXPLAIN_H

#include "child/verdict.h"
#include "master/peer.h"
#include "master/state.h"

/* Who wants to come in, and where. */
struct explain_question {
    const struct generation *generation; /* with a configuration */
    const struct conf_service *service;
    const struct peer *client;
    const struct peer *proxy; /* which tells of the client; NULL: one that is trusted, if any */
};

struct explanation {
    struct house house;
    struct verdict verdict;
    const char *closed;          /* nobody accepts there: why; NULL: somebody does */
    struct access_verdict lists; /* what the access lists say; by nothing when there are none */
    struct demands demands;      /* as they are counted, those on trial too */
    struct room room;            /* of the child process that has the most of it */
    unsigned children;           /* that accept */
    unsigned late;               /* of them: their workers are late, see limits.queue_delay */
    bool reachable;              /* the service listens for clients of this kind */
    uint64_t now;                /* clock_now() */
};

/* The master's only thread. */
void explain(const struct master *master, const struct explain_question *question,
             struct explanation *explanation);

/* For how long the first socket has waited in the queue that waits the least, ns. */
uint64_t explain_wait(const struct explanation *explanation);

#endif
