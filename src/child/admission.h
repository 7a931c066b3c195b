/* SPDX-License-Identifier: MIT */
/*
 * Admission: asks for the verdict on a client (verdict.h), takes what was granted, and counts and
 * logs what was refused.
 *
 * The acceptor asks at the door, and about whom it has accepted; behind proxies the worker asks,
 * when the header has told who the client is.
 */
#ifndef TCPD_CHILD_ADMISSION_H
#define TCPD_CHILD_ADMISSION_H

#include "base/scoreboard.h"
#include "child/rejects.h"
#include "child/verdict.h"

#include <stdbool.h>

struct pool_shared;

/* One thread that asks: the writer of its slot. */
struct admission {
    const struct pool_shared *shared;
    struct thread_slot *slot;
    struct rejects rejects, trials;
};

/* A client on the connection `fd`. */
struct newcomer {
    const struct service *service;
    int fd;
    const struct addr *peer;
    const struct addr *via; /* the proxy that has told of the peer; NULL: it is itself there */
    uint64_t now;           /* clock_now() */
    struct verdict at_door; /* admitted or refused */
};

/*
 * For a connection to come: when it is admitted a place is taken for it, which is to be settled as
 * soon as it is known whether somebody comes in.
 */
struct verdict admission_open(const struct admission *admission, const struct service *service,
                              const struct room *room, uint64_t now);

/* That place has its connection; or is given back, since nobody was there, or was let in. */
void admission_settle(const struct pool_shared *shared, const struct service *service,
                      bool comes_in);

/* A place is given back whose connection has not come to its service.  Any thread of the child. */
void admission_close(const struct pool_shared *shared, const struct service *service);

/*
 * Counts a client in, or counts and logs that it is refused; what is only on trial is noted and
 * does not refuse.  The connection is the caller's.
 */
bool admission_ask(struct admission *admission, const struct newcomer *newcomer);

/* The same about one of whom nothing is known before its header has come: the door decides. */
bool admission_defer(struct admission *admission, const struct newcomer *newcomer);

/* A client that was counted in has gone.  Any thread of the child. */
void admission_give(const struct pool_shared *shared, const struct service *service,
                    const struct addr *peer);

#endif
