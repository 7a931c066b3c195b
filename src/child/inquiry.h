/* SPDX-License-Identifier: MIT */
/*
 * What only a child knows: its connections.  The master asks over the channel;
 * each worker has a part in the answer, and does it in slices between its turns.
 *
 *   acceptor:  desk_ask ──► an inbox for each worker           desk_settle ──► CHILD_DONE
 *   worker:                 inbox_serve, slice after slice ──► (the last part) wakes the acceptor
 *
 * The acceptor owns the inquiries and is the only one to write to the channel.  A part belongs to
 * its worker from when it is in the inbox until it is done.
 */
#ifndef TCPD_CHILD_INQUIRY_H
#define TCPD_CHILD_INQUIRY_H

#include "child/child.h"

struct inquiry;
struct part;
struct worker;

/* Of one worker. */
struct inbox {
    struct part *arrived; /* atomic: the latest first; the acceptor puts, the worker takes all */
    struct part *first;   /* the worker's own: what it is at, and then the next ones */
};

/* Does one slice of what is asked, and sees to another turn while there is more.  The worker. */
void inbox_serve(struct worker *worker);

/* The acceptor's. */
struct desk {
    struct worker *workers;
    unsigned worker_count;
    int channel;           /* to the master; not the desk's */
    struct inquiry *first; /* those under way */
    unsigned count;
};

/*
 * Takes CHILD_LIST or CHILD_KILL to the workers.  The descriptor is the desk's from now on, or -1.
 * One for which there is no memory, or too many others are under way, gets no answer.
 */
void desk_ask(struct desk *desk, const struct message *message, int descriptor);

/* Answers and forgets what all workers have done their part of, those that have left included. */
void desk_settle(struct desk *desk);

/* Forgets all; every worker has been joined. */
void desk_close(struct desk *desk);

#endif
