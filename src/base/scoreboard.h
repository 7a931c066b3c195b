/* SPDX-License-Identifier: MIT */
/*
 * Memory that the master shares with its children: counters, and who holds how
 * many of the places that limits.connections gives.
 *
 * Counters have one writer each: the thread whose slot they stand in.  Readers
 * add the slots up.  A child that replaces a dead one goes on with its slots,
 * so counters never go back.
 *
 * Places have one column for each child.  Its acceptor adds under the lock, its workers
 * give back without it; the master clears the column of a child that has died.
 */
#ifndef TCPD_BASE_SCOREBOARD_H
#define TCPD_BASE_SCOREBOARD_H

#include "base/error.h"
#include "base/reason.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one thread has counted for one service. */
struct counters {
    uint64_t accepted;
    uint64_t received, sent; /* bytes */
    uint64_t closed[CLOSE_REASON_COUNT];
    uint64_t rejected[REJECT_REASON_COUNT];
};

struct scoreboard {
    pthread_mutex_t lock; /* robust, of all children's acceptors */
    int room;             /* an eventfd that all acceptors watch: a place was given back */
    uint32_t waiting;     /* atomic: somebody waits for `room` */
    unsigned children, threads, services;
    size_t size;               /* of the mapping */
    struct counters *counters; /* [child][thread][service]; thread `threads` is the acceptor */
    uint32_t *places;          /* atomic [child][service]; service `services` is the sum */
};

/* Shared and zeroed; NULL on error.  Made before fork(2), by the master. */
struct scoreboard *scoreboard_new(unsigned children, unsigned threads, unsigned services,
                                  struct error *error);
void scoreboard_free(struct scoreboard *scoreboard);

/* The slot of a thread: an array by service.  thread == threads: the acceptor's. */
struct counters *scoreboard_slot(struct scoreboard *scoreboard, unsigned child, unsigned thread);

/* Adds to a counter of the caller's own slot. */
static inline void counter_add(uint64_t *counter, uint64_t by)
{
    __atomic_store_n(counter, *counter + by, __ATOMIC_RELAXED);
}

/* All slots of a service added up.  Any thread, any process. */
void scoreboard_sum(const struct scoreboard *scoreboard, unsigned service, struct counters *sum);

/* Places held now: of a service, or of all.  Any thread, any process. */
uint32_t scoreboard_held(const struct scoreboard *scoreboard, unsigned service);
uint32_t scoreboard_held_by_all(const struct scoreboard *scoreboard);

enum places { PLACES_TAKEN, PLACES_NONE_IN_SERVICE, PLACES_NONE_IN_DAEMON };

/*
 * Takes a place for a connection of a service, if neither limit (0: none) is
 * reached: never one too many, over all children.  Acceptors only.
 */
enum places scoreboard_take_place(struct scoreboard *scoreboard, unsigned child, unsigned service,
                                  uint32_t service_limit, uint32_t daemon_limit);

/* What scoreboard_take_place would return now.  Any thread, any process. */
enum places scoreboard_look_for_place(const struct scoreboard *scoreboard, unsigned service,
                                      uint32_t service_limit, uint32_t daemon_limit);

/* Gives a place back, and wakes the acceptors that wait for one.  Any thread of that child. */
void scoreboard_give_place(struct scoreboard *scoreboard, unsigned child, unsigned service);

/* The caller is going to wait for `room`; it must look for a place once more after this. */
void scoreboard_wait_for_room(struct scoreboard *scoreboard);

/* There may be room again, for another reason than a place: wakes the acceptors that wait. */
void scoreboard_tell_room(struct scoreboard *scoreboard);

/* A child has died: gives back what it held, and returns how much that was.  The master. */
uint32_t scoreboard_clear_child(struct scoreboard *scoreboard, unsigned child);

#endif
