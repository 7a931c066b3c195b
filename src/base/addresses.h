/* SPDX-License-Identifier: MIT */
/*
 * The address table, in the scoreboard: how many connections each client
 * address has open, and how fast its last ones came, over all children of all
 * generations, exactly.
 *
 * It has a fixed size.  An entry that holds no connection and whose rate is as if nobody had ever
 * come is idle, and counts as gone; when a new address needs its place, the one that has been idle
 * or without a connection for the longest goes, and if that one's rate is forgotten too early it is
 * counted.
 *
 * Each child has a column of counts in every entry.  Its acceptor adds under the lock
 * of the places, its workers give back without it; the master clears the column of a
 * child that has died.
 */
#ifndef TCPD_BASE_ADDRESSES_H
#define TCPD_BASE_ADDRESSES_H

#include "base/scoreboard.h"

#include <stdbool.h>
#include <stdint.h>

/* A client's address as the limits know it: cut to a prefix, for one service or all of them. */
struct address_key {
    uint8_t bytes[16]; /* network byte order; what is behind the prefix is 0 */
    uint16_t family;   /* AF_INET, AF_INET6 */
    uint16_t prefix;   /* bits */
    uint32_t scope;    /* ADDRESS_DAEMON, or 1 + the id of a service */
};

#define ADDRESS_DAEMON 0

/* Fills a key; prefix is in bits, and no more than the address has. */
void address_key(struct address_key *key, uint16_t family, const uint8_t bytes[16], uint16_t prefix,
                 uint32_t scope);

struct address_limits {
    uint32_t connections; /* open at once; 0: no limit */
    uint64_t interval;    /* ns between two connections of the rate; 0: no limit */
    uint32_t burst;       /* that may come at once after a rest; at least 1 */
};

enum address_verdict {
    ADDRESS_ADMITTED,
    ADDRESS_CONNECTIONS, /* it has as many as it may */
    ADDRESS_RATE,        /* its connections come too fast */
    ADDRESS_TABLE_FULL,  /* every entry of its set holds connections */
};

#define ADDRESS_DEMANDS 2 /* of one connection, at most */

/* A connection is asked for by its address, in a service and in the daemon as a whole. */
struct address_demand {
    struct address_key key;
    struct address_limits limits;
    enum address_verdict verdict; /* what addresses_judge says of it */
};

/*
 * Whether a connection may be counted in with all of the demands: each gets its verdict, up to the
 * first that is refused; `now` is clock_now().  The rate is a token bucket, kept as the moment at
 * which it would be full (GCRA, as in ITU-T I.371).  Changes nothing: no entry is made, no token
 * taken, no age touched.  Any thread, any process.
 */
bool addresses_judge(const struct scoreboard *scoreboard, struct address_demand *demands,
                     unsigned count, uint64_t now);

/*
 * Counts a connection in that addresses_judge has admitted, since when the caller has had the lock
 * of the places.  What has no limit on connections need not be given back, and must not be.
 * Acceptors, and workers for clients behind proxies.
 */
void addresses_add(const struct board *board, unsigned child, const struct address_demand *demands,
                   unsigned count, uint64_t now);

/* A connection that was counted in, under a limit on connections, has ended.  Any thread of that
 * child. */
void addresses_give(const struct board *board, unsigned child, const struct address_key *key);

/* Connections of one address that are open now.  Any thread, any process. */
uint32_t addresses_held(const struct scoreboard *scoreboard, const struct address_key *key);

/* How many connections of one address could come at once now, as far as the rate is concerned:
 * limits->interval is not 0.  Any thread, any process. */
uint32_t addresses_tokens(const struct scoreboard *scoreboard, const struct address_key *key,
                          const struct address_limits *limits, uint64_t now);

/* A child has died: nothing in its column holds any more.  The master. */
void addresses_clear_child(const struct board *board, unsigned child);

/* Entries that are not idle.  Any thread, any process. */
uint32_t addresses_count(const struct scoreboard *scoreboard, uint64_t now);

#endif
