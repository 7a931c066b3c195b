/* SPDX-License-Identifier: MIT */
/* The time-outs of connections. */
#include "base/container.h"
#include "conn/state.h"
#include "io/sock.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

static void idle_expired(struct timer *timer, uint64_t now)
{
    struct conn *conn = container_of(timer, struct conn, activity);
    (void)now;
    conn_leave(conn, CLOSE_IDLE);
    conn_settle(conn);
}

/*
 * Whether the peer has taken anything since the last look.  That we could send
 * nothing does not tell: the kernel lets us wait until a third of its buffer is free.
 */
static bool peer_takes(struct conn *conn)
{
    int waiting = 0;
    ioctl(conn->watch.fd, SIOCOUTQ, &waiting);
    uint32_t taken = (uint32_t)conn->sent - (uint32_t)waiting;
    bool takes = taken != conn->taken;
    conn->taken = taken;
    return takes;
}

/* The peer takes nothing: a reset frees what the kernel still holds for it. */
static void write_expired(struct timer *timer, uint64_t now)
{
    struct conn *conn = container_of(timer, struct conn, activity);
    if (peer_takes(conn)) {
        timer_start(timer, conn->clocks->write, now);
        return;
    }
    sock_reset_at_close(conn->watch.fd);
    conn_fail(conn, CLOSE_WRITE_TIMEOUT);
    conn_settle(conn);
}

static void linger_expired(struct timer *timer, uint64_t now)
{
    (void)now;
    conn_cut(container_of(timer, struct conn, activity));
}

/* The header has not come: there is nothing to say to that peer. */
static void handshake_expired(struct timer *timer, uint64_t now)
{
    struct conn *conn = container_of(timer, struct conn, activity);
    (void)now;
    conn_fail(conn, CLOSE_HANDSHAKE_TIMEOUT);
    conn_settle(conn);
}

static void lifetime_expired(struct timer *timer, uint64_t now)
{
    struct conn *conn = container_of(timer, struct conn, lifetime);
    (void)now;
    conn_leave(conn, CLOSE_LIFETIME);
    conn_settle(conn);
}

/* Returns -1 without memory; a duration of 0 leaves *fifo NULL. */
static int make_clock(struct fifo **fifo, struct timers *timers, uint64_t duration,
                      void (*expired)(struct timer *, uint64_t))
{
    if (duration == 0)
        return 0;
    *fifo = timers_fifo(timers, duration, expired);
    return *fifo ? 0 : -1;
}

int conn_make_clocks(struct clocks *clocks, struct timers *timers, const struct timeouts *timeouts)
{
    if (make_clock(&clocks->idle, timers, timeouts->idle, idle_expired) ||
        make_clock(&clocks->write, timers, timeouts->write, write_expired) ||
        make_clock(&clocks->lifetime, timers, timeouts->lifetime, lifetime_expired) ||
        make_clock(&clocks->handshake, timers, timeouts->handshake, handshake_expired))
        return -1;
    return make_clock(&clocks->linger, timers, timeouts->linger, linger_expired);
}
