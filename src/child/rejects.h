/* SPDX-License-Identifier: MIT */
/*
 * Lines about connections that were not taken, or would not have been but for a trial: a few a
 * second, and how many were left out.
 */
#ifndef TCPD_CHILD_REJECTS_H
#define TCPD_CHILD_REJECTS_H

#include "base/reason.h"
#include "io/addr.h"

#include <stdint.h>

/* All zero at first.  Of one thread. */
struct rejects {
    uint64_t since;    /* begin of this second, clock_now() */
    unsigned logged;   /* in it */
    unsigned left_out; /* since the last line */
};

/*
 * Logs that the connection `fd` of a peer is rejected, or counts it as left out.  event:
 * "rejected", or "would_reject" on trial.
 */
void rejects_log(struct rejects *rejects, uint64_t now, const char *event, const char *service,
                 int fd, const struct addr *peer, enum reject_reason reason);

#endif
