/* SPDX-License-Identifier: MIT */
/*
 * The connections that are held beside those that work: silent ones, which have spoken once, and
 * slow ones, of which each even one sends and each odd one reads a byte every five seconds.
 */
#ifndef TCPD_BENCH_CROWD_H
#define TCPD_BENCH_CROWD_H

#include "bench/peer.h"

#include <pthread.h>

struct crowd {
    const struct plan *plan;
    struct peer *peers; /* the slow ones first */
    unsigned count;     /* that are connected */
    pthread_t thread;   /* it moves the slow ones; has them for itself until it is joined */
    bool moving;
    bool stop, failed; /* written by crowd_end, and by the thread */
};

/* Connects all, and sets the slow ones in motion.  Returns -1 with a word on standard error. */
int crowd_begin(struct crowd *crowd, const struct plan *plan);

/* Closes all.  Returns -1 when one of them was treated wrongly. */
int crowd_end(struct crowd *crowd);

#endif
