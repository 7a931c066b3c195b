/* SPDX-License-Identifier: MIT */
/*
 * A generation: the set of children forked from a master that has read one
 * configuration.
 *
 *   starting ──all are ready──► serving ──drain──► draining ──► over
 *      └────────one died, or took too long───────► draining ──► over
 *
 * A child that dies is replaced, with a back-off when it dies young, as long as
 * its generation serves.  A draining one goes on until its last child has left.  Where a service
 * runs programs there is a spawner too, which is ready before the generation is, is replaced
 * while there are children, and leaves after them.
 *
 * All functions: the master's only thread.
 */
#ifndef TCPD_MASTER_GENERATION_H
#define TCPD_MASTER_GENERATION_H

#include "base/error.h"
#include "base/scoreboard.h"
#include "child/child.h"
#include "conf/conf.h"
#include "io/loop.h"
#include "master/sockets.h"

#include <stdbool.h>
#include <sys/types.h>

struct generation;

enum child_state { CHILD_ABSENT, CHILD_STARTING, CHILD_SERVING };

/*
 * The master's view of one child, or of the spawner.  What it is depends on its place; the process
 * in it may change.
 */
struct child_slot {
    struct generation *generation;
    unsigned index; /* in the generation; of the spawner: behind all children */
    bool spawns;    /* it is the spawner */
    enum child_state state;
    pid_t pid;
    struct watch channel;  /* to the child; fd -1: it is absent */
    uint64_t born;         /* clock_now() */
    unsigned early_deaths; /* in a row */
    struct timer timer;    /* absent: until it starts again; starting: until it is too late */
    bool late;             /* ended because it was not ready in time */
    bool accepts;          /* it has not said that it accepts no more */
    int *links; /* of a child: the spawner's ends of its workers' channels, owned; or NULL */
};

enum generation_state {
    GENERATION_STARTING,
    GENERATION_SERVING,
    GENERATION_DRAINING,
    GENERATION_OVER
};

/* What a generation tells its owner.  Called from the loop; the generation is freed later. */
struct generation_events {
    void (*ready)(struct generation *generation);  /* all children serve, for the first time */
    void (*failed)(struct generation *generation); /* `why` says it; its children are ended */
    void (*closed)(struct generation *generation); /* draining, and no child accepts any more */
    void (*over)(struct generation *generation);   /* draining, and the last child has gone */
    void (*answer)(struct child_slot *child, const struct message *message);
    void (*child_gone)(struct child_slot *child); /* it is absent now */
    void (*spawner_ready)(struct child_slot *spawner);
};

struct generation {
    unsigned number;
    enum generation_state state;
    struct conf *conf; /* owned; NULL: of another binary, nothing new can be forked from it */
    struct listeners listeners; /* owned */
    struct loop *loop;
    const struct scoreboard *scoreboard;
    struct board *board;         /* its part of the scoreboard */
    uint32_t connections;        /* the daemon's limit, as far as descriptors go */
    uint32_t machine;            /* connections for which there are descriptors */
    uint64_t beat_every;         /* ns between signs of life; 0: none */
    struct child_slot *children; /* and behind them the spawner's */
    unsigned count;
    struct child_slot *spawner; /* among them; NULL: no service runs programs */
    uint64_t born;              /* clock_now() */
    bool killed;                /* by generation_kill: a death by SIGKILL is in order */
    struct error why;
    struct timer deadline; /* of the drain */
    uint64_t cut_at;       /* clock_now() when the drain is over; 0: no such moment */
    void *owner;
    const struct generation_events *events;
    struct generation *next; /* in the owner's list */
};

/*
 * Makes a generation, which owns conf and listeners from then on, with its board; no child is
 * there yet.  The members after `board` and up to beat_every, owner and events are for the caller
 * to set.  On NULL conf and listeners remain the caller's.
 */
struct generation *generation_new(unsigned number, struct conf *conf, struct listeners *listeners,
                                  const struct scoreboard *scoreboard, struct loop *loop,
                                  struct error *error);

/* Forks the children.  What goes wrong is told by `failed`. */
void generation_start(struct generation *generation);

/*
 * After SIGCHLD: sees which children have ended and does what follows.  A pid is ours until we
 * have waited for it, so it can stand for the process as safely as a pidfd.
 */
void generation_reap(struct generation *generation);

/*
 * Tells every child to accept no more and to leave; connections are cut after `duration` ns (0:
 * never). May be called again, with less.  Who is queued at a listener that is marked in
 * board->last_calls is accepted before.
 */
void generation_drain(struct generation *generation, uint64_t duration);

/* Sends the same order to every child, and to the spawner. */
void generation_tell(struct generation *generation, const struct message *message);

/* Ends every child at once. */
void generation_kill(struct generation *generation);

/* Ends one child, or the spawner, which will be replaced. */
void generation_kill_child(const struct child_slot *child);

/* Whether any of its children is there, the spawner not counted. */
bool generation_has_children(const struct generation *generation);

/* Connections that it holds now. */
uint32_t generation_open(const struct generation *generation);

/* Frees everything; no child is left. */
void generation_free(struct generation *generation);

/* After an upgrade: a child that is there already.  Its channel is owned from then on. */
int generation_adopt_child(struct generation *generation, unsigned index, pid_t pid, int channel,
                           enum child_state state, bool accepts);

#endif
