/* SPDX-License-Identifier: MIT */
/* What the kernel knows of a connection: TCP_INFO, see tcp(7). */
#ifndef TCPD_TCPC_KERNEL_H
#define TCPD_TCPC_KERNEL_H

#include "tcpc/state.h"

#include <stdbool.h>
#include <stdint.h>

struct kernel {
    enum state state;                   /* CLOSED also once TIME_WAIT has begun */
    uint32_t rtt, rtt_variance;         /* smoothed, microseconds */
    uint32_t retransmits;               /* of segments */
    uint32_t segments_out, segments_in; /* with and without data, sent again or not */
    uint64_t bytes_out, bytes_in;       /* of data; each counts once */
};

/* False, with everything 0: it is no TCP socket.  What an old kernel does not tell is 0. */
bool kernel_ask(int socket, struct kernel *kernel);

#endif
