/* SPDX-License-Identifier: MIT */
#include "tcpc/tlv.h"

#include "conn/proxy_protocol.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>

static struct tlv_list list;
static struct error error;

static void gives(const char *argument, const char *bytes, size_t length)
{
    list = (struct tlv_list){0};
    cr_assert_eq(tlv_add(&list, argument, &error), 0, "%s: %s", argument, error.text);
    cr_assert_eq(list.length, length, "%s: %zu", argument, list.length);
    cr_expect_arr_eq(list.bytes, bytes, length, "%s", argument);
}

#define GIVES(argument, bytes) gives(argument, bytes, sizeof bytes - 1)

Test(tlv, types_and_values)
{
    GIVES("0x02=example.org", "\x02\0\x0b"
                              "example.org");
    GIVES("authority=example.org", "\x02\0\x0b"
                                   "example.org");
    GIVES("224=x", "\xe0\0\x01x");
    GIVES("noop=", "\x04\0\0");
    GIVES("0xE0=a\\x00\\\\=b", "\xe0\0\x05"
                               "a\0\\=b");
    GIVES("unique-id=hex:00fF10", "\x05\0\x03\x00\xff\x10");
}

static void refuses(const char *argument, const char *words)
{
    list = (struct tlv_list){0};
    cr_expect_eq(tlv_add(&list, argument, &error), -1, "%s", argument);
    cr_expect(strstr(error.text, words), "%s: %s", argument, error.text);
}

Test(tlv, what_is_none)
{
    refuses("authority", "no \"=\"");
    refuses("autority=x", "the type is neither");
    refuses("256=x", "the type is neither");
    refuses("-1=x", "the type is neither");
    refuses("0x2 =x", "the type is neither");
    refuses("=x", "the type is neither");
    refuses("2=hex:0", "pairs of hexadecimal digits");
    refuses("2=hex:0g", "pairs of hexadecimal digits");
    refuses("2=a\\q", "a backslash");
}

Test(tlv, as_much_as_a_header_has_room_for)
{
    static char argument[TLV_MAX + 8];
    size_t most = TLV_MAX - 3;
    memcpy(argument, "0xe0=", 5);
    memset(argument + 5, 'x', most);
    list = (struct tlv_list){0};
    cr_assert_eq(tlv_add(&list, argument, &error), 0);
    cr_expect_eq(tlv_add(&list, "noop=", &error), -1);
    argument[5 + most] = 'x';
    refuses(argument, "more than a header has room for");
}

/* What is sent is what our own reader takes, checksum and all. */
Test(tlv, the_header_is_one)
{
    static unsigned char bytes[PROXY_HEADER_MAX];
    struct addr source = {.family = AF_INET6, .port = 1}, destination = source;
    struct proxy_header header;
    static char argument[TLV_MAX + 8];
    memcpy(argument, "0xe0=", 5);
    memset(argument + 5, 'x', TLV_MAX - 3);
    list = (struct tlv_list){0};
    cr_assert_eq(tlv_add(&list, argument, &error), 0);
    cr_assert_eq(tlv_add(&list, "crc32c", &error), 0);
    size_t length = proxy_write(bytes, 2, &source, &destination);
    length = proxy_write_tlvs(bytes, length, list.bytes, list.length, list.checksum);
    cr_assert_leq(length, PROXY_HEADER_MAX);
    cr_assert_eq(proxy_read(&header, bytes, length), PROXY_DONE, "%s", header.error);
    cr_expect_eq(header.length, length);
    bytes[length - 1] ^= 1;
    cr_expect_eq(proxy_read(&header, bytes, length), PROXY_BAD);
}
