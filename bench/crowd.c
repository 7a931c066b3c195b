/* SPDX-License-Identifier: MIT */
#include "bench/crowd.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TICK_NS  1000000 /* a millisecond: few at once, or they would be in their own way */
#define PERIOD   5000    /* ticks in which each slow peer moves once */
#define HEAP     4096    /* bytes that the server is given to send to a slow reader */
#define IDENTITY 1000000 /* their numbers are none of those that work */

static bool reads_slowly(unsigned index)
{
    return index % 2 == 1;
}

/* A slow reader has always a heap to read. */
static int read_a_byte(struct peer *peer, const struct plan *plan)
{
    if (peer_is_answered(peer)) {
        peer->to_send += HEAP;
        peer->to_receive += HEAP;
    }
    return peer_send(peer, plan) || peer_receive(peer, plan, 1) ? -1 : 0;
}

static int send_a_byte(struct peer *peer, const struct plan *plan)
{
    peer->to_send++;
    peer->to_receive++;
    return peer_send(peer, plan) || peer_receive(peer, plan, HEAP) ? -1 : 0;
}

/* Spread evenly over the period. */
static int move_some(struct crowd *crowd, unsigned tick)
{
    for (unsigned i = tick % PERIOD; i < crowd->plan->slow; i += PERIOD) {
        struct peer *peer = &crowd->peers[i];
        if (reads_slowly(i) ? read_a_byte(peer, crowd->plan) : send_a_byte(peer, crowd->plan))
            return -1;
    }
    return 0;
}

static void pause_until_next(struct timespec *due)
{
    due->tv_nsec += TICK_NS;
    if (due->tv_nsec >= 1000000000) {
        due->tv_nsec -= 1000000000;
        due->tv_sec++;
    }
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, due, NULL);
}

static void *move_slow_ones(void *argument)
{
    struct crowd *crowd = argument;
    struct timespec due;
    clock_gettime(CLOCK_MONOTONIC, &due);
    for (unsigned tick = 0; !__atomic_load_n(&crowd->stop, __ATOMIC_RELAXED); tick++) {
        if (move_some(crowd, tick)) {
            crowd->failed = true;
            break;
        }
        pause_until_next(&due);
    }
    return NULL;
}

/* One after the other, each with a request that is answered: so the server has accepted it. */
static int connect_one(struct crowd *crowd, unsigned index)
{
    const struct plan *plan = crowd->plan;
    struct peer *peer = &crowd->peers[index];
    bool narrow = index < plan->slow && reads_slowly(index);
    uint64_t number = IDENTITY + index;
    if (narrow ? peer_connect_narrow(peer, plan, number) : peer_connect(peer, plan, number))
        return -1;
    crowd->count++;
    peer_ask(peer, plan, 1);
    return peer_wait(peer, plan);
}

int crowd_begin(struct crowd *crowd, const struct plan *plan)
{
    unsigned wanted = plan->slow + plan->idle;
    *crowd = (struct crowd){.plan = plan};
    if (wanted == 0)
        return 0;
    crowd->peers = calloc(wanted, sizeof *crowd->peers);
    for (unsigned i = 0; i < wanted; i++)
        if (!crowd->peers || connect_one(crowd, i))
            return -1;
    crowd->moving =
        plan->slow > 0 && pthread_create(&crowd->thread, NULL, move_slow_ones, crowd) == 0;
    return plan->slow > 0 && !crowd->moving ? -1 : 0;
}

int crowd_end(struct crowd *crowd)
{
    __atomic_store_n(&crowd->stop, true, __ATOMIC_RELAXED);
    if (crowd->moving)
        pthread_join(crowd->thread, NULL);
    for (unsigned i = 0; i < crowd->count; i++)
        peer_close(&crowd->peers[i]);
    free(crowd->peers);
    return crowd->failed ? -1 : 0;
}
