/* SPDX-License-Identifier: MIT */
#include "tcpc/segment.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* Port 1000 to port 7, seq 1, ack 2, PSH and ACK, window 512, then "hello". */
#define TCP                                                                                        \
    "\x03\xe8\x00\x07\x00\x00\x00\x01\x00\x00\x00\x02\x50\x18\x02\x00\x00\x00\x00\x00"             \
    "hello"
#define ADDRESSES          "\x0a\x00\x00\x01\x0a\x00\x00\x02"
#define IPV4               "\x45\x00\x00\x2d\x00\x00\x00\x00\x40\x06\x00\x00" ADDRESSES
#define ONE                "\xfd\x09\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"
#define TWO                "\xfd\x09\0\0\0\0\0\0\0\0\0\0\0\0\0\x02"
#define IPV6(length, next) "\x60\0\0\0\0" length next "\x40" ONE TWO

/* In memory of just that size, so that a sanitizer sees what is read beyond it. */
static bool decode(struct segment *segment, const void *bytes, size_t captured, size_t length)
{
    uint8_t *copy = malloc(captured ? captured : 1);
    cr_assert_not_null(copy);
    memcpy(copy, bytes, captured);
    bool result = segment_decode(segment, copy, captured, length);
    free(copy);
    return result;
}

static void is_the_segment(const struct segment *segment, const char *source,
                           const char *destination)
{
    char text[ADDR_TEXT_MAX];
    cr_expect_str_eq(addr_format(&segment->source, text), source);
    cr_expect_str_eq(addr_format(&segment->destination, text), destination);
    cr_expect_eq(segment->seq, 1u);
    cr_expect_eq(segment->ack, 2u);
    cr_expect_eq(segment->flags, SEGMENT_PSH | SEGMENT_ACK);
    cr_expect_eq(segment->window, 512);
    cr_expect_eq(segment->length, 5u);
}

#define DECODES(bytes, source, destination)                                                        \
    do {                                                                                           \
        struct segment segment;                                                                    \
        cr_assert(decode(&segment, bytes, sizeof(bytes) - 1, sizeof(bytes) - 1));                  \
        is_the_segment(&segment, source, destination);                                             \
    } while (0)

Test(segment, ipv4)
{
    DECODES(IPV4 TCP, "10.0.0.1:1000", "10.0.0.2:7");
    DECODES(IPV4 TCP "\0\0\0", "10.0.0.1:1000", "10.0.0.2:7"); /* padding of the link */
    /* four bytes of options in either header */
    DECODES("\x46\0\0\x31\0\0\0\0\x40\x06\0\0\x0a\0\0\x01\x0a\0\0\x02\x01\x01\x01\x01" TCP,
            "10.0.0.1:1000", "10.0.0.2:7");
    DECODES("\x45\0\0\x31\0\0\0\0\x40\x06\0\0\x0a\0\0\x01\x0a\0\0\x02"
            "\x03\xe8\0\x07\0\0\0\x01\0\0\0\x02\x60\x18\x02\0\0\0\0\0\x01\x01\x01\x01hello",
            "10.0.0.1:1000", "10.0.0.2:7");
}

Test(segment, a_length_that_the_field_cannot_tell)
{
    DECODES("\x45\0\0\0\0\0\0\0\x40\x06\0\0\x0a\0\0\x01\x0a\0\0\x02" TCP, "10.0.0.1:1000",
            "10.0.0.2:7");
    DECODES(IPV6("\x00", "\x06") TCP, "[fd09::1]:1000", "[fd09::2]:7");
}

Test(segment, ipv6)
{
    DECODES(IPV6("\x19", "\x06") TCP, "[fd09::1]:1000", "[fd09::2]:7");
    /* hop-by-hop options, then destination options of twice the length */
    DECODES(IPV6("\x31", "\x00") "\x3c\0\0\0\0\0\0\0"
                                 "\x06\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0" TCP,
            "[fd09::1]:1000", "[fd09::2]:7");
}

Test(segment, only_the_headers_are_captured)
{
    struct segment segment;
    cr_assert(decode(&segment, IPV4 TCP, 40, 45));
    is_the_segment(&segment, "10.0.0.1:1000", "10.0.0.2:7");
}

/* Where fewer bytes are captured, or were on the wire, than the headers promise. */
static void refuses_every_cut(const char *bytes, size_t headers, size_t length)
{
    struct segment segment;
    for (size_t captured = 0; captured < headers; captured++)
        cr_expect_not(decode(&segment, bytes, captured, length), "%zu captured", captured);
    for (size_t wire = 0; wire < length; wire++)
        cr_expect_not(decode(&segment, bytes, wire, wire), "%zu on the wire", wire);
}

Test(segment, cut_short)
{
    refuses_every_cut(IPV4 TCP, 40, 45);
    refuses_every_cut(IPV6("\x19", "\x06") TCP, 60, 65);
    refuses_every_cut(IPV6("\x21", "\x00") "\x06\0\0\0\0\0\0\0" TCP, 68, 73);
}

#define REFUSES(bytes) refuses(bytes, sizeof(bytes) - 1)

static void refuses(const char *bytes, size_t length)
{
    struct segment segment;
    cr_expect_not(decode(&segment, bytes, length, length));
}

Test(segment, malformed)
{
    REFUSES("");
    REFUSES("\x35" TCP TCP); /* IP version 3 */
    /* UDP; a later fragment; a header of 16 bytes; one that is longer than the packet */
    REFUSES("\x45\0\0\x2d\0\0\0\0\x40\x11\0\0\x0a\0\0\x01\x0a\0\0\x02" TCP);
    REFUSES("\x45\0\0\x2d\0\0\0\x08\x40\x06\0\0\x0a\0\0\x01\x0a\0\0\x02" TCP);
    REFUSES("\x44\0\0\x2d\0\0\0\0\x40\x06\0\0\x0a\0\0\x01\x0a\0\0\x02" TCP);
    REFUSES("\x4f\0\0\x2d\0\0\0\0\x40\x06\0\0\x0a\0\0\x01\x0a\0\0\x02" TCP);
    /* a total length below the header's, and one above what is there */
    REFUSES("\x45\0\0\x13\0\0\0\0\x40\x06\0\0\x0a\0\0\x01\x0a\0\0\x02" TCP);
    REFUSES("\x45\0\0\x2e\0\0\0\0\x40\x06\0\0\x0a\0\0\x01\x0a\0\0\x02" TCP);
    /* a TCP header of 16 bytes, and one that is longer than the segment */
    REFUSES(IPV4 "\x03\xe8\0\x07\0\0\0\x01\0\0\0\x02\x40\x18\x02\0\0\0\0\0hello");
    REFUSES(IPV4 "\x03\xe8\0\x07\0\0\0\x01\0\0\0\x02\x70\x18\x02\0\0\0\0\0hello");
    /* an extension that is longer than the packet */
    REFUSES(IPV6("\x21", "\x00") "\x06\xff\0\0\0\0\0\0" TCP);
}

Test(segment, extensions_without_an_end)
{
    char bytes[40 + 9 * 8 + sizeof TCP];
    memcpy(bytes, IPV6("\x61", "\x00"), 40);
    for (size_t i = 0; i < 9; i++)
        memcpy(bytes + 40 + i * 8, i == 8 ? "\x06\0\0\0\0\0\0\0" : "\0\0\0\0\0\0\0\0", 8);
    memcpy(bytes + 40 + 9 * 8, TCP, sizeof TCP);
    refuses(bytes, sizeof bytes - 1);
}

Test(segment, what_stands_before_it)
{
    const uint8_t ethernet[] = "\1\2\3\4\5\6\1\2\3\4\5\6\x08\x00";
    const uint8_t arp[] = "\1\2\3\4\5\6\1\2\3\4\5\6\x08\x06";
    const uint8_t cooked[] = "\0\0\0\1\0\6\1\2\3\4\5\6\0\0\x86\xdd";
    cr_expect_eq(segment_link_length(SEGMENT_IP, arp, 14), 0u);
    cr_expect_eq(segment_link_length(SEGMENT_ETHERNET, ethernet, 14), 14u);
    cr_expect_eq(segment_link_length(SEGMENT_COOKED, cooked, 16), 16u);
    /* nothing that could be decoded */
    cr_expect_eq(segment_link_length(SEGMENT_ETHERNET, arp, 14), 14u);
    cr_expect_eq(segment_link_length(SEGMENT_ETHERNET, arp, 13), 13u);
    cr_expect_eq(segment_link_length(SEGMENT_COOKED, cooked, 15), 15u);
}

Test(segment, names_of_flags)
{
    char text[SEGMENT_FLAGS_MAX];
    cr_expect_str_eq(segment_flags(0, text), "none");
    cr_expect_str_eq(segment_flags(0xc0, text), "none");
    cr_expect_str_eq(segment_flags(SEGMENT_SYN | SEGMENT_ACK, text), "SYN,ACK");
    cr_expect_str_eq(segment_flags(0xff, text), "SYN,FIN,RST,PSH,URG,ACK");
}
