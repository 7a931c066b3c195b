/* SPDX-License-Identifier: MIT */
/*
 * Reading the scoreboard: what all threads of all generations, living and
 * ended, have counted.  No sum is ever lower than it was before.  Any thread, any process that has
 * the scoreboard.
 */
#ifndef TCPD_BASE_TALLY_H
#define TCPD_BASE_TALLY_H

#include "base/scoreboard.h"

/* The ids that have a name are below SCOREBOARD_SERVICES; false: this one has none. */
bool tally_name(const struct scoreboard *scoreboard, unsigned id, char name[SCOREBOARD_NAME]);

/* The id of a service by its name; -1: it has none. */
int tally_find(const struct scoreboard *scoreboard, const char *name);

/* Everything counted for a service. */
void tally_service(const struct scoreboard *scoreboard, unsigned id, struct counters *sum);

/* What is not counted for a service. */
struct tally {
    uint64_t queue_length; /* sockets that wait for a worker now */
    struct histogram wait; /* in the queue */
    uint64_t log_dropped;
};

void tally_daemon(const struct scoreboard *scoreboard, struct tally *sum);

/* How many values a histogram holds. */
uint64_t histogram_count(const struct histogram *histogram);

#endif
