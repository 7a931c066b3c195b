/* SPDX-License-Identifier: MIT */
/*
 * Lines about connections that were not taken, or would not have been but for a trial: a few a
 * second, and how many were left out.
 */
#ifndef TCPD_CHILD_REJECTS_H
#define TCPD_CHILD_REJECTS_H

#include "base/reason.h"

#include <stdint.h>

struct newcomer;

/* All zero at first.  Of one thread. */
struct rejects {
    uint64_t since;    /* begin of this second, clock_now() */
    unsigned logged;   /* in it */
    unsigned left_out; /* since the last line */
};

/* Logs that a newcomer is rejected, or counts it as left out.  event: "rejected", or "would_reject"
 * on trial. */
void rejects_log(struct rejects *rejects, const char *event, const struct newcomer *newcomer,
                 enum reject_reason reason);

#endif
