/* SPDX-License-Identifier: MIT */
#include "tcpc/segment.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define ETHERTYPE_OF_IPV4 0x0800
#define ETHERTYPE_OF_IPV6 0x86dd

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define TCP_HEADER  20

/* IPv6 extension headers that may stand before TCP; more of them in a row than this are a hoax. */
#define EXTENSIONS_MAX 8

/* What is left of a packet: captured bytes, and the length on the wire, from here on. */
struct rest {
    const uint8_t *bytes;
    size_t captured, length;
};

static uint32_t read16(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

static uint32_t read32(const uint8_t *bytes)
{
    return read16(bytes) << 16 | read16(bytes + 2);
}

static bool skip(struct rest *rest, size_t count)
{
    if (count > rest->captured || count > rest->length)
        return false;
    rest->bytes += count;
    rest->captured -= count;
    rest->length -= count;
    return true;
}

/* Padding of the link may follow the packet.  0: longer than the field can tell. */
static bool limit(struct rest *rest, size_t length)
{
    if (length == 0)
        return true;
    if (length > rest->length)
        return false;
    rest->length = length;
    if (rest->captured > length)
        rest->captured = length;
    return true;
}

size_t segment_link_length(enum segment_link link, const uint8_t *frame, size_t captured)
{
    static const struct {
        size_t length, type; /* of the header, and where in it the type of the packet stands */
    } headers[] = {[SEGMENT_ETHERNET] = {14, 12}, [SEGMENT_COOKED] = {16, 14}};
    if (link == SEGMENT_IP)
        return 0;
    if (captured < headers[link].length)
        return captured;
    uint32_t type = read16(frame + headers[link].type);
    bool is_ip = type == ETHERTYPE_OF_IPV4 || type == ETHERTYPE_OF_IPV6;
    return is_ip ? headers[link].length : captured;
}

static void take_addr(struct addr *addr, sa_family_t family, const uint8_t *bytes)
{
    *addr = (struct addr){.family = family};
    memcpy(addr->bytes, bytes, family == AF_INET ? 4 : 16);
}

static bool decode_ipv4(struct segment *segment, struct rest *rest)
{
    const uint8_t *ip = rest->bytes;
    if (rest->captured < IPV4_HEADER || ip[9] != IPPROTO_TCP)
        return false;
    size_t header = (size_t)(ip[0] & 0x0f) * 4;
    size_t total = read16(ip + 2);
    bool later_fragment = (read16(ip + 6) & 0x1fff) != 0;
    if (header < IPV4_HEADER || later_fragment || (total && total < header))
        return false;
    take_addr(&segment->source, AF_INET, ip + 12);
    take_addr(&segment->destination, AF_INET, ip + 16);
    return limit(rest, total) && skip(rest, header);
}

static bool is_extension(uint8_t next)
{
    return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS;
}

static bool skip_extensions(struct rest *rest, uint8_t next)
{
    for (int i = 0; i < EXTENSIONS_MAX && is_extension(next); i++) {
        if (rest->captured < 8)
            return false;
        next = rest->bytes[0];
        if (!skip(rest, ((size_t)rest->bytes[1] + 1) * 8))
            return false;
    }
    return next == IPPROTO_TCP;
}

static bool decode_ipv6(struct segment *segment, struct rest *rest)
{
    const uint8_t *ip = rest->bytes;
    if (rest->captured < IPV6_HEADER)
        return false;
    size_t payload = read16(ip + 4);
    take_addr(&segment->source, AF_INET6, ip + 8);
    take_addr(&segment->destination, AF_INET6, ip + 24);
    return skip(rest, IPV6_HEADER) && limit(rest, payload) && skip_extensions(rest, ip[6]);
}

static bool decode_tcp(struct segment *segment, struct rest *rest)
{
    const uint8_t *tcp = rest->bytes;
    if (rest->captured < TCP_HEADER)
        return false;
    size_t header = (size_t)(tcp[12] >> 4) * 4;
    if (header < TCP_HEADER || header > rest->length)
        return false;
    segment->source.port = (uint16_t)read16(tcp);
    segment->destination.port = (uint16_t)read16(tcp + 2);
    segment->seq = read32(tcp + 4);
    segment->ack = read32(tcp + 8);
    segment->flags = tcp[13];
    segment->window = (uint16_t)read16(tcp + 14);
    segment->length = (uint32_t)(rest->length - header);
    return true;
}

bool segment_decode(struct segment *segment, const uint8_t *packet, size_t captured, size_t length)
{
    struct rest rest = {packet, captured, length};
    *segment = (struct segment){.time = 0};
    if (captured == 0 || captured > length || length > INT32_MAX)
        return false;
    int version = packet[0] >> 4;
    bool ip = (version == 4 && decode_ipv4(segment, &rest)) ||
              (version == 6 && decode_ipv6(segment, &rest));
    return ip && decode_tcp(segment, &rest);
}

const char *segment_flags(uint8_t flags, char buffer[static SEGMENT_FLAGS_MAX])
{
    static const struct {
        uint8_t flag;
        const char *name;
    } names[] = {{SEGMENT_SYN, "SYN"}, {SEGMENT_FIN, "FIN"}, {SEGMENT_RST, "RST"},
                 {SEGMENT_PSH, "PSH"}, {SEGMENT_URG, "URG"}, {SEGMENT_ACK, "ACK"}};
    char *end = buffer;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (flags & names[i].flag)
            end += sprintf(end, "%s%s", end == buffer ? "" : ",", names[i].name);
    }
    return end == buffer ? strcpy(buffer, "none") : buffer;
}
