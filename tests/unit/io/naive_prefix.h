/* SPDX-License-Identifier: MIT */
/* Prefixes compared one bit after the other, which shares nothing with src/io/prefix.c. */
#ifndef TESTS_UNIT_IO_NAIVE_PREFIX_H
#define TESTS_UNIT_IO_NAIVE_PREFIX_H

#include "io/prefix.h"

#include <string.h>

static inline bool naive_bit(const uint8_t *bytes, unsigned index)
{
    return bytes[index / 8] >> (7 - index % 8) & 1;
}

static inline bool naive_covers(const struct prefix *prefix, const struct addr *addr)
{
    bool covers = prefix->family == addr->family;
    for (unsigned i = 0; covers && i < prefix->length; i++)
        covers = naive_bit(prefix->bytes, i) == naive_bit(addr->bytes, i);
    return covers;
}

/* The first of the longest. */
static inline uint32_t naive_find(const struct prefix *prefixes, uint32_t count,
                                  const struct addr *addr)
{
    uint32_t best = PREFIX_NONE;
    for (uint32_t i = 0; i < count; i++)
        if ((best == PREFIX_NONE || prefixes[i].length > prefixes[best].length) &&
            naive_covers(&prefixes[i], addr))
            best = i;
    return best;
}

/* What accept(2) gives for it: an IPv4 address comes mapped when the listener is of both families.
 */
static inline struct addr naive_accepted(const struct addr *addr, bool mapped)
{
    struct sockaddr_storage storage;
    struct addr accepted;
    addr_to_sockaddr(addr, &storage);
    if (mapped && addr->family == AF_INET) {
        struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(addr->port)};
        memset(in6.sin6_addr.s6_addr + 10, 0xff, 2);
        memcpy(in6.sin6_addr.s6_addr + 12, addr->bytes, 4);
        memcpy(&storage, &in6, sizeof in6);
    }
    addr_from_sockaddr(&accepted, &storage);
    return accepted;
}

#endif
