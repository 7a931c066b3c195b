/* SPDX-License-Identifier: MIT */
/* The life of a child: pool and acceptor, orders from the master, the end. */
#ifndef TCPD_CHILD_CHILD_H
#define TCPD_CHILD_CHILD_H

#include "base/scoreboard.h"
#include "conf/conf.h"
#include "conn/listener.h"

#include <stdint.h>

/*
 * What goes over the channel, a SOCK_SEQPACKET socket pair, in either
 * direction.  After an upgrade the two ends may be of different builds: what
 * one does not know it ignores, and new orders go to the end.
 */
enum order {
    CHILD_READY,   /* child to master: it accepts */
    CHILD_DRAIN,   /* master to child: accept no more, leave when all connections have ended; value:
                      ns to cut them after; it may come again with less */
    CHILD_SHUT,    /* master to child: close the doors that are marked in board->last_calls */
    CHILD_LOG,     /* master to child: value is the log's new level */
    CHILD_STOPPED, /* child to master, draining: it accepts no more */
    CHILD_LIST,    /* master to child: its connections; value: those of the service whose id in the
                      scoreboard is one less, 0: of all.  With a memfd, open for appending, for a
                      struct conn_record each */
    CHILD_KILL,    /* master to child: close the connection whose number is value */
    CHILD_DONE, /* child to master: request is what it was in CHILD_LIST or CHILD_KILL; value: how
                   many were listed, or closed */
    /* The spawner has such a channel too, and says CHILD_READY and obeys CHILD_LOG as well. */
    SPAWNER_LINK,         /* master to spawner: the channel of a worker, of the child in value */
    SPAWNER_LEAVE,        /* master to spawner: end what still runs, and leave */
    SPAWNER_KILL,         /* … and at once */
    SPAWNER_ORPHAN_ENDED, /* master to spawner: a program that a spawner before has started; value:
                             its pid and, from bit 32 on, its status; request: its CPU time in µs;
                             spare: the most memory in KiB */
    SPAWNER_ORPHAN_GONE,  /* … that has ended, and nobody knows how; value: its pid */
    SPAWNER_CHECK_ORPHAN, /* spawner to master: is such a one, value: its pid, still there? */
    SPAWNER_END_ORPHAN,   /* spawner to master: end such a one, value: its pid; request: ns between
                             SIGTERM and SIGKILL */
};

struct message {
    uint64_t order; /* enum order */
    uint64_t value;
    uint64_t request; /* of the master's, to tell answers apart */
    uint64_t spare;
};

struct child_setup {
    const struct conf *conf;
    const struct listener *listeners;
    unsigned listener_count;
    const struct board *board;
    unsigned index;       /* in the generation */
    uint32_t connections; /* the daemon's limit, as far as descriptors go */
    uint32_t machine;     /* connections for which there are descriptors */
    uint64_t beat_every;  /* ns between its threads' signs of life; 0: none */
    int channel;          /* to the master; owned by the child */
    const int *spawner;   /* to the spawner, by worker; NULL: there is none */
};

/*
 * Runs in a process that was just forked and has closed what is not its own.
 * Returns the exit status when the child has drained, or could not start.
 * When the master goes away, so does the child, after a drain.  Signals stay blocked as the
 * master has them: they are its to answer, and a Ctrl-C goes to the whole process group.
 */
int child_run(const struct child_setup *setup);

#endif
