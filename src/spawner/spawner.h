/* SPDX-License-Identifier: MIT */
/*
 * The spawner: a small single-threaded process of a generation that starts the programs of its
 * exec services.  It holds no listener, and parses no byte from a peer.  Workers pass it accepted
 * sockets (conn/spawn.h); whom a program is to be, and what it is, stands in the configuration.
 */
#ifndef TCPD_SPAWNER_SPAWNER_H
#define TCPD_SPAWNER_SPAWNER_H

#include "conf/conf.h"
#include "conn/listener.h"

/* The channel of a worker. */
struct spawner_link {
    int fd;
    unsigned child; /* its index in the generation */
};

struct spawner_setup {
    const struct conf *conf;
    const struct listener *listeners; /* for their addresses: the descriptors are not here */
    unsigned listener_count;
    unsigned generation;
    uint64_t *beat;      /* where its signs of life are shown */
    uint64_t beat_every; /* ns between them; 0: none */
    int channel;         /* to the master; see child/child.h */
    /* Of workers that are there already, because this one replaces a spawner that has died. */
    const struct spawner_link *links;
    unsigned link_count;
};

/*
 * Runs in a process that was just forked and has closed what is not its own.  Returns the exit
 * status: when the master has told it to leave or has gone away, and all is done.
 */
int spawner_run(const struct spawner_setup *setup);

#endif
