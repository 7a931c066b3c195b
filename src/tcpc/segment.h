/* SPDX-License-Identifier: MIT */
/* One TCP segment as it was on the wire, read out of captured bytes, which are hostile. */
#ifndef TCPD_TCPC_SEGMENT_H
#define TCPD_TCPC_SEGMENT_H

#include "io/addr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The flags, by their bits in the header (RFC 9293, section 3.1). */
enum segment_flag {
    SEGMENT_FIN = 0x01,
    SEGMENT_SYN = 0x02,
    SEGMENT_RST = 0x04,
    SEGMENT_PSH = 0x08,
    SEGMENT_ACK = 0x10,
    SEGMENT_URG = 0x20,
};

/* What stands before the IP header. */
enum segment_link {
    SEGMENT_ETHERNET,
    SEGMENT_COOKED, /* "Linux cooked capture", for interfaces with headers nobody knows */
    SEGMENT_IP,     /* nothing */
};

struct segment {
    uint64_t time; /* nanoseconds since the start; not of the decoder's doing */
    struct addr source, destination;
    uint32_t seq, ack;
    uint32_t length; /* bytes of data, however many of them were captured */
    uint16_t window; /* as it stands in the header, not scaled */
    uint8_t flags;
};

/*
 * Where the IP header begins in a frame of which `captured` bytes are there; 0, or
 * the length of the link's header.  `captured` when there is none: nothing can be decoded there.
 */
size_t segment_link_length(enum segment_link link, const uint8_t *frame, size_t captured);

/*
 * Reads IPv4 or IPv6 and TCP headers.  `captured` bytes of the packet are there,
 * from the IP header on, and on the wire it had `length`.  False: it is no TCP segment, is
 * malformed, a later fragment, or too little of it was captured.  Any thread.
 */
bool segment_decode(struct segment *segment, const uint8_t *packet, size_t captured, size_t length);

/* Writes the names of the flags, "SYN,ACK"; "none" without any.  Returns buffer. */
#define SEGMENT_FLAGS_MAX 32
const char *segment_flags(uint8_t flags, char buffer[static SEGMENT_FLAGS_MAX]);

#endif
