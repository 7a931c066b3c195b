/* SPDX-License-Identifier: MIT */
#include "base/places.h"

#include <errno.h>
#include <sys/eventfd.h>

static uint32_t get(const uint32_t *place)
{
    return __atomic_load_n(place, __ATOMIC_SEQ_CST);
}

uint32_t places_held(const struct scoreboard *scoreboard, unsigned id)
{
    const struct scoreboard_head *head = scoreboard->head;
    uint64_t rows = __atomic_load_n(&head->rows, __ATOMIC_SEQ_CST);
    uint32_t held = 0;
    for (uint64_t row = 0; row < rows; row++)
        held += get(&head->places[row][id]);
    return held;
}

uint32_t places_held_by_all(const struct scoreboard *scoreboard)
{
    return places_held(scoreboard, SCOREBOARD_SERVICES);
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
    return get(&row_of(board, child)[SCOREBOARD_SERVICES]);
}

static void add(const struct board *board, unsigned child, unsigned id, uint32_t n)
{
    uint32_t *row = row_of(board, child);
    __atomic_add_fetch(&row[id], n, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&row[SCOREBOARD_SERVICES], n, __ATOMIC_SEQ_CST);
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
    add(board, child, id, 1);
    if (before_service)
        __atomic_add_fetch(&row_of(board, child)[SCOREBOARD_BEFORE_SERVICE], 1, __ATOMIC_SEQ_CST);
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
    uint32_t held = get(&row[SCOREBOARD_SERVICES]);
    for (unsigned i = 0; i < board->entry.services; i++) {
        uint32_t id = board->ids[i];
        counter_add(&board->scoreboard->head->totals[id].lost, get(&row[id]));
        __atomic_store_n(&row[id], 0, __ATOMIC_SEQ_CST);
    }
    __atomic_store_n(&row[SCOREBOARD_BEFORE_SERVICE], 0, __ATOMIC_SEQ_CST);
    __atomic_store_n(&row[SCOREBOARD_SERVICES], 0, __ATOMIC_SEQ_CST);
    places_tell_room(board->scoreboard);
    return held;
}
