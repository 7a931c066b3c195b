/* SPDX-License-Identifier: MIT */
/*
 * The locked queue between the acceptor and one worker.
 *
 * A socket is appended first and then offered to the worker's epoll set, so
 * that its first event is what wakes the worker: no second wake-up is needed. Between
 * those two steps the worker must not take it, for it might close it, and
 * the offer would go to another file of that number. Such an entry is
 * unsettled; there is at most one, the last, because there is one acceptor.
 * An event of its descriptor proves that the offer has been made.
 */
#ifndef TCPD_CHILD_QUEUE_H
#define TCPD_CHILD_QUEUE_H

#include "base/error.h"
#include "conn/conn.h"

#include <pthread.h>
#include <stdbool.h>

struct queue {
    pthread_mutex_t lock;
    struct handover *waiting; /* guarded by the lock */
    struct handover *taken;   /* the worker's; the two are swapped */
    unsigned size;            /* of both */
    unsigned count;           /* atomic, of waiting; written under the lock */
    int unsettled;            /* atomic: a descriptor, or -1; written by the acceptor */
    struct thread_slot *slot; /* the worker's: count, and since when, as others see it; likewise */
};

/* The slot must live as long as the queue. */
int queue_init(struct queue *queue, unsigned size, struct thread_slot *slot, struct error *error);
void queue_fini(struct queue *queue);

/* How many wait now.  Any thread. */
unsigned queue_length(const struct queue *queue);

/* When the one that has waited for the longest was accepted, clock_now(); 0: none waits.  Any
 * thread. */
uint64_t queue_since(const struct queue *queue);

/* Appends, unsettled, to a queue that is not full.  The acceptor. */
void queue_put(struct queue *queue, const struct handover *handover);

/* The socket last appended is in the epoll set.  The acceptor. */
void queue_settle(struct queue *queue);

/* The socket last appended could not be offered: takes it back.  The acceptor. */
void queue_cancel(struct queue *queue);

/*
 * Takes all that is settled, and `seen` (a descriptor that had an event, or
 * -1).  *batch is the worker's until the next call.  Returns how many.  The worker.
 */
unsigned queue_take(struct queue *queue, int seen, const struct handover **batch);

#endif
