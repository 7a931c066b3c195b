/* SPDX-License-Identifier: MIT */
/*
 * Whether a client may come in: the access lists of the service, then the limits for its address,
 * of the daemon and of the service.  Those are judged and counted together: one that
 * refuses leaves the other untouched.
 *
 * The acceptor asks about whom it has accepted; behind proxies the worker asks, when the
 * header has told who the client is.
 */
#ifndef TCPD_CHILD_ADMISSION_H
#define TCPD_CHILD_ADMISSION_H

#include "base/reason.h"
#include "base/scoreboard.h"
#include "child/rejects.h"
#include "conn/service.h"

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
    uint64_t now; /* clock_now() */
};

/*
 * Counts a client in, or counts and logs that it is refused; what is only on trial is noted and
 * does not refuse.  The connection is the caller's.
 */
bool admission_ask(struct admission *admission, const struct newcomer *newcomer);

/* Counts and logs a refusal that somebody else has decided. */
void admission_refuse(struct admission *admission, const struct newcomer *newcomer,
                      enum reject_reason reason);

/* Whether the service's lists keep it out, trial or not. */
bool admission_is_barred(const struct newcomer *newcomer);

/* A client that was counted in has gone.  Any thread of the child. */
void admission_give(const struct pool_shared *shared, const struct service *service,
                    const struct addr *peer);

#endif
