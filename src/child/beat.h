/* SPDX-License-Identifier: MIT */
/*
 * Signs of life: a thread that should notice when it hangs writes the time into
 * its slot of the scoreboard, so often.  Without pool.hang_timeout there are
 * none, and a daemon at rest stays silent.
 */
#ifndef TCPD_CHILD_BEAT_H
#define TCPD_CHILD_BEAT_H

#include "base/scoreboard.h"
#include "io/loop.h"

struct beat {
    struct loop *loop;
    uint64_t *shown; /* in the scoreboard: clock_now() of the last; 0: there are none */
    struct timer timer;
    uint64_t every;
};

/* Gives the first one now, and one each `every` ns; 0: none.  The thread that runs the loop. */
void beat_start(struct beat *beat, struct loop *loop, uint64_t *shown, uint64_t every);

#endif
