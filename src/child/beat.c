/* SPDX-License-Identifier: MIT */
#include "child/beat.h"

#include "base/clock.h"
#include "base/container.h"

static void beat_due(struct timer *timer, uint64_t now)
{
    struct beat *beat = container_of(timer, struct beat, timer);
    counter_set(beat->shown, now);
    timer_start(timer, timers_fifo(&beat->loop->timers, beat->every, beat_due), now);
}

void beat_start(struct beat *beat, struct loop *loop, uint64_t *shown, uint64_t every)
{
    uint64_t now = clock_now();
    *beat = (struct beat){.loop = loop, .shown = shown, .every = every};
    counter_set(shown, every ? now : 0);
    if (every)
        beat_due(&beat->timer, now);
}
