/* SPDX-License-Identifier: MIT */
/* From what the user typed to addresses that can be tried. */
#ifndef TCPD_TCPC_RESOLVE_H
#define TCPD_TCPC_RESOLVE_H

#include "base/error.h"
#include "io/addr.h"
#include "tcpc/target.h"

#include <stddef.h>
#include <stdint.h>

#define RESOLVE_MAX 32 /* a name with more addresses than this is not tried any further */

struct address_list {
    size_t count;
    struct addr addrs[RESOLVE_MAX]; /* in the order in which the system prefers them */
};

/*
 * Resolves the target by getaddrinfo(3), which sorts by RFC 6724.  family is
 * AF_UNSPEC, AF_INET or AF_INET6.  Gives up at the moment deadline (clock_now();
 * 0: never).  A unix path is borrowed from the target.  Returns 0 with at least one address, or -1
 * with a sentence that names the host and the way out.
 */
int resolve(struct address_list *list, const struct target *target, int family, uint64_t deadline,
            struct error *error);

#endif
