/* SPDX-License-Identifier: MIT */
/* A connection as whoever uses it sees it: plain or TLS. */
#ifndef TCPD_TCPC_WIRE_H
#define TCPD_TCPC_WIRE_H

#include "base/error.h"
#include "tcpc/story.h"
#include "tcpc/tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct wire {
    int fd;              /* connected, non-blocking; owned */
    struct tls *tls;     /* NULL: plain; owned */
    struct trace *trace; /* who hears of its end (trace.h); NULL: nobody; borrowed */
};

/* Puts TLS on the wire and waits until the handshake is done, but not beyond the deadline
 * (clock_now(); 0: none).  -1 with a sentence. */
int wire_secure(struct wire *wire, const struct tls_context *context, uint64_t deadline,
                const struct story *story, struct error *error);

/* As recv(2) and send(2) without blocking; not now: -1 with EAGAIN, also for EINTR.  Where TLS
 * fails: EPROTO, and wire_reason tells more. */
ssize_t wire_recv(struct wire *wire, void *bytes, size_t size);
ssize_t wire_send(struct wire *wire, const void *bytes, size_t length);

/* Says that nothing more is sent: close_notify, then FIN.  0; or -1 with EAGAIN: again later. */
int wire_finish(struct wire *wire);

/* What to poll for before receiving, and before sending or finishing, is of use again. */
short wire_receive_events(const struct wire *wire);
short wire_send_events(const struct wire *wire);

/* Bytes can be received of which poll(2) says nothing. */
bool wire_pending(const struct wire *wire);

/* Whether TLS says what went wrong: a reset that came behind its word says less. */
bool wire_blames_tls(const struct wire *wire, int errnum);

/* What errnum, from one of the above, means here. */
const char *wire_reason(const struct wire *wire, int errnum);

/* What a farewell of the peer's is called, and one of our own. */
const char *wire_peer_farewell(const struct wire *wire);
const char *wire_own_farewell(const struct wire *wire);

/* Takes leave if that was not done, without waiting, and closes.  reset: the connection was. */
void wire_close(struct wire *wire, bool reset);

#endif
