/* SPDX-License-Identifier: MIT */
/* What the kernel knows of a connection: TCP_INFO, see tcp(7). */
#ifndef TCPD_TCPC_KERNEL_H
#define TCPD_TCPC_KERNEL_H

#include "tcpc/state.h"
#include "tcpc/story.h"

#include <stdbool.h>
#include <stdint.h>

struct kernel {
    enum state state;                   /* CLOSED also once TIME_WAIT has begun */
    uint32_t rtt, rtt_variance;         /* smoothed, microseconds */
    uint32_t rtt_least;                 /* of all that were measured, microseconds */
    uint32_t retransmits;               /* of segments */
    uint64_t bytes_again;               /* in these */
    uint32_t segments_out, segments_in; /* with and without data, sent again or not */
    uint64_t bytes_out, bytes_in;       /* of data; each counts once, and the peer's FIN is one */
    uint64_t bytes_acknowledged;        /* of data */
    uint32_t segment_most;              /* bytes of data in a segment to the peer */
    uint32_t window;                    /* of congestion, in segments */
};

/* False, with everything 0: it is no TCP socket.  What an old kernel does not tell is 0. */
bool kernel_ask(int socket, struct kernel *kernel);

/* Tells what it knows at the end; nothing for a unix socket.  reset: the connection was. */
void kernel_tell(const struct story *story, int socket, bool reset);

#endif
