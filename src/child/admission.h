/* SPDX-License-Identifier: MIT */
/*
 * Whether a client may come in, by its address and what the limits say of it.
 *
 * The limits of the daemon and those of the service are judged and counted together: one that
 * refuses leaves the other untouched.
 */
#ifndef TCPD_CHILD_ADMISSION_H
#define TCPD_CHILD_ADMISSION_H

#include "base/reason.h"
#include "child/worker.h"

#include <stdbool.h>

struct admission {
    bool refused;
    bool trial;                /* it would have been, if the limit that says so were enforced */
    enum reject_reason reason; /* of either */
};

/* Counts a client in, or says why not.  Acceptors. */
struct admission admission_take(const struct pool_shared *shared, const struct service *service,
                                const struct addr *peer, uint64_t now);

/* A client that was counted in has gone.  Any thread of the child. */
void admission_give(const struct pool_shared *shared, const struct service *service,
                    const struct addr *peer);

#endif
