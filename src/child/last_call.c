/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/container.h"
#include "child/acceptor_state.h"

#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#define TICK      (10 * CLOCK_MS) /* of the last call */
#define LAST_CALL 100             /* ticks that it takes at most */

/*
 * The last call: who was in the kernel's queue when it was ordered still comes in, and, where no
 * others can begin, who was about to get into the queue.  To such a peer the connection
 * exists since our SYN-ACK, which is up to a round trip earlier than it does to us.
 */

static void see_whether_stopped(struct acceptor *acceptor)
{
    if (!acceptor->stopping || acceptor->shut_count < acceptor->setup.listener_count)
        return;
    acceptor->stopping = false;
    timer_stop(&acceptor->tick);
    acceptor->setup.stopped(acceptor->setup.owner);
}

void last_call_shut(struct door *door)
{
    struct acceptor *acceptor = door->acceptor;
    if (door->shut)
        return;
    door_close(door);
    close(door->watch.fd);
    door->shut = true;
    acceptor->shut_count++;
    see_whether_stopped(acceptor);
}

static bool somebody_waits(const struct door *door)
{
    struct pollfd pollfd = {.fd = door->watch.fd, .events = POLLIN};
    return !door->shut && poll(&pollfd, 1, 0) == 1;
}

bool last_call_was_answered(struct door *door, unsigned accepted, bool nobody_there)
{
    if (door->last_call != LAST_CALL_QUEUED)
        return false;
    door->queued -= accepted;
    return door->queued == 0 || nobody_there || !somebody_waits(door);
}

/* What the kernel has queued for a listener (tcp(7)); of a unix socket it does not tell. */
static unsigned count_queued(const struct door *door)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    if (!somebody_waits(door))
        return 0;
    if (door->listener->address.family == AF_UNIX ||
        getsockopt(door->watch.fd, IPPROTO_TCP, TCP_INFO, &info, &length))
        return UINT32_MAX;
    return info.tcpi_unacked;
}

/* Another child may have taken who waited here; and nobody waits for room for ever. */
static void tick(struct timer *timer, uint64_t now)
{
    struct acceptor *acceptor = container_of(timer, struct acceptor, tick);
    bool over = ++acceptor->ticks >= LAST_CALL;
    if (!over)
        timer_start(timer, timers_fifo(&acceptor->loop->timers, TICK, tick), now);
    for (unsigned i = 0; i < acceptor->setup.listener_count; i++) {
        struct door *door = &acceptor->doors[i];
        if (over ? door->last_call != LAST_CALL_NONE
                 : door->last_call == LAST_CALL_QUEUED && !somebody_waits(door))
            last_call_shut(door);
    }
}

/* Again only when there is not the time any more that there was before. */
static void call_last(struct door *door, enum last_call last_call)
{
    struct acceptor *acceptor = door->acceptor;
    if (door->shut || door->last_call == last_call)
        return;
    door->last_call = last_call;
    door->queued = count_queued(door);
    if (last_call == LAST_CALL_QUEUED && door->queued == 0) {
        last_call_shut(door);
        return;
    }
    acceptor->ticks = 0;
    timer_start(&acceptor->tick, timers_fifo(&acceptor->loop->timers, TICK, tick),
                acceptor->loop->now);
}

void acceptor_shut(struct acceptor *acceptor)
{
    const uint8_t *last_calls = acceptor->setup.shared->board->last_calls;
    for (unsigned i = 0; i < acceptor->setup.listener_count; i++)
        if (last_calls[i])
            call_last(&acceptor->doors[i], last_calls[i]);
}

void acceptor_stop(struct acceptor *acceptor)
{
    const uint8_t *last_calls = acceptor->setup.shared->board->last_calls;
    for (unsigned i = 0; i < acceptor->setup.listener_count; i++)
        if (!last_calls[i])
            last_call_shut(&acceptor->doors[i]);
    acceptor_shut(acceptor);
    acceptor->stopping = true;
    see_whether_stopped(acceptor);
}

void acceptor_hurry(struct acceptor *acceptor)
{
    for (unsigned i = 0; i < acceptor->setup.listener_count; i++)
        if (acceptor->doors[i].last_call == LAST_CALL_BEGUN)
            call_last(&acceptor->doors[i], LAST_CALL_QUEUED);
}
