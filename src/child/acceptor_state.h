/* SPDX-License-Identifier: MIT */
/* What the files of the acceptor know of it.  All functions: the acceptor's thread. */
#ifndef TCPD_CHILD_ACCEPTOR_STATE_H
#define TCPD_CHILD_ACCEPTOR_STATE_H

#include "child/acceptor.h"
#include "child/admission.h"
#include "child/beat.h"

/* One listening socket as this child sees it. */
struct door {
    struct watch watch;
    struct acceptor *acceptor;
    const struct listener *listener;
    int flags;                /* of accept4(2) */
    bool gives_listener;      /* what its program takes is the listening socket itself */
    bool open;                /* in the poll set */
    unsigned burst;           /* how many are accepted in a turn: see door_ready */
    unsigned full;            /* bursts in a row that were full */
    enum last_call last_call; /* who is meant gets in, and then it is shut */
    unsigned queued;          /* LAST_CALL_QUEUED: how many may still come in */
    bool shut;                /* for good */
};

struct acceptor {
    struct acceptor_setup setup;
    struct loop *loop;
    struct thread_slot *slot;
    struct child_score *score;
    struct beat beat;
    struct door *doors;
    struct watch room; /* scoreboard->room */
    struct timer retry;
    struct timer lateness; /* see wait_for_lateness */
    uint64_t kick_after;   /* ns until a queue of silent peers is taken */
    uint64_t complained;   /* when running out was last logged */
    struct admission admission;
    bool stopping;
    struct timer tick; /* of the last call */
    unsigned ticks;
    unsigned shut_count; /* doors */
};

/* Takes it out of the poll set. */
void door_close(struct door *door);

/* last_call.c: the end of a door */

/* What door_ready has accepted may have been the last: then the door is shut. */
bool last_call_was_answered(struct door *door, unsigned accepted, bool nobody_there);

/* Closes the socket in this process, for good. */
void last_call_shut(struct door *door);

#endif
