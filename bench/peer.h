/* SPDX-License-Identifier: MIT */
/* One connection to the server, and how far it has come.  Its sockets never block. */
#ifndef TCPD_BENCH_PEER_H
#define TCPD_BENCH_PEER_H

#include "bench/plan.h"

struct peer {
    int fd;
    uint64_t shift; /* where in the noise its bytes begin: each peer elsewhere */
    uint64_t sent, to_send;
    uint64_t received, to_receive;
    uint64_t asked_at; /* nanoseconds */
    unsigned waiting;  /* requests that were asked then, and have no answer */
};

/* Begins to connect, the `number`th of all.  Returns -1 with a word on standard error. */
int peer_connect(struct peer *peer, const struct plan *plan, uint64_t number);

/* As peer_connect, with a small window: what the server sends stays with the server. */
int peer_connect_narrow(struct peer *peer, const struct plan *plan, uint64_t number);

void peer_close(struct peer *peer);

/* Adds `count` messages to what is to be sent and received. */
void peer_ask(struct peer *peer, const struct plan *plan, unsigned count);

/* Send, and receive, what can be without waiting.  Return -1 with a word on standard error. */
int peer_send(struct peer *peer, const struct plan *plan);
int peer_receive(struct peer *peer, const struct plan *plan, size_t most);

/* Whether all that was asked for was answered. */
bool peer_is_answered(const struct peer *peer);

/* Waits until it is; for at most ten seconds. */
int peer_wait(struct peer *peer, const struct plan *plan);

#endif
