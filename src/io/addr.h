/* SPDX-License-Identifier: MIT */
/*
 * The address of one end of a connection or of a listener: IPv4, IPv6, both
 * families at once (a listener's ":PORT"), or a unix socket.  An IPv4-mapped
 * IPv6 address never appears: it is the IPv4 address that it holds.
 */
#ifndef TCPD_IO_ADDR_H
#define TCPD_IO_ADDR_H

#include "base/error.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDR_TEXT_MAX 128 /* enough for addr_format, with its NUL */

struct addr {
    sa_family_t family; /* AF_INET, AF_INET6, AF_UNIX; AF_UNSPEC: every address, both families */
    uint16_t port;      /* host byte order; 0 for unix, and for "any" when binding */
    uint32_t scope;     /* IPv6 zone of a link-local address, else 0 */
    uint8_t bytes[16];  /* network byte order; IPv4 in the first four, the rest 0 */
    const char *path;   /* unix: file name, borrowed; else NULL, and for a nameless peer */
};

/*
 * Reads "1.2.3.4:80", "[::1]:80", "[fe80::1%eth0]:80", ":80" or "unix:/path".
 * No name is resolved.  A unix address borrows the path from text.  Returns 0,
 * or -1 with a sentence about what is wrong with the text.
 */
int addr_parse(struct addr *addr, const char *text, struct error *error);

/* Writes the text form that addr_parse reads ("unix:" for a nameless peer).  Returns buffer. */
const char *addr_format(const struct addr *addr, char buffer[static ADDR_TEXT_MAX]);

/* Fills *storage for bind(2) or connect(2) and returns its length; AF_UNSPEC becomes [::]. */
socklen_t addr_to_sockaddr(const struct addr *addr, struct sockaddr_storage *storage);

/* From what accept(2) or getsockname(2) gave.  A unix path is not kept. */
void addr_from_sockaddr(struct addr *addr, const struct sockaddr_storage *storage);

/* Whether the two name the same address and port. */
bool addr_equal(const struct addr *a, const struct addr *b);

/*
 * Whether two listeners on these could not both be bound: equal, or the same
 * port with one of them standing for every address of a family of the other.
 * Port 0 never clashes.
 */
bool addr_clash(const struct addr *a, const struct addr *b);

/* Whether it stands for every address: 0.0.0.0, [::] or both families. */
bool addr_is_wildcard(const struct addr *addr);

#endif
