/* SPDX-License-Identifier: MIT */
/*
 * One attempt to connect, as --trace follows it: by its segments (attempt.c),
 * or, where they cannot be captured, by the states that the kernel tells (attempt_kernel.c).
 */
#ifndef TCPD_TCPC_ATTEMPT_H
#define TCPD_TCPC_ATTEMPT_H

#include "io/addr.h"
#include "tcpc/canvas.h"
#include "tcpc/capture.h"
#include "tcpc/flow.h"
#include "tcpc/fold.h"
#include "tcpc/kernel.h"
#include "tcpc/summary.h"

#include <net/if.h>
#include <stdbool.h>

struct attempt;

/* What all attempts are drawn on. */
struct sheet {
    struct canvas *canvas; /* NULL: nothing is drawn, only captured */
    const struct story *story;
    uint64_t wall;               /* CLOCK_REALTIME when the story began */
    bool absolute;               /* sequence numbers as they are on the wire */
    const struct attempt *shown; /* whose heading was the last */
};

struct attempt {
    struct sheet *sheet;
    int socket; /* borrowed; -1: closed, and nobody is to ask it any more */
    struct addr local, peer;
    char interface[IF_NAMESIZE];
    uint64_t begun, closed;  /* clock_now(); closed: 0 while it is not */
    struct capture *capture; /* NULL: the kernel is asked */
    struct flow flow;        /* of what was captured */
    struct fold fold;
    uint64_t seen;        /* clock_now() when the last segment was taken */
    struct kernel kernel; /* what it said last */
    uint64_t established; /* clock_now() when it first said so */
    enum flow_first first;
    bool reset;
};

/* Time since the start of the story, from that of a capture. */
uint64_t sheet_time(const struct sheet *sheet, uint64_t wall);

/* --- by its segments --- */

/* Takes and draws the segments that have come.  Tells what is folded when it is time. */
void attempt_read(struct attempt *attempt);

/* Tells what is still folded. */
void attempt_flush(struct attempt *attempt);

/* Whether no segment is to be expected any more; for a closed attempt. */
bool attempt_over(const struct attempt *attempt);

void attempt_sum_up(struct attempt *attempt, struct summary *summary);

/* --- by what the kernel tells --- */

/* Draws the state if it is another one than before. */
void attempt_ask(struct attempt *attempt);

/* Whether its state may change without an event at the socket. */
bool attempt_is_restless(const struct attempt *attempt);

/* A FIN is about to be sent: the state that this leads to may be gone before anybody can look. */
void attempt_ask_finishing(struct attempt *attempt);

/*
 * The last look before the socket is closed.  A connection that both sides have
 * finished gets a moment to show its last states.
 */
void attempt_ask_last(struct attempt *attempt, bool reset);

void attempt_kernel_sum_up(const struct attempt *attempt, struct summary *summary);

/* --- both --- */

/* Whether anything was sent at all. */
bool attempt_has_begun(const struct attempt *attempt);

/* Writes who the two are over the columns, if the rows before were about others. */
void attempt_head(struct attempt *attempt);

#endif
