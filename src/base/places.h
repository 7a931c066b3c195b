/* SPDX-License-Identifier: MIT */
/*
 * The places that limits.connections gives, in the scoreboard: they hold over
 * all children of all generations, exactly.
 *
 * Each child has a row.  Its acceptor adds under the lock, its workers give
 * back without it; the master clears the row of a child that has died.
 *
 * An acceptor takes a place before it knows whether anybody is there who may
 * come in: until it has settled that, nobody is refused for want of that place.
 */
#ifndef TCPD_BASE_PLACES_H
#define TCPD_BASE_PLACES_H

#include "base/scoreboard.h"

/* What stands against another connection: which of the limits is reached. */
enum places {
    PLACES_FREE,
    PLACES_NONE_IN_SERVICE,
    PLACES_NONE_IN_DAEMON,
    PLACES_NONE_ON_MACHINE,
    PLACES_NONE_BEFORE_SERVICE,
};

struct place_limits {        /* 0: none */
    uint32_t service;        /* on its connections */
    uint32_t daemon;         /* on those of all services */
    uint32_t machine;        /* on those as well, whatever the configuration says */
    uint32_t before_service; /* on those that have not come to their service yet, of all services */
};

/* Places held now: of a service, by its id, or of another column.  Any thread, any process. */
uint32_t places_held(const struct scoreboard *scoreboard, unsigned column);

/* Without those that are not settled; in doubt, less.  Exact for who has the lock. */
uint32_t places_settled(const struct scoreboard *scoreboard, unsigned column);

uint32_t places_held_by_all(const struct scoreboard *scoreboard);

/* Those whose connections begin with a handshake, a header of the PROXY protocol, which has not
 * come to its end. */
uint32_t places_held_before_service(const struct scoreboard *scoreboard);

/* Those of one child, over all services. */
uint32_t places_held_by_child(const struct board *board, unsigned child);

/* Whether a connection may have a place.  Changes nothing; any thread, any process. */
enum places places_look(const struct scoreboard *scoreboard, unsigned id,
                        const struct place_limits *limits);

/*
 * Takes a place, which is to be settled.  An acceptor, which has had the lock since it looked:
 * never is it one too many.
 * before_service: the connection begins with a handshake, whose end places_reach_service tells.
 */
void places_add(const struct board *board, unsigned child, unsigned id, bool before_service);

/* The place that was taken last has its connection, or has been given back; wakes the acceptors
 * that wait to know.  That acceptor. */
void places_settle(const struct board *board, unsigned child);

/* Gives one back, and wakes the acceptors that wait for one.  Any thread of that child. */
void places_give(const struct board *board, unsigned child, unsigned id);

/* A handshake is over, however it has ended; the place is still held.  Any thread of that child. */
void places_reach_service(const struct board *board, unsigned child);

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
