/* SPDX-License-Identifier: MIT */
/*
 * One connection as its segments tell it: the state of each end, what was sent
 * again, what was acknowledged twice, and the sums.  Pure: segments in, events out.
 *
 * A capture tells when a segment was sent, not when it arrived.  So an end enters a state
 * when it sends something, or acknowledges what takes it there (SYN, FIN); and what
 * nobody ever acknowledges, an acknowledgement, is taken to arrive at once, together with all
 * that its sender had sent before it.
 */
#ifndef TCPD_TCPC_FLOW_H
#define TCPD_TCPC_FLOW_H

#include "tcpc/segment.h"
#include "tcpc/state.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum side { FLOW_CLIENT, FLOW_SERVER };

enum flow_mark {
    FLOW_RETRANSMISSION = 0x01,
    FLOW_OUT_OF_ORDER = 0x02, /* overtaken on the way: comes too soon to have been sent again */
    FLOW_DUPLICATE_ACK = 0x04,
    FLOW_ZERO_WINDOW = 0x08,
    FLOW_WINDOW_OPENS = 0x10,
    FLOW_WINDOW_PROBE = 0x20,
    FLOW_KEEP_ALIVE = 0x40,
};

#define FLOW_MARKS 7 /* kinds of them: the bits from 0 on */

#define FLOW_ENTERED_MAX 3 /* states that one segment can take an end through */
#define FLOW_HOLES_MAX   16

/* Sequence numbers that were passed over. */
struct flow_hole {
    uint32_t from, to;
    uint64_t time; /* when it was torn */
};

struct flow_end {
    enum state state;
    bool seen;        /* it has sent something that has a number: isn and top are known */
    uint32_t isn;     /* the number of its SYN */
    uint32_t top;     /* one beyond the highest number it has sent */
    bool finished;    /* it has sent FIN, */
    uint32_t fin_end; /* and this is one beyond the FIN's number */
    bool got_fin;     /* it has the other end's FIN */
    bool acks;        /* it has acknowledged something: ack and window are known */
    uint32_t ack;     /* the highest number it has acknowledged */
    uint16_t window;
    unsigned repeated;        /* duplicate ACKs in a row */
    uint64_t segments, bytes; /* sent; bytes that were sent again count once */
    uint64_t retransmits, duplicate_acks;
    size_t hole_count;
    struct flow_hole holes[FLOW_HOLES_MAX];
};

enum flow_first {
    FLOW_NOBODY,
    FLOW_BY_CLIENT,
    FLOW_BY_SERVER,
    FLOW_BY_BOTH, /* each sent its FIN before it had the other's */
};

struct flow {
    struct flow_end ends[2]; /* by enum side */
    enum flow_first first;   /* to send FIN */
    bool reset;              /* and by whom, if two of them did, first: */
    enum side reset_by;
    bool syn, established;
    uint64_t syn_time, established_time; /* of the client */
};

/* What one segment did. */
struct flow_event {
    uint64_t time;
    enum side from;
    uint8_t flags;
    uint32_t seq, ack;           /* as on the wire, */
    uint32_t seq_zero, ack_zero; /* less these they are relative */
    uint32_t length;
    unsigned marks;    /* enum flow_mark */
    unsigned repeated; /* of a duplicate ACK: its number in the row, from 1 */
    size_t entered_count[2];
    enum state entered[2][FLOW_ENTERED_MAX]; /* by each side, in this order */
};

/* Takes the next segment, which was sent by `from`, into account.  A zeroed flow is a new one. */
void flow_feed(struct flow *flow, enum side from, const struct segment *segment,
               struct flow_event *event);

/* Whether nothing more is to be expected: both ends are in CLOSED or TIME_WAIT. */
bool flow_over(const struct flow *flow);

#endif
