/* SPDX-License-Identifier: MIT */
/*
 * The places that limits.connections gives, in the scoreboard: they hold over
 * all children of all generations, exactly.
 *
 * Each child has a row.  Its acceptor adds under the lock, its workers give
 * back without it; the master clears the row of a child that has died.
 */
#ifndef TCPD_BASE_PLACES_H
#define TCPD_BASE_PLACES_H

#include "base/scoreboard.h"

enum places { PLACES_TAKEN, PLACES_NONE_IN_SERVICE, PLACES_NONE_IN_DAEMON };

struct place_limits {
    uint32_t service, daemon; /* 0: none */
};

/* Places held now: of a service, by its id, or of all.  Any thread, any process. */
uint32_t places_held(const struct scoreboard *scoreboard, unsigned id);
uint32_t places_held_by_all(const struct scoreboard *scoreboard);

/* Those of one child, over all services. */
uint32_t places_held_by_child(const struct board *board, unsigned child);

/* Takes a place for a connection if neither limit is reached: never one too many.  Acceptors. */
enum places places_take(const struct board *board, unsigned child, unsigned id,
                        struct place_limits limits);

/* What places_take would return now.  Any thread, any process. */
enum places places_look(const struct scoreboard *scoreboard, unsigned id,
                        struct place_limits limits);

/* Gives one back, and wakes the acceptors that wait for one.  Any thread of that child. */
void places_give(const struct board *board, unsigned child, unsigned id);

/* The lock of all acceptors; a child that died with it in its hands has left everything whole. */
void places_lock(const struct scoreboard *scoreboard);
void places_unlock(const struct scoreboard *scoreboard);

/* The caller is going to wait for `room`; it must look for a place once more after this. */
void places_wait_for_room(const struct scoreboard *scoreboard);

/* There may be room again, for another reason than a place: wakes the acceptors that wait. */
void places_tell_room(const struct scoreboard *scoreboard);

/*
 * A child has died: gives back what it held, and counts it as lost.  Returns how much that was.
 * The master.
 */
uint32_t places_clear_child(const struct board *board, unsigned child);

#endif
