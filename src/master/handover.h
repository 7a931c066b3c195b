/* SPDX-License-Identifier: MIT */
/*
 * What one binary tells the next at an upgrade: a memfd with a line of JSON,
 * and behind it the snapshot of the running configuration.  HANDOVER_VARIABLE
 * in the environment has its number.  The master's only thread.
 */
#ifndef TCPD_MASTER_HANDOVER_H
#define TCPD_MASTER_HANDOVER_H

#include "master/state.h"

#include <stdbool.h>

#define HANDOVER_VARIABLE "TCPD_HANDOVER"

/* Goes up when an heir could not read what an older binary writes. */
#define HANDOVER_VERSION 1

/* Writes it.  Returns a descriptor, close-on-exec, or -1. */
int handover_write(struct master *master, struct error *error);

/* Of every descriptor that is handed over: whether it stays open over execve(2). */
void handover_inherit(const struct master *master, int handover, bool yes);

/* A hand-over as it was read. */
struct handed {
    json_t *state; /* owned */
    struct conf *conf;
};

/*
 * Reads one, with the overrides of these options.  On -1 nothing is left to free; else
 * handed->conf is the caller's, and handover_read_fini frees the rest.
 */
int handover_read(struct handed *handed, int fd, const struct master_options *options,
                  struct error *error);
void handover_read_fini(struct handed *handed);

/* Makes the master what it says: all but the configuration.  -1: nobody can go on from here. */
int handover_adopt(struct master *master, const struct handed *handed, struct error *error);

#endif
