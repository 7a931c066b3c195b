/* SPDX-License-Identifier: MIT */
/* Headers of the PROXY protocol, right and wrong, whole and in pieces. */
#include "conn/proxy_protocol.h"

#include "conn/invalid_headers.h"
#include "conn/valid_headers.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* In memory of just that size, so that a sanitizer sees what is read beyond it. */
static enum proxy_verdict read_exactly(struct proxy_header *header, const unsigned char *bytes,
                                       size_t length)
{
    unsigned char *copy = malloc(length ? length : 1);
    cr_assert_not_null(copy);
    memcpy(copy, bytes, length);
    enum proxy_verdict verdict = proxy_read(header, copy, length);
    free(copy);
    return verdict;
}

static void expect_done(const struct example *example, const struct proxy_header *header,
                        size_t length)
{
    char source[ADDR_TEXT_MAX], destination[ADDR_TEXT_MAX], both[2 * ADDR_TEXT_MAX];
    cr_assert_eq(header->length, length, "%s: %zu of %zu bytes", example->name, header->length,
                 length);
    cr_assert_null(header->error, "%s", example->name);
    cr_assert_eq(header->has_addresses, example->addresses != NULL, "%s", example->name);
    if (!example->addresses)
        return;
    snprintf(both, sizeof both, "%s %s", addr_format(&header->source, source),
             addr_format(&header->destination, destination));
    cr_assert_str_eq(both, example->addresses, "%s: %s", example->name, both);
}

Test(proxy_protocol, there_are_enough_examples)
{
    cr_assert_geq(VALID_COUNT, 60);
    cr_assert_geq(INVALID_COUNT, 90);
}

/* Every beginning waits for more, and only the whole is a header. */
static void check_valid(const struct example *example)
{
    unsigned char bytes[EXAMPLE_MAX + 64];
    struct proxy_header header;
    size_t length = example_build(example, bytes);
    for (size_t part = 0; part < length; part++) {
        cr_assert_eq(read_exactly(&header, bytes, part), PROXY_MORE, "%s: %zu bytes: %s",
                     example->name, part, header.error ? header.error : "");
        cr_assert_null(header.error);
        cr_assert(!header.has_addresses);
    }
    cr_assert_eq(read_exactly(&header, bytes, length), PROXY_DONE, "%s: %s", example->name,
                 header.error ? header.error : "more");
    expect_done(example, &header, length);
}

/* What follows is no part of it, be it another header. */
static void check_followed(const struct example *example, const void *next, size_t next_length)
{
    unsigned char bytes[2 * EXAMPLE_MAX];
    struct proxy_header header;
    size_t length = example_build(example, bytes);
    memcpy(bytes + length, next, next_length);
    for (size_t behind = 1; behind <= next_length; behind++) {
        cr_assert_eq(read_exactly(&header, bytes, length + behind), PROXY_DONE, "%s",
                     example->name);
        expect_done(example, &header, length);
    }
}

Test(proxy_protocol, valid_in_pieces)
{
    for (size_t i = 0; i < VALID_COUNT; i++)
        check_valid(&valid_headers[i]);
}

Test(proxy_protocol, bytes_behind_are_not_its_own)
{
    static const char second[] = "PROXY TCP4 9.9.9.9 8.8.8.8 7 6\r\n";
    for (size_t i = 0; i < VALID_COUNT; i++) {
        check_followed(&valid_headers[i], "\r\n\r\n", 4);
        check_followed(&valid_headers[i], second, sizeof second - 1);
        check_followed(&valid_headers[i], "\0\0\0\0", 4);
    }
}

/* Once it is wrong it stays so, whatever comes, and it never looks like a whole one. */
static void check_invalid(const struct example *example)
{
    unsigned char bytes[EXAMPLE_MAX + 64];
    struct proxy_header header;
    size_t length = example_build(example, bytes);
    bool refused = false;
    for (size_t part = 0; part <= length; part++) {
        enum proxy_verdict verdict = read_exactly(&header, bytes, part);
        cr_assert_neq(verdict, PROXY_DONE, "%s: %zu bytes", example->name, part);
        cr_assert(!refused || verdict == PROXY_BAD, "%s: %zu bytes", example->name, part);
        cr_assert_eq(header.error != NULL, verdict == PROXY_BAD, "%s", example->name);
        refused = verdict == PROXY_BAD;
    }
    if (example->head.bytes[0] == 'P' && !refused) {
        /* Not at its end: only the line's greatest length tells. */
        memset(bytes + length, 'x', 56);
        refused = read_exactly(&header, bytes, length + 56) == PROXY_BAD;
    }
    cr_assert(refused, "%s: not refused", example->name);
}

Test(proxy_protocol, invalid_in_pieces)
{
    for (size_t i = 0; i < INVALID_COUNT; i++)
        check_invalid(&invalid_headers[i]);
}

static void expect_bad_after(const char *bytes, size_t length, size_t needed)
{
    struct proxy_header header;
    cr_assert_eq(proxy_read(&header, bytes, needed - 1), PROXY_MORE, "%zu of %zu", needed, length);
    cr_assert_eq(proxy_read(&header, bytes, needed), PROXY_BAD, "%zu of %zu", needed, length);
}

/* What can be known is not waited for. */
Test(proxy_protocol, refused_as_soon_as_possible)
{
    expect_bad_after("GET", 3, 1);
    expect_bad_after("PX", 2, 2);
    expect_bad_after("\r\r", 2, 2);
    expect_bad_after("PROXY TCPX", 10, 10);
    expect_bad_after(SIGNATURE "\x11", 13, 13);
    expect_bad_after(SIGNATURE "\x22", 13, 13);
    expect_bad_after(SIGNATURE "\x21\x41", 14, 14);
    expect_bad_after(SIGNATURE "\x21\x11\x0f\xf1", 16, 16);
    expect_bad_after(SIGNATURE "\x20\0\x0f\xf1", 16, 16);
    expect_bad_after(SIGNATURE "\x21\x11\0\x0b", 16, 16);
}

Test(proxy_protocol, checksum)
{
    cr_assert_eq(proxy_crc32c(0, "", 0), 0);
    cr_assert_eq(proxy_crc32c(0, "123456789", 9), 0xe3069283);
    cr_assert_eq(proxy_crc32c(proxy_crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}

/* Writing. */

static void expect_written(int version, const char *source, const char *destination,
                           const char *addresses)
{
    unsigned char bytes[PROXY_HEADER_MAX];
    struct proxy_header header;
    struct addr from, to;
    cr_assert_eq(addr_parse(&from, source, NULL), 0);
    cr_assert_eq(addr_parse(&to, destination, NULL), 0);
    size_t length = proxy_write(bytes, version, &from, &to);
    struct example example = {.name = source, .addresses = addresses};
    cr_assert_eq(read_exactly(&header, bytes, length), PROXY_DONE, "%s: %s", source, header.error);
    expect_done(&example, &header, length);
}

Test(proxy_protocol, what_is_written_is_read)
{
    for (int version = 1; version <= 2; version++) {
        expect_written(version, "192.0.2.1:5", "1.2.3.4:65535", "192.0.2.1:5 1.2.3.4:65535");
        expect_written(version, "[2001:db8::1]:5", "[::]:0", "[2001:db8::1]:5 [::]:0");
        expect_written(version, "192.0.2.1:5", "[::1]:6", "192.0.2.1:5 [::1]:6");
        expect_written(version, "[::1]:6", "192.0.2.1:5", "[::1]:6 192.0.2.1:5");
        expect_written(version, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[::1]:65535",
                       "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 [::1]:65535");
        expect_written(version, "unix:/run/x", "192.0.2.1:5", NULL);
        expect_written(version, "192.0.2.1:5", "unix:/run/x", NULL);
    }
}

Test(proxy_protocol, written_as_the_specification_has_it)
{
    unsigned char bytes[PROXY_HEADER_MAX], wanted[EXAMPLE_MAX];
    struct addr from, to;
    addr_parse(&from, "192.0.2.1:56231", NULL);
    addr_parse(&to, "198.51.100.2:443", NULL);
    static const struct example examples[] = {
        TELLS(THESE_IPV4, "1", "PROXY TCP4 192.0.2.1 198.51.100.2 56231 443\r\n"),
        TELLS(THESE_IPV4, "2", SIGNATURE "\x21\x11\x00\x0c" IPV4),
    };
    for (int version = 1; version <= 2; version++) {
        size_t length = example_build(&examples[version - 1], wanted);
        cr_assert_eq(proxy_write(bytes, version, &from, &to), length);
        cr_assert_arr_eq(bytes, wanted, length);
    }
}
