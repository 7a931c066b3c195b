/* SPDX-License-Identifier: MIT */
#include "io/timer.h"

#include <stdlib.h>

void timers_init(struct timers *timers)
{
    *timers = (struct timers){.next = TIMER_NEVER};
}

void timers_fini(struct timers *timers)
{
    while (timers->fifos) {
        struct fifo *fifo = timers->fifos;
        timers->fifos = fifo->next;
        free(fifo);
    }
}

static struct fifo *fifo_new(struct timers *timers, uint64_t duration,
                             void (*expired)(struct timer *, uint64_t))
{
    struct fifo *fifo = malloc(sizeof *fifo);
    if (!fifo)
        return NULL;
    *fifo = (struct fifo){.duration = duration,
                          .slack = duration / 64,
                          .expired = expired,
                          .timers = timers,
                          .next = timers->fifos};
    fifo->ends.prev = fifo->ends.next = &fifo->ends;
    timers->fifos = fifo;
    return fifo;
}

struct fifo *timers_fifo(struct timers *timers, uint64_t duration,
                         void (*expired)(struct timer *, uint64_t))
{
    for (struct fifo *fifo = timers->fifos; fifo; fifo = fifo->next)
        if (fifo->duration == duration && fifo->expired == expired)
            return fifo;
    return fifo_new(timers, duration, expired);
}

static uint64_t due(const struct fifo *fifo, const struct timer *timer)
{
    uint64_t wait = fifo->duration + fifo->slack;
    return timer->since > TIMER_NEVER - wait ? TIMER_NEVER : timer->since + wait;
}

static void append(struct timer *timer, struct fifo *fifo, uint64_t now)
{
    timer->since = now;
    timer->fifo = fifo;
    timer->prev = fifo->ends.prev;
    timer->next = &fifo->ends;
    timer->prev->next = timer;
    fifo->ends.prev = timer;
}

static void detach(struct timer *timer)
{
    timer->prev->next = timer->next;
    timer->next->prev = timer->prev;
}

void timer_stop(struct timer *timer)
{
    if (!timer->fifo)
        return;
    detach(timer);
    timer->fifo = NULL;
}

void timer_start(struct timer *timer, struct fifo *fifo, uint64_t now)
{
    timer_stop(timer);
    if (!fifo)
        return;
    append(timer, fifo, now);
    if (due(fifo, timer) < fifo->timers->next)
        fifo->timers->next = due(fifo, timer);
}

void timer_move_back(struct timer *timer, uint64_t now)
{
    detach(timer);
    append(timer, timer->fifo, now);
}

/* Returns when the next of this FIFO is due: at once, when more were due than may be run. */
static uint64_t run_fifo(struct fifo *fifo, uint64_t now)
{
    struct timer *oldest = fifo->ends.next;
    for (unsigned run = 0; run < TIMER_BURST; run++) {
        if (oldest == &fifo->ends || due(fifo, oldest) > now)
            break;
        timer_stop(oldest);
        fifo->expired(oldest, now);
        oldest = fifo->ends.next;
    }
    return oldest == &fifo->ends ? TIMER_NEVER : due(fifo, oldest);
}

void timers_tidy(struct timers *timers)
{
    timers->next = TIMER_NEVER;
    for (struct fifo *fifo = timers->fifos; fifo; fifo = fifo->next)
        if (fifo->ends.next != &fifo->ends && due(fifo, fifo->ends.next) < timers->next)
            timers->next = due(fifo, fifo->ends.next);
}

void timers_run(struct timers *timers, uint64_t now)
{
    if (now < timers->next)
        return;
    timers->next = TIMER_NEVER;
    for (struct fifo *fifo = timers->fifos; fifo; fifo = fifo->next) {
        uint64_t next = run_fifo(fifo, now);
        if (next < timers->next)
            timers->next = next;
    }
}
