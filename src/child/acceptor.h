/* SPDX-License-Identifier: MIT */
/*
 * The acceptor: the child's main thread. It accepts, admits, and hands over to
 * the workers; when there is no room it leaves new connections where they are,
 * in the kernel's queue.
 */
#ifndef TCPD_CHILD_ACCEPTOR_H
#define TCPD_CHILD_ACCEPTOR_H

#include "base/error.h"
#include "child/worker.h"
#include "conf/conf.h"
#include "io/loop.h"

struct acceptor;

struct acceptor_setup {
    const struct pool_shared *shared;
    unsigned listener_count;
    struct worker *workers;
    unsigned worker_count;
    bool exclusive; /* other children accept from the same sockets */

    void *owner;
    void (*stopped)(void *owner); /* see acceptor_stop */
};

/* Watches the listeners on `loop`, which is the caller's.  NULL on error. */
struct acceptor *acceptor_new(const struct acceptor_setup *setup, struct loop *loop,
                              struct error *error);
void acceptor_free(struct acceptor *acceptor);

/*
 * Closes, in this process, the listening sockets that the master has marked in
 * board->last_calls: nobody else will accept there, so whom the mark means is accepted first, as
 * far as there is room within a second.
 */
void acceptor_shut(struct acceptor *acceptor);

/*
 * As acceptor_shut, and closes all others at once: other children go on with them. Then
 * calls setup.stopped, which may be before this returns.
 */
void acceptor_stop(struct acceptor *acceptor);

/* While acceptor_stop is under way: who has only begun to connect is not waited for any more. */
void acceptor_hurry(struct acceptor *acceptor);

#endif
