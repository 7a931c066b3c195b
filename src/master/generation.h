/* SPDX-License-Identifier: MIT */
/*
 * A generation: the set of children forked from a master that has read one
 * configuration.  A child that dies is replaced, with a back-off when it dies
 * young, until the generation is told to drain.
 *
 * All functions: the master's only thread.
 */
#ifndef TCPD_MASTER_GENERATION_H
#define TCPD_MASTER_GENERATION_H

#include "base/error.h"
#include "base/scoreboard.h"
#include "conf/conf.h"
#include "io/loop.h"
#include "master/listeners.h"

#include <stdbool.h>
#include <sys/types.h>

struct generation;

enum child_state { CHILD_ABSENT, CHILD_STARTING, CHILD_SERVING };

/* The master's view of one child.  What it is depends on its place; the process in it may change.
 */
struct child_slot {
    struct generation *generation;
    unsigned index; /* in the scoreboard */
    enum child_state state;
    pid_t pid;
    struct watch process;  /* a pidfd */
    struct watch channel;  /* to the child */
    uint64_t born;         /* clock_now() */
    unsigned early_deaths; /* in a row */
    struct timer restart;
};

struct generation {
    unsigned number;
    struct conf *conf;
    const struct listeners *listeners;
    struct loop *loop;
    const struct scoreboard *scoreboard;
    struct board *board;  /* its part of the scoreboard */
    uint32_t connections; /* the daemon's limit, as far as descriptors go */
    struct child_slot *children;
    unsigned count;
    uint64_t lost; /* connections that dead children held */
    bool draining;
    bool killed; /* by generation_kill: a death by SIGKILL is in order */
    bool was_ready;

    void *owner;
    void (*ready)(struct generation *generation);  /* all children serve, for the first time */
    void (*failed)(struct generation *generation); /* one died before that */
    void (*ended)(struct generation *generation);  /* draining, and the last child has gone */
};

/*
 * Makes its board and forks the children.  The members up to `connections`, but for the
 * board, and the callbacks are set before.  Callbacks come from the loop.
 */
int generation_start(struct generation *generation, struct error *error);

/*
 * After SIGCHLD: sees which children have ended and does what follows.  A pid is ours until we
 * have waited for it, so it can stand for the process as safely as a pidfd.
 */
void generation_reap(struct generation *generation);

/* Tells every child to accept no more and to leave; at the latest after `duration` ns (0: when it
 * has ended its work). */
void generation_drain(struct generation *generation, uint64_t duration);

/* Ends every child at once. */
void generation_kill(struct generation *generation);

/* Frees everything; no child is left. */
void generation_fini(struct generation *generation);

#endif
