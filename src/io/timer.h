/* SPDX-License-Identifier: MIT */
/*
 * Time-outs of few different durations and many owners: one FIFO for each
 * duration, so that starting, touching and stopping cost O(1).  The oldest
 * stands in front; only it is looked at.
 *
 * A touched timer goes to the back at most every 64th part of its duration:
 * most touches are one comparison.  For that a time-out comes up to 1/64 late,
 * never early.  All functions: the thread that owns the loop.
 */
#ifndef TCPD_IO_TIMER_H
#define TCPD_IO_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#define TIMER_NEVER UINT64_MAX
#define TIMER_BURST 64 /* of one FIFO that expire in a turn */

struct fifo;

/* Lives in its owner, all zero at first. */
struct timer {
    struct timer *prev, *next;
    struct fifo *fifo; /* NULL: not running */
    uint64_t since; /* when it was started or last moved to the back; not running: last touched */
};

struct fifo {
    struct timer ends; /* next: the oldest, prev: the youngest */
    uint64_t duration, slack;
    void (*expired)(struct timer *timer, uint64_t now);
    struct timers *timers;
    struct fifo *next;
};

/* The FIFOs of one loop. */
struct timers {
    struct fifo *fifos;
    uint64_t next; /* no timer expires before this moment */
};

void timers_init(struct timers *timers);
/* Frees the FIFOs; timers that still run are forgotten. */
void timers_fini(struct timers *timers);

/* The FIFO for a duration (ns, not 0) and a callback, made when there is none yet; NULL: no memory.
 */
struct fifo *timers_fifo(struct timers *timers, uint64_t duration,
                         void (*expired)(struct timer *timer, uint64_t now));

/*
 * Calls `expired` for each timer whose time is up, at most TIMER_BURST of each FIFO, so that
 * thousands who came together and go together keep nobody waiting; `next` tells whether there are
 * more.  It is stopped before.
 */
void timers_run(struct timers *timers, uint64_t now);

/*
 * A timer that was stopped may leave a moment behind at which nothing is due; this finds the next
 * one at which something is, so that a loop which rests is not woken in vain.
 */
void timers_tidy(struct timers *timers);

/* Starts, or starts again in another FIFO.  With fifo NULL: stops. */
void timer_start(struct timer *timer, struct fifo *fifo, uint64_t now);
void timer_stop(struct timer *timer);

void timer_move_back(struct timer *timer, uint64_t now);

/* Something happened: the time-out counts from now on.  A stopped timer stays so. */
static inline void timer_touch(struct timer *timer, uint64_t now)
{
    if (!timer->fifo)
        timer->since = now;
    else if (now - timer->since >= timer->fifo->slack)
        timer_move_back(timer, now);
}

#endif
