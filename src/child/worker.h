/* SPDX-License-Identifier: MIT */
/*
 * A worker: one thread of the pool, with its event loop, its queue and the
 * connections that it owns.
 */
#ifndef TCPD_CHILD_WORKER_H
#define TCPD_CHILD_WORKER_H

#include "base/error.h"
#include "base/scoreboard.h"
#include "child/admission.h"
#include "child/beat.h"
#include "child/inquiry.h"
#include "child/queue.h"
#include "conn/conn.h"
#include "io/loop.h"

#include <pthread.h>
#include <stdbool.h>

/* For worker_drain: connections are left to end by themselves. */
#define WORKER_NEVER_CUT UINT64_MAX

/* What all workers of a child and its acceptor know. */
struct pool_shared {
    const struct listener *listeners;
    const struct service *const *services; /* by index */
    unsigned service_count;
    const struct board *board;
    unsigned child; /* its index in the generation */
    bool access_log;
    struct house house;    /* what admission asks about */
    uint64_t beat_every;   /* ns: each thread gives a sign of life so often; 0: never */
    const int *spawner;    /* channels to it, by worker; NULL: there is none */
    struct loop *acceptor; /* woken when a worker has left its loop */
};

struct worker {
    const struct pool_shared *shared;
    unsigned index;
    pthread_t thread;
    struct queue queue;
    struct loop loop;
    struct conn_set set;
    struct beat beat;
    struct admission admission; /* of clients behind proxies */
    struct inbox inbox;
    unsigned load;      /* atomic: connections given to it and not yet closed */
    uint64_t cut_at;    /* atomic: when the drain that was ordered is over; 0: none was */
    bool left;          /* atomic: its loop has ended */
    uint64_t draining;  /* the worker's own: cut_at as it knows it */
    struct timer drain; /* the worker's own */
    struct timer kick;  /* the acceptor's: see acceptor.c */
};

/* Makes everything but the thread.  On -1 nothing is left to free. */
int worker_init(struct worker *worker, const struct pool_shared *shared, unsigned index,
                unsigned queue_size, struct error *error);

/* Starts the thread, with all signals blocked. */
int worker_start(struct worker *worker, struct error *error);

/* Tells it to leave once its connections have ended, and to cut those that are left at `cut_at`;
 * again: to do that earlier. */
void worker_drain(struct worker *worker, uint64_t cut_at);

/* Waits for the thread, which has left its loop. */
void worker_join(struct worker *worker);

/* Frees what worker_init made. */
void worker_fini(struct worker *worker);

#endif
