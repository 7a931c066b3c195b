/* SPDX-License-Identifier: MIT */
#include "conn/proxy_protocol.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define LENGTH_PLACE 14 /* in a header of version 2 stands how much follows the fixed part */
#define FIXED        16

static bool is_ip(const struct addr *addr)
{
    return addr->family == AF_INET || addr->family == AF_INET6;
}

/* The 16 bytes of IPv6, an IPv4 address mapped into it. */
static void map(const struct addr *addr, unsigned char bytes[static 16])
{
    memset(bytes, 0, 16);
    if (addr->family == AF_INET) {
        bytes[10] = bytes[11] = 0xff;
        memcpy(bytes + 12, addr->bytes, 4);
    } else {
        memcpy(bytes, addr->bytes, 16);
    }
}

/* inet_ntop(3) would write the end of a mapped address as IPv4, which the protocol does not have.
 */
static void format_ipv6(const struct addr *addr, char text[static INET6_ADDRSTRLEN])
{
    unsigned char bytes[16];
    map(addr, bytes);
    if (addr->family == AF_INET)
        snprintf(text, INET6_ADDRSTRLEN, "::ffff:%x:%x", bytes[12] << 8 | bytes[13],
                 bytes[14] << 8 | bytes[15]);
    else
        inet_ntop(AF_INET6, bytes, text, INET6_ADDRSTRLEN);
}

static size_t write_v1(unsigned char *out, const struct addr *source,
                       const struct addr *destination)
{
    char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
    bool both = source->family == AF_INET && destination->family == AF_INET;
    if (!is_ip(source) || !is_ip(destination))
        return (size_t)snprintf((char *)out, PROXY_HEADER_MAX, "PROXY UNKNOWN\r\n");
    if (both) {
        inet_ntop(AF_INET, source->bytes, from, sizeof from);
        inet_ntop(AF_INET, destination->bytes, to, sizeof to);
    } else {
        format_ipv6(source, from);
        format_ipv6(destination, to);
    }
    return (size_t)snprintf((char *)out, PROXY_HEADER_MAX, "PROXY TCP%c %s %s %u %u\r\n",
                            both ? '4' : '6', from, to, source->port, destination->port);
}

static void put_number(unsigned char *at, uint16_t number)
{
    at[0] = (unsigned char)(number >> 8);
    at[1] = (unsigned char)number;
}

/* The address block; returns its length. */
static size_t write_block(unsigned char *block, const struct addr *source,
                          const struct addr *destination)
{
    bool both = source->family == AF_INET && destination->family == AF_INET;
    size_t size = both ? 4 : 16;
    if (both) {
        memcpy(block, source->bytes, size);
        memcpy(block + size, destination->bytes, size);
    } else {
        map(source, block);
        map(destination, block + size);
    }
    put_number(block + 2 * size, source->port);
    put_number(block + 2 * size + 2, destination->port);
    return 2 * size + 4;
}

static size_t write_v2(unsigned char *out, const struct addr *source,
                       const struct addr *destination)
{
    static const unsigned char start[16] = "\r\n\r\n\0\r\nQUIT\n\x20";
    memcpy(out, start, sizeof start);
    if (!is_ip(source) || !is_ip(destination))
        return sizeof start; /* LOCAL, nothing behind it */
    size_t length = write_block(out + sizeof start, source, destination);
    out[12] = 0x21;
    out[13] = length == 12 ? 0x11 : 0x21;
    put_number(out + LENGTH_PLACE, (uint16_t)length);
    return sizeof start + length;
}

size_t proxy_write(unsigned char bytes[static PROXY_HEADER_MAX], int version,
                   const struct addr *source, const struct addr *destination)
{
    return version == 1 ? write_v1(bytes, source, destination)
                        : write_v2(bytes, source, destination);
}

#define CRC_TLV_LENGTH ((size_t)7)

/* The checksum is made with zeros in its own place. */
static size_t add_checksum(unsigned char *bytes, size_t length)
{
    static const unsigned char empty[CRC_TLV_LENGTH] = {0x03, 0, 4};
    unsigned char *value = bytes + length + 3;
    memcpy(bytes + length, empty, sizeof empty);
    length += sizeof empty;
    put_number(bytes + LENGTH_PLACE, (uint16_t)(length - FIXED));
    uint32_t crc = proxy_crc32c(0, bytes, length);
    put_number(value, (uint16_t)(crc >> 16));
    put_number(value + 2, (uint16_t)crc);
    return length;
}

size_t proxy_write_tlvs(unsigned char bytes[static PROXY_HEADER_MAX], size_t length,
                        const void *tlvs, size_t tlvs_length, bool checksum)
{
    memcpy(bytes + length, tlvs, tlvs_length);
    length += tlvs_length;
    put_number(bytes + LENGTH_PLACE, (uint16_t)(length - FIXED));
    return checksum ? add_checksum(bytes, length) : length;
}
