/* SPDX-License-Identifier: MIT */
/*
 * What an example of a header of the PROXY protocol is: for the unit tests, and for the fuzzer to
 * begin with.  A long one has a run of equal bytes in its middle.
 */
#ifndef TCPD_TESTS_UNIT_CONN_EXAMPLE_H
#define TCPD_TESTS_UNIT_CONN_EXAMPLE_H

#include <stddef.h>
#include <string.h>

struct part {
    const char *bytes;
    size_t length;
};

struct example {
    const char *name;
    struct part head;
    unsigned char fill;
    size_t count; /* of the bytes that fill it up */
    struct part tail;
    const char *addresses; /* source and destination; NULL: it tells none */
};

/* clang-format off */
#define PART(text) {text, sizeof(text) - 1}
#define NOTHING    {NULL, 0}
#define TELLS(addresses, name, text) {name, PART(text), 0, 0, NOTHING, addresses}
#define TELLS_NONE(name, text)       TELLS(NULL, name, text)
#define WRONG(name, text)            TELLS(NULL, name, text)
/* clang-format on */

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

/* Address blocks, and what they say. */
#define IPV4       "\xc0\x00\x02\x01\xc6\x33\x64\x02\xdb\xa7\x01\xbb"
#define THESE_IPV4 "192.0.2.1:56231 198.51.100.2:443"
#define DB8        "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0"
#define IPV6       DB8 "\x01" DB8 "\x02\xdb\xa7\x01\xbb"
#define THESE_IPV6 "[2001:db8::1]:56231 [2001:db8::2]:443"
#define ZEROS      "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define SOCKET_A   "/run/a.sock\0" ZEROS ZEROS ZEROS
#define SOCKET_B   "/run/b.sock\0" ZEROS ZEROS ZEROS

#define ALL_F "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

#define EXAMPLE_MAX 8192

/* Puts it together; returns its length. */
static inline size_t example_build(const struct example *example, unsigned char bytes[EXAMPLE_MAX])
{
    size_t length = example->head.length;
    memcpy(bytes, example->head.bytes, length);
    memset(bytes + length, example->fill, example->count);
    length += example->count;
    if (example->tail.length > 0)
        memcpy(bytes + length, example->tail.bytes, example->tail.length);
    return length + example->tail.length;
}

#endif
