/* SPDX-License-Identifier: MIT */
#include "base/places.h"

#include <errno.h>
#include <sys/eventfd.h>

/* In SCOREBOARD_UNSETTLED: the id of the service and 1, and whether a handshake comes first. */
#define HANDSHAKE_FIRST (1U << 31)

static uint32_t get(const uint32_t *place)
{
    return __atomic_load_n(place, __ATOMIC_SEQ_CST);
}

static uint64_t rows_of(const struct scoreboard *scoreboard)
{
    return __atomic_load_n(&scoreboard->head->rows, __ATOMIC_SEQ_CST);
}

uint32_t places_held(const struct scoreboard *scoreboard, unsigned column)
{
    uint64_t rows = rows_of(scoreboard);
    uint32_t held = 0;
    for (uint64_t row = 0; row < rows; row++)
        held += get(&scoreboard->head->places[row][column]);
    return held;
}

static bool is_in_column(uint32_t unsettled, unsigned column)
{
    if (column == SCOREBOARD_ALL)
        return unsettled != 0;
    if (column == SCOREBOARD_BEFORE_SERVICE)
        return unsettled & HANDSHAKE_FIRST;
    return (unsettled & ~HANDSHAKE_FIRST) == column + 1;
}

/*
 * A place is first given back and then settled, and here it is looked at the other way round:
 * one that is given back meanwhile is missing twice rather than never.
 */
uint32_t places_settled(const struct scoreboard *scoreboard, unsigned column)
{
    uint64_t rows = rows_of(scoreboard);
    uint32_t unsettled = 0;
    for (uint64_t row = 0; row < rows; row++)
        unsettled +=
            is_in_column(get(&scoreboard->head->places[row][SCOREBOARD_UNSETTLED]), column);
    uint32_t held = places_held(scoreboard, column);
    return held > unsettled ? held - unsettled : 0;
}

uint32_t places_held_by_all(const struct scoreboard *scoreboard)
{
    return places_held(scoreboard, SCOREBOARD_ALL);
}

uint32_t places_held_before_service(const struct scoreboard *scoreboard)
{
    return places_held(scoreboard, SCOREBOARD_BEFORE_SERVICE);
}

static uint32_t *row_of(const struct board *board, unsigned child)
{
    return board->scoreboard->head->places[board_row(board, child)];
}

uint32_t places_held_by_child(const struct board *board, unsigned child)
{
    return get(&row_of(board, child)[SCOREBOARD_ALL]);
}

static void add(const struct board *board, unsigned child, unsigned id, uint32_t n)
{
    uint32_t *row = row_of(board, child);
    __atomic_add_fetch(&row[id], n, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&row[SCOREBOARD_ALL], n, __ATOMIC_SEQ_CST);
}

void places_lock(const struct scoreboard *scoreboard)
{
    pthread_mutex_t *lock = &scoreboard->head->lock;
    if (pthread_mutex_lock(lock) == EOWNERDEAD)
        pthread_mutex_consistent(lock);
}

void places_unlock(const struct scoreboard *scoreboard)
{
    pthread_mutex_unlock(&scoreboard->head->lock);
}

static bool is_reached(uint32_t limit, uint32_t held)
{
    return limit && held >= limit;
}

enum places places_look(const struct scoreboard *scoreboard, unsigned id,
                        const struct place_limits *limits)
{
    uint32_t all = places_held_by_all(scoreboard);
    if (is_reached(limits->daemon, all))
        return PLACES_NONE_IN_DAEMON;
    if (is_reached(limits->machine, all))
        return PLACES_NONE_ON_MACHINE;
    if (limits->service && is_reached(limits->service, places_held(scoreboard, id)))
        return PLACES_NONE_IN_SERVICE;
    if (limits->before_service &&
        is_reached(limits->before_service, places_held_before_service(scoreboard)))
        return PLACES_NONE_BEFORE_SERVICE;
    return PLACES_FREE;
}

void places_add(const struct board *board, unsigned child, unsigned id, bool before_service)
{
    uint32_t *row = row_of(board, child);
    uint32_t unsettled = (id + 1) | (before_service ? HANDSHAKE_FIRST : 0);
    __atomic_store_n(&row[SCOREBOARD_UNSETTLED], unsettled, __ATOMIC_SEQ_CST);
    add(board, child, id, 1);
    if (before_service)
        __atomic_add_fetch(&row[SCOREBOARD_BEFORE_SERVICE], 1, __ATOMIC_SEQ_CST);
}

void places_settle(const struct board *board, unsigned child)
{
    __atomic_store_n(&row_of(board, child)[SCOREBOARD_UNSETTLED], 0, __ATOMIC_SEQ_CST);
    places_tell_room(board->scoreboard);
}

void places_tell_room(const struct scoreboard *scoreboard)
{
    uint64_t *waiting = &scoreboard->head->waiting;
    if (__atomic_load_n(waiting, __ATOMIC_SEQ_CST) &&
        __atomic_exchange_n(waiting, 0, __ATOMIC_SEQ_CST))
        eventfd_write(scoreboard->room, 1);
}

void places_give(const struct board *board, unsigned child, unsigned id)
{
    add(board, child, id, (uint32_t)-1);
    places_tell_room(board->scoreboard);
}

void places_reach_service(const struct board *board, unsigned child)
{
    __atomic_sub_fetch(&row_of(board, child)[SCOREBOARD_BEFORE_SERVICE], 1, __ATOMIC_SEQ_CST);
    places_tell_room(board->scoreboard);
}

void places_wait_for_room(const struct scoreboard *scoreboard)
{
    __atomic_store_n(&scoreboard->head->waiting, 1, __ATOMIC_SEQ_CST);
}

uint32_t places_clear_child(const struct board *board, unsigned child)
{
    uint32_t *row = row_of(board, child);
    uint32_t held = get(&row[SCOREBOARD_ALL]);
    for (unsigned i = 0; i < board->entry.services; i++) {
        uint32_t id = board->ids[i];
        counter_add(&board->scoreboard->head->totals[id].lost, get(&row[id]));
        __atomic_store_n(&row[id], 0, __ATOMIC_SEQ_CST);
    }
    __atomic_store_n(&row[SCOREBOARD_BEFORE_SERVICE], 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&row[SCOREBOARD_UNSETTLED], 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&row[SCOREBOARD_ALL], 0, __ATOMIC_SEQ_CST);
    places_tell_room(board->scoreboard);
    return held;
}
