/* SPDX-License-Identifier: MIT */
/*
 * Address prefixes, and sets of them in which the longest that covers an address is found.
 *
 * A set is a binary trie with path compression, one for each family: a look-up takes a
 * step for each bit of an address at the very most, however many prefixes there are.  As with
 * struct addr, what is IPv4-mapped is IPv4; no other IPv6 prefix covers an IPv4 address, not even
 * ::/0.
 */
#ifndef TCPD_IO_PREFIX_H
#define TCPD_IO_PREFIX_H

#include "base/error.h"
#include "io/addr.h"

#include <stdbool.h>
#include <stdint.h>

#define PREFIX_TEXT_MAX 64         /* enough for prefix_format, with its NUL */
#define PREFIX_NONE     UINT32_MAX /* no number of a prefix */

struct prefix {
    sa_family_t family; /* AF_INET, AF_INET6 */
    uint8_t length;     /* bits: 0 to 32 or to 128 */
    uint8_t bytes[16];  /* as in struct addr; 0 behind the length */
};

/*
 * Reads "10.0.0.0/8", "2001:db8::/32", or an address alone, which is a prefix of its whole length.
 * Exactly so: no blanks, no zeros before a number, no zone, and no bit behind the
 * length.  Returns 0, or -1 with a sentence about what is wrong with the text.
 */
int prefix_parse(struct prefix *prefix, const char *text, struct error *error);

/* Writes the text that prefix_parse reads, an address alone without a length.  Returns buffer. */
const char *prefix_format(const struct prefix *prefix, char buffer[static PREFIX_TEXT_MAX]);

/* Whether the prefix covers the address; its port and zone do not matter. */
bool prefix_covers(const struct prefix *prefix, const struct addr *address);

/* The first bits of an address, or of a prefix. */
struct prefix_key {
    uint64_t high, low; /* host byte order; IPv4 in the upper half of high */
};

struct prefix_node {
    struct prefix_key key;
    uint32_t children[2]; /* by the bit behind the length; 0: none */
    uint32_t number;      /* the caller's; PREFIX_NONE: only a fork */
    uint8_t length;
};

/* Read-only once it is filled: any thread may look something up then. */
struct prefix_set {
    struct prefix_node *nodes; /* the caller's; the first is none */
    uint32_t count;            /* of nodes in use */
    uint32_t roots[2];         /* IPv4, IPv6 */
};

/* How many nodes a set of so many prefixes needs. */
#define PREFIX_SET_NODES(prefixes) (2 * (size_t)(prefixes) + 1)

/* An empty set in memory of the caller's, for at most as many prefixes as the nodes were made for.
 */
void prefix_set_init(struct prefix_set *set, struct prefix_node *nodes);

/* Adds a prefix with a number.  One that is there already keeps the number that it has. */
void prefix_set_add(struct prefix_set *set, const struct prefix *prefix, uint32_t number);

/* The number of the longest prefix that covers the address, or PREFIX_NONE. */
uint32_t prefix_set_find(const struct prefix_set *set, const struct addr *address);

#endif
