/* SPDX-License-Identifier: MIT */
#include "tcpc/wire.h"

#include "base/clock.h"
#include "tcpc/tls_story.h"
#include "tcpc/trace.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* False: the deadline has come. */
static bool wait_for(const struct wire *wire, short events, uint64_t deadline)
{
    struct pollfd ready[] = {{.fd = wire->fd, .events = events},
                             {.fd = trace_fd(wire->trace), .events = POLLIN}};
    uint64_t now = clock_now();
    if (deadline && now >= deadline)
        return false;
    uint64_t left = deadline ? (deadline - now + CLOCK_MS - 1) / CLOCK_MS : 0;
    int most = deadline ? (int)(left < 86400000 ? left : 86400000) : -1;
    poll(ready, 2, trace_patience(wire->trace, most));
    trace_look(wire->trace);
    return true;
}

static int shake_hands(struct wire *wire, uint64_t deadline, struct error *error)
{
    while (tls_handshake(wire->tls) != 0) {
        if (errno != EAGAIN)
            return error_set(error, 0, "%s", tls_reason(wire->tls));
        if (!wait_for(wire, tls_receive_events(wire->tls), deadline))
            return error_set(error, ETIMEDOUT,
                             "the TLS handshake was not done within the time of --timeout: the "
                             "peer may not speak TLS");
    }
    return 0;
}

int wire_secure(struct wire *wire, const struct tls_context *context, uint64_t deadline,
                const struct story *story, struct error *error)
{
    uint64_t begun = clock_now();
    wire->tls = tls_open(context, wire->fd, error);
    if (!wire->tls || shake_hands(wire, deadline, error))
        return -1;
    tls_tell(story, wire->tls, clock_now() - begun);
    return 0;
}

static ssize_t not_now(ssize_t n)
{
    if (n < 0 && errno == EINTR)
        errno = EAGAIN;
    return n;
}

ssize_t wire_recv(struct wire *wire, void *bytes, size_t size)
{
    return wire->tls ? tls_recv(wire->tls, bytes, size)
                     : not_now(recv(wire->fd, bytes, size, MSG_DONTWAIT));
}

ssize_t wire_send(struct wire *wire, const void *bytes, size_t length)
{
    return wire->tls ? tls_send(wire->tls, bytes, length)
                     : not_now(send(wire->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL));
}

int wire_finish(struct wire *wire)
{
    if (wire->tls && tls_finish(wire->tls) != 0)
        return -1;
    trace_finishing(wire->trace, wire->fd);
    shutdown(wire->fd, SHUT_WR);
    return 0;
}

short wire_receive_events(const struct wire *wire)
{
    return wire->tls ? tls_receive_events(wire->tls) : POLLIN;
}

short wire_send_events(const struct wire *wire)
{
    return wire->tls ? tls_send_events(wire->tls) : POLLOUT;
}

bool wire_pending(const struct wire *wire)
{
    return wire->tls && tls_pending(wire->tls);
}

bool wire_blames_tls(const struct wire *wire, int errnum)
{
    return wire->tls && (errnum == EPROTO || tls_objected(wire->tls));
}

const char *wire_reason(const struct wire *wire, int errnum)
{
    return wire_blames_tls(wire, errnum) ? tls_reason(wire->tls) : strerrordesc_np(errnum);
}

const char *wire_peer_farewell(const struct wire *wire)
{
    return wire->tls ? "close_notify" : "FIN";
}

const char *wire_own_farewell(const struct wire *wire)
{
    return wire->tls ? "close_notify and FIN" : "FIN";
}

void wire_close(struct wire *wire, bool reset)
{
    if (wire->tls) {
        tls_finish(wire->tls);
        tls_close(wire->tls);
    }
    if (wire->fd >= 0) {
        trace_closing(wire->trace, wire->fd, reset);
        close(wire->fd);
    }
    *wire = (struct wire){.fd = -1};
}
