/* SPDX-License-Identifier: MIT */
#include "bench/peer.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STRIDE  7919 /* between the shifts of two peers; has no factor in common with the period */
#define NARROW  2048 /* bytes of a small window */
#define WAIT_MS 10000
#define SOURCES                                                                                    \
    32 /* source addresses: so many ports more, for those that still wait in TIME_WAIT */
#define SOURCE_FIRST 0x7f000101u /* 127.0.1.1 */

static int complain(const char *what)
{
    fprintf(stderr, "load: %s: %s\n", what, strerrordesc_np(errno));
    return -1;
}

/* Without a port: it is chosen at connect(2), when it need only be unique for that server. */
static int choose_source(int fd, uint64_t number)
{
    int one = 1;
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(SOURCE_FIRST + (uint32_t)(number % SOURCES));
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    return bind(fd, (const struct sockaddr *)&source, sizeof source);
}

static bool is_loopback(const struct plan *plan)
{
    return ntohl(plan->server.sin_addr.s_addr) >> 24 == 127;
}

static int connect_with(struct peer *peer, const struct plan *plan, uint64_t number, int window)
{
    const struct sockaddr *server = (const struct sockaddr *)&plan->server;
    bool is_noise = plan->request.period != plan->request.unit;
    *peer = (struct peer){.shift = is_noise ? number * STRIDE % plan->request.period : 0};
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (peer->fd < 0)
        return complain("cannot make a socket");
    if (window && setsockopt(peer->fd, SOL_SOCKET, SO_RCVBUF, &window, sizeof window))
        return complain("cannot narrow the window");
    if (is_loopback(plan) && choose_source(peer->fd, number))
        return complain("cannot choose a source address");
    if (connect(peer->fd, server, sizeof plan->server) && errno != EINPROGRESS)
        return complain("cannot connect");
    return 0;
}

int peer_connect(struct peer *peer, const struct plan *plan, uint64_t number)
{
    return connect_with(peer, plan, number, 0);
}

int peer_connect_narrow(struct peer *peer, const struct plan *plan, uint64_t number)
{
    return connect_with(peer, plan, number, NARROW);
}

void peer_close(struct peer *peer)
{
    if (peer->fd > 0)
        close(peer->fd);
    peer->fd = -1;
}

void peer_ask(struct peer *peer, const struct plan *plan, unsigned count)
{
    peer->to_send += count * plan->request.unit;
    peer->to_receive += count * plan->answer.unit;
}

bool peer_is_answered(const struct peer *peer)
{
    return peer->received == peer->to_receive && peer->sent == peer->to_send;
}

static size_t part(uint64_t rest, size_t most)
{
    return rest < most ? (size_t)rest : most;
}

int peer_send(struct peer *peer, const struct plan *plan)
{
    while (peer->sent < peer->to_send) {
        const char *bytes = stream_at(&plan->request, peer->shift + peer->sent);
        size_t length = part(peer->to_send - peer->sent, STREAM_SPAN);
        ssize_t taken = send(peer->fd, bytes, length, MSG_NOSIGNAL);
        if (taken < 0)
            return errno == EAGAIN ? 0 : complain("cannot send");
        peer->sent += (uint64_t)taken;
    }
    return 0;
}

static int verify(struct peer *peer, const struct stream *answer, const char *bytes, size_t length)
{
    if (length == 0) {
        fprintf(stderr, "load: the server closed after %" PRIu64 " of %" PRIu64 " bytes\n",
                peer->received, peer->to_receive);
        return -1;
    }
    if (peer->received + length > peer->to_receive ||
        !stream_matches(answer, peer->shift + peer->received, bytes, length)) {
        fprintf(stderr, "load: wrong bytes after %" PRIu64 " right ones\n", peer->received);
        return -1;
    }
    peer->received += length;
    return 0;
}

/* Fewer bytes than there was room for: the socket is empty. */
int peer_receive(struct peer *peer, const struct plan *plan, size_t most)
{
    char bytes[STREAM_SPAN];
    ssize_t length = STREAM_SPAN;
    while (length == STREAM_SPAN) {
        length = recv(peer->fd, bytes, part(most, STREAM_SPAN), 0);
        if (length < 0)
            return errno == EAGAIN ? 0 : complain("cannot receive");
        if (verify(peer, &plan->answer, bytes, (size_t)length))
            return -1;
    }
    return 0;
}

int peer_wait(struct peer *peer, const struct plan *plan)
{
    while (!peer_is_answered(peer)) {
        short events = peer->sent < peer->to_send ? POLLIN | POLLOUT : POLLIN;
        struct pollfd waiting = {.fd = peer->fd, .events = events};
        if (peer_send(peer, plan) || peer_receive(peer, plan, STREAM_SPAN))
            return -1;
        if (peer_is_answered(peer))
            return 0;
        if (poll(&waiting, 1, WAIT_MS) == 0) {
            fprintf(stderr, "load: no answer in ten seconds\n");
            return -1;
        }
    }
    return 0;
}
