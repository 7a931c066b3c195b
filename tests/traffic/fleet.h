/* SPDX-License-Identifier: MIT */
/* All connections: when they are opened, when they speak, how long they wait, what becomes of them.
 */
#ifndef TCPD_TRAFFIC_FLEET_H
#define TCPD_TRAFFIC_FLEET_H

#include "traffic/conn.h"

#define TARGETS_MAX 64
#define SHORT_MAX   5000 /* open at once */

#define SECOND UINT64_C(1000000000)

struct plan {
    double rate;           /* short connections a second */
    unsigned longs;        /* over all targets */
    uint64_t interval;     /* ns between two messages of a long one */
    uint64_t time;         /* ns; 0: until it is told to stop */
    uint64_t timeout;      /* ns for each thing that the server has to do */
    bool survivors;        /* to break is no failure */
    unsigned target_count; /* at the start */
    char **targets;
};

struct fleet {
    const struct plan *plan;
    struct tally tally;
    struct target targets[TARGETS_MAX];
    unsigned target_count;
    unsigned turn;       /* the target that has the next short one */
    struct conn *shorts; /* SHORT_MAX, owned */
    struct list idle;    /* of them, by due: those without a connection */
    struct list waiting; /* for the server, the oldest first */
    struct list due;     /* long ones: for the next message, or to be opened */
    struct list again;   /* for room in the queue of a unix socket */
    uint64_t began, now; /* nanoseconds */
    uint64_t next_short;
    uint64_t last_number; /* of a connection */
    unsigned complaints;  /* failures that were printed */
    int epoll;
    bool is_ready; /* it was said that the first long ones are there */
    bool is_stopping;
};

uint64_t fleet_clock(void);

/* Opens and asks what is due. */
void fleet_work(struct fleet *fleet);

/* What epoll tells of a connection. */
void fleet_ready(struct fleet *fleet, struct conn *conn, uint32_t events);

/* Gives up those that have waited for too long: all that has arrived has been looked at. */
void fleet_expire(struct fleet *fleet);

/* Milliseconds until there is something to do. */
int fleet_pause(const struct fleet *fleet);

/* A long one leaves, as soon as it has the answer that it waits for; it is not opened again. */
void fleet_leave(struct fleet *fleet, struct conn *conn);

/* --- roster.c --- */

/* Returns -1 with a word on standard error. */
int fleet_init(struct fleet *fleet, const struct plan *plan);
void fleet_fini(struct fleet *fleet);

/* A target while it runs.  Return NULL, or what is wrong. */
const char *fleet_add(struct fleet *fleet, const char *text);
const char *fleet_remove(struct fleet *fleet, const char *text);

/* Tells of a target that its first long connections are there, or that its last one has ended. */
void fleet_announce(struct fleet *fleet, struct target *target);

/* Tells once that the long ones of all first targets are there. */
void fleet_announce_ready(struct fleet *fleet);

/* No new ones; the long ones leave. */
void fleet_stop(struct fleet *fleet);
bool fleet_has_stopped(const struct fleet *fleet);

/* Prints a report that begins with {"NAME":"VALUE". */
void fleet_report(struct fleet *fleet, const char *name, const char *value);

#endif
