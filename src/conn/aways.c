/* SPDX-License-Identifier: MIT */
#include "conn/aways.h"

#include "base/clock.h"
#include "base/container.h"
#include "io/sock.h"

#include <stdlib.h>
#include <unistd.h>

#define ASK_AGAIN      (10 * CLOCK_MS) /* the channel was full */
#define SLOTS_AT_FIRST 64

/* The table. */

static bool make_room(struct aways *aways)
{
    uint32_t size = aways->size ? 2 * aways->size : SLOTS_AT_FIRST;
    struct away **slots = realloc(aways->slots, size * sizeof(struct away *));
    if (slots)
        aways->slots = slots;
    uint32_t *free_slots = slots ? realloc(aways->free, size * sizeof *free_slots) : NULL;
    if (!free_slots)
        return false;
    aways->free = free_slots;
    for (uint32_t slot = size; slot-- > aways->size;) {
        aways->slots[slot] = NULL;
        aways->free[aways->free_count++] = slot;
    }
    aways->size = size;
    return true;
}

struct away *away_new(struct conn *conn)
{
    struct aways *aways = conn->set->aways;
    struct away *away = calloc(1, sizeof *away);
    if (!away || (aways->free_count == 0 && !make_room(aways))) {
        free(away);
        return NULL;
    }
    away->conn = conn;
    away->slot = aways->free[--aways->free_count];
    aways->slots[away->slot] = away;
    return away;
}

size_t conn_set_aways(const struct conn_set *set)
{
    return set->aways ? set->aways->size : 0;
}

struct conn *conn_set_away(const struct conn_set *set, size_t slot)
{
    const struct away *away = set->aways->slots[slot];
    return away ? away->conn : NULL;
}

/* The descriptor of one that has ended in the same turn goes with the connection. */
void away_free(struct away *away)
{
    struct aways *aways = away->conn->set->aways;
    struct away **at = &aways->unsent;
    for (; away->unsent && *at != away; at = &(*at)->next_unsent)
        ;
    if (away->unsent) {
        *at = away->next_unsent;
        if (aways->unsent_end == &away->next_unsent)
            aways->unsent_end = at;
    }
    for (at = &aways->released; *at && *at != away; at = &(*at)->next_released)
        ;
    if (*at)
        *at = away->next_released;
    aways->slots[away->slot] = NULL;
    aways->free[aways->free_count++] = away->slot;
    free(away);
}

/* Asking. */

/* The descriptor has been passed on: it goes at the end of the turn, in which the loop may still
 * have an event of that number. */
static void release(struct aways *aways, struct away *away)
{
    if (conn_service(away->conn)->program->counts_bytes)
        return;
    away->next_released = aways->released;
    aways->released = away;
}

static int ask(struct aways *aways, struct away *away)
{
    const struct conn *conn = away->conn;
    enum spawn_order order = !away->sent ? SPAWN_START : away->unchecked ? SPAWN_CHECK : SPAWN_END;
    struct spawn_request request = {.order = order,
                                    .service = conn_service(conn)->index,
                                    .slot = away->slot,
                                    .pid = away->orphan ? away->pid : 0,
                                    .number = conn->number,
                                    .hurry = away->hurry,
                                    .listener = conn->listener->index,
                                    .peer = away->ends.peer,
                                    .local = away->ends.local};
    if (sock_pass(aways->channel.fd, &request, sizeof request,
                  order == SPAWN_START ? conn->watch.fd : -1))
        return -1;
    if (order == SPAWN_START)
        release(aways, away);
    away->sent = true;
    away->unchecked = false;
    return order == SPAWN_CHECK && away->ending ? ask(aways, away) : 0;
}

static void ask_again(struct timer *timer, uint64_t now);

static void wait_to_ask(struct aways *aways)
{
    struct loop *loop = aways->set->loop;
    if (!aways->retry.fifo)
        timer_start(&aways->retry, timers_fifo(&loop->timers, ASK_AGAIN, ask_again), loop->now);
}

/* In order: as soon as one cannot be asked for, all others wait behind it. */
void away_ask(struct away *away)
{
    struct aways *aways = away->conn->set->aways;
    if (away->unsent || (!aways->unsent && ask(aways, away) == 0))
        return;
    away->unsent = true;
    away->next_unsent = NULL;
    *(aways->unsent ? aways->unsent_end : &aways->unsent) = away;
    aways->unsent_end = &away->next_unsent;
    wait_to_ask(aways);
}

void aways_sync(struct aways *aways)
{
    struct spawn_request sync = {.order = SPAWN_SYNC};
    aways->sync_unsent = sock_pass(aways->channel.fd, &sync, sizeof sync, -1) != 0;
    if (aways->sync_unsent)
        wait_to_ask(aways);
}

static void ask_again(struct timer *timer, uint64_t now)
{
    struct aways *aways = container_of(timer, struct aways, retry);
    (void)now;
    if (aways->channel.fd < 0)
        return;
    if (aways->sync_unsent)
        aways_sync(aways);
    while (aways->unsent && ask(aways, aways->unsent) == 0) {
        aways->unsent->unsent = false;
        aways->unsent = aways->unsent->next_unsent;
    }
    if (aways->unsent)
        wait_to_ask(aways);
}

void conn_set_release(struct conn_set *set)
{
    struct aways *aways = set->aways;
    while (aways->released) {
        struct conn *conn = aways->released->conn;
        aways->released = aways->released->next_released;
        close(conn->watch.fd);
        conn->watch.fd = -1;
    }
}
