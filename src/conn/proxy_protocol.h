/* SPDX-License-Identifier: MIT */
/*
 * The PROXY protocol, versions 1 and 2: what a proxy sends before anything else to tell on whose
 * behalf it connects.
 *
 * Nothing here keeps a state: what it says about the beginning of a stream is true for all that may
 * follow, so that it does not matter in which pieces a header arrives.  Any thread.
 */
#ifndef TCPD_CONN_PROXY_PROTOCOL_H
#define TCPD_CONN_PROXY_PROTOCOL_H

#include "io/addr.h"

#include <stdbool.h>
#include <stddef.h>

#define PROXY_HEADER_MAX                                                                           \
    ((size_t)4096) /* a longer one is refused as soon as it says its length                        \
                    */

enum proxy_verdict {
    PROXY_MORE, /* so far it is a header; its end is not there */
    PROXY_DONE,
    PROXY_BAD,
};

struct proxy_header {
    size_t length; /* of the header: what comes behind it is the service's */
    /* Whether it tells addresses; else the connection's own count: a health check of the proxy's
     * own, or a client of another kind than TCP over IPv4 or IPv6. */
    bool has_addresses;
    struct addr source, destination;
    const char *error; /* what is wrong with a bad one: a sentence, static */
};

/* Reads the beginning of a stream, all that has come so far. */
enum proxy_verdict proxy_read(struct proxy_header *header, const void *bytes, size_t length);

/*
 * Writes a header of version 1 or 2 and returns its length.  One of IPv4 and one of IPv6 become two
 * of IPv6.  With an address of any other family it tells none.
 */
size_t proxy_write(unsigned char bytes[static PROXY_HEADER_MAX], int version,
                   const struct addr *source, const struct addr *destination);

/*
 * Adds elements (type, length, value: as they stand on the wire) to a header of version 2 that
 * proxy_write has written, and a CRC32C over all of it if there shall be one.  All together must
 * be no longer than PROXY_HEADER_MAX.  Returns the new length.
 */
size_t proxy_write_tlvs(unsigned char bytes[static PROXY_HEADER_MAX], size_t length,
                        const void *tlvs, size_t tlvs_length, bool checksum);

/* CRC32C (RFC 3720, B.4) of what came before and these bytes; begins with 0. */
uint32_t proxy_crc32c(uint32_t crc, const void *bytes, size_t length);

#endif
