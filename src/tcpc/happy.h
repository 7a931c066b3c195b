/* SPDX-License-Identifier: MIT */
/*
 * Connection attempts to several addresses, as RFC 8305 ("Happy Eyeballs
 * version 2") says: families take turns, each attempt has a head start over the next, a
 * failure starts the next at once, and the first that succeeds wins.
 */
#ifndef TCPD_TCPC_HAPPY_H
#define TCPD_TCPC_HAPPY_H

#include "base/clock.h"
#include "base/error.h"
#include "io/addr.h"
#include "tcpc/story.h"

#include <stddef.h>
#include <stdint.h>

/* The Connection Attempt Delay that RFC 8305, section 5, recommends. */
#define HAPPY_DELAY (250 * CLOCK_MS)

/*
 * Reorders the addresses so that the families alternate, beginning with that
 * of the first; within a family the order stays (RFC 8305, section 4, with a
 * First Address Family Count of 1).  At most RESOLVE_MAX addresses.
 */
void happy_order(struct addr *addrs, size_t count);

/*
 * Begins to connect: a stream socket, non-blocking and close-on-exec, that poll(2) says can be
 * written when SO_ERROR tells how it went.  -1 with errno: it went wrong at once.
 * *begun: clock_now() just before its first segment.  trace looks at it from outside; NULL: nobody.
 */
int happy_begin(const struct addr *addr, struct trace *trace, uint64_t *begun);

/*
 * Connects to the first address that answers, in the order given, of at most
 * RESOLVE_MAX.  Gives up at the moment deadline (clock_now(); 0: when the last attempt has failed).
 * Returns a connected stream socket, non-blocking and close-on-exec, that the
 * caller closes; or -1 with a sentence that lists each address and why it failed, and the
 * errno of the last failure.
 */
int happy_connect(const struct addr *addrs, size_t count, uint64_t deadline,
                  const struct story *story, struct error *error);

#endif
