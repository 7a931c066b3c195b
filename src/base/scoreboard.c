/* SPDX-License-Identifier: MIT */
#include "base/scoreboard.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#define ALIGNMENT 64 /* of a thread's slot: no two threads write to one cache line */

/* Slots are apart by whole cache lines, so a thread's array is rounded up to them. */
static size_t slot_size(unsigned services)
{
    return (services * sizeof(struct counters) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void init_lock(pthread_mutex_t *lock)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

struct scoreboard *scoreboard_new(unsigned children, unsigned threads, unsigned services,
                                  struct error *error)
{
    size_t head = (sizeof(struct scoreboard) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    size_t slots = (size_t)children * (threads + 1) * slot_size(services);
    size_t size = head + slots + (size_t)children * (services + 1) * sizeof(uint32_t);
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        error_set(error, errno, "cannot make shared memory");
        return NULL;
    }
    struct scoreboard *scoreboard = (void *)memory;
    *scoreboard = (struct scoreboard){.children = children,
                                      .threads = threads,
                                      .services = services,
                                      .size = size,
                                      .counters = (void *)(memory + head),
                                      .places = (void *)(memory + head + slots)};
    init_lock(&scoreboard->lock);
    scoreboard->room = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (scoreboard->room >= 0)
        return scoreboard;
    error_set(error, errno, "cannot make an eventfd");
    scoreboard_free(scoreboard);
    return NULL;
}

void scoreboard_free(struct scoreboard *scoreboard)
{
    if (!scoreboard)
        return;
    if (scoreboard->room >= 0)
        close(scoreboard->room);
    munmap(scoreboard, scoreboard->size);
}

struct counters *scoreboard_slot(struct scoreboard *scoreboard, unsigned child, unsigned thread)
{
    size_t slot = (size_t)child * (scoreboard->threads + 1) + thread;
    return (void *)((char *)scoreboard->counters + slot * slot_size(scoreboard->services));
}

static uint64_t load(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void add_slot(struct counters *sum, const struct counters *slot)
{
    sum->accepted += load(&slot->accepted);
    sum->received += load(&slot->received);
    sum->sent += load(&slot->sent);
    for (int i = 0; i < CLOSE_REASON_COUNT; i++)
        sum->closed[i] += load(&slot->closed[i]);
    for (int i = 0; i < REJECT_REASON_COUNT; i++)
        sum->rejected[i] += load(&slot->rejected[i]);
}

void scoreboard_sum(const struct scoreboard *scoreboard, unsigned service, struct counters *sum)
{
    const char *slot = (const char *)scoreboard->counters;
    unsigned slots = scoreboard->children * (scoreboard->threads + 1);
    *sum = (struct counters){0};
    for (unsigned i = 0; i < slots; i++, slot += slot_size(scoreboard->services))
        add_slot(sum, (const struct counters *)(const void *)slot + service);
}

static uint32_t *place(const struct scoreboard *scoreboard, unsigned child, unsigned service)
{
    return scoreboard->places + (size_t)child * (scoreboard->services + 1) + service;
}

uint32_t scoreboard_held(const struct scoreboard *scoreboard, unsigned service)
{
    uint32_t held = 0;
    for (unsigned child = 0; child < scoreboard->children; child++)
        held += __atomic_load_n(place(scoreboard, child, service), __ATOMIC_SEQ_CST);
    return held;
}

uint32_t scoreboard_held_by_all(const struct scoreboard *scoreboard)
{
    return scoreboard_held(scoreboard, scoreboard->services);
}

static void add_place(struct scoreboard *scoreboard, unsigned child, unsigned service, uint32_t n)
{
    __atomic_add_fetch(place(scoreboard, child, service), n, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(place(scoreboard, child, scoreboard->services), n, __ATOMIC_SEQ_CST);
}

/* A child may have been killed while it held the lock: what it guards is whole at any moment. */
static void lock(struct scoreboard *scoreboard)
{
    if (pthread_mutex_lock(&scoreboard->lock) == EOWNERDEAD)
        pthread_mutex_consistent(&scoreboard->lock);
}

enum places scoreboard_look_for_place(const struct scoreboard *scoreboard, unsigned service,
                                      uint32_t service_limit, uint32_t daemon_limit)
{
    if (daemon_limit && scoreboard_held_by_all(scoreboard) >= daemon_limit)
        return PLACES_NONE_IN_DAEMON;
    if (service_limit && scoreboard_held(scoreboard, service) >= service_limit)
        return PLACES_NONE_IN_SERVICE;
    return PLACES_TAKEN;
}

enum places scoreboard_take_place(struct scoreboard *scoreboard, unsigned child, unsigned service,
                                  uint32_t service_limit, uint32_t daemon_limit)
{
    lock(scoreboard);
    enum places places =
        scoreboard_look_for_place(scoreboard, service, service_limit, daemon_limit);
    if (places == PLACES_TAKEN)
        add_place(scoreboard, child, service, 1);
    pthread_mutex_unlock(&scoreboard->lock);
    return places;
}

void scoreboard_tell_room(struct scoreboard *scoreboard)
{
    if (__atomic_load_n(&scoreboard->waiting, __ATOMIC_SEQ_CST) &&
        __atomic_exchange_n(&scoreboard->waiting, 0, __ATOMIC_SEQ_CST))
        eventfd_write(scoreboard->room, 1);
}

void scoreboard_give_place(struct scoreboard *scoreboard, unsigned child, unsigned service)
{
    add_place(scoreboard, child, service, (uint32_t)-1);
    scoreboard_tell_room(scoreboard);
}

void scoreboard_wait_for_room(struct scoreboard *scoreboard)
{
    __atomic_store_n(&scoreboard->waiting, 1, __ATOMIC_SEQ_CST);
}

uint32_t scoreboard_clear_child(struct scoreboard *scoreboard, unsigned child)
{
    uint32_t held =
        __atomic_load_n(place(scoreboard, child, scoreboard->services), __ATOMIC_SEQ_CST);
    for (unsigned service = 0; service <= scoreboard->services; service++)
        __atomic_store_n(place(scoreboard, child, service), 0, __ATOMIC_SEQ_CST);
    scoreboard_tell_room(scoreboard);
    return held;
}
