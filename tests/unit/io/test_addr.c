/* SPDX-License-Identifier: MIT */
/* Addresses: their text, what is no address, mapped ones, and which listeners clash. */
#include "io/addr.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static struct addr parsed(const char *text)
{
    struct addr addr;
    struct error error = {0};
    cr_assert_eq(addr_parse(&addr, text, &error), 0, "%s: %s", text, error.text);
    return addr;
}

Test(addr, text_that_comes_back_as_it_is)
{
    static const char *const texts[] = {
        "0.0.0.0:0",
        "127.0.0.1:80",
        "255.255.255.255:65535",
        "[::]:0",
        "[::1]:80",
        "[2001:db8::1]:65535",
        ":0",
        ":65535",
        "unix:/run/tcpd.sock",
        "[fe80::1%lo]:7",
        "10.20.30.40:1",
        "unix:/a b",
    };
    char text[ADDR_TEXT_MAX];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct addr addr = parsed(texts[i]);
        cr_expect_str_eq(addr_format(&addr, text), texts[i]);
    }
}

Test(addr, text_that_has_a_better_form)
{
    static const char *const pairs[][2] = {
        {"[0:0:0:0:0:0:0:1]:080", "[::1]:80"},
        {"[2001:DB8::A]:1", "[2001:db8::a]:1"},
        {"[::ffff:1.2.3.4]:5", "1.2.3.4:5"},
        {"[::ffff:0:0]:5", "0.0.0.0:5"},
    };
    char text[ADDR_TEXT_MAX];
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct addr addr = parsed(pairs[i][0]);
        cr_expect_str_eq(addr_format(&addr, text), pairs[i][1]);
    }
}

Test(addr, text_that_is_no_address)
{
    static const char *const texts[] = {
        "",
        "80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:-1",
        "127.0.0.1:+1",
        "127.0.0.1: 1",
        "127.0.0.1:1 ",
        "127.0.0.1:0x10",
        "127.0.0.1:000080",
        "127.0.0.1:99999999999999999999",
        "127.1:80",
        "256.0.0.1:80",
        "01.2.3.4:80",
        "1.2.3.4.5:80",
        "1111111111111111111.2.3.4:80",
        "localhost:80",
        "*:80",
        "::1:80",
        "::",
        "[::1]",
        "[::1]80",
        "[::1",
        "[]:80",
        "[:::1]:80",
        "[::1]:",
        "[::1]:65536",
        "[127.0.0.1]:80",
        "[fe80::1%no-such-if]:80",
        "[fe80::1%]:80",
        "[::ffff:1.2.3.4%lo]:80",
        "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc:dddd:eeee:ffff]:80",
        "unix:",
        "unix:relative",
        "unix:@abstract",
        ":",
        ":http",
        ":65536",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct addr addr;
        struct error error = {0};
        cr_expect_eq(addr_parse(&addr, texts[i], &error), -1, "%s", texts[i]);
        cr_expect_neq(error.text[0], '\0', "%s", texts[i]);
    }
}

Test(addr, the_path_of_a_unix_socket_has_a_longest)
{
    struct addr addr;
    struct error error;
    struct sockaddr_storage storage;
    char text[sizeof "unix:" + sizeof(struct sockaddr_un)] = "unix:";
    memset(text + 5, 'x', sizeof text - 6);
    text[5] = '/';
    text[5 + sizeof((struct sockaddr_un *)0)->sun_path] = '\0';
    cr_assert_eq(addr_parse(&addr, text, &error), -1);
    text[5 + sizeof((struct sockaddr_un *)0)->sun_path - 1] = '\0';
    cr_assert_eq(addr_parse(&addr, text, &error), 0, "%s", error.text);
    addr_to_sockaddr(&addr, &storage);
    cr_assert_str_eq(((struct sockaddr_un *)&storage)->sun_path, text + 5);
}

Test(addr, longest_texts_fit)
{
    char text[ADDR_TEXT_MAX];
    struct addr addr = {.family = AF_INET6, .port = 65535, .scope = UINT32_MAX};
    memset(addr.bytes, 0xfd, sizeof addr.bytes);
    cr_assert_str_eq(addr_format(&addr, text),
                     "[fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd:fdfd%4294967295]:65535");
}

static struct addr through_sockaddr(const char *text)
{
    struct sockaddr_storage storage;
    struct addr addr = parsed(text), back;
    cr_assert_geq(addr_to_sockaddr(&addr, &storage), (socklen_t)sizeof(struct sockaddr_in));
    addr_from_sockaddr(&back, &storage);
    return back;
}

Test(addr, through_the_socket_interface)
{
    static const char *const texts[] = {"1.2.3.4:5", "[2001:db8::1]:5", "[fe80::1%lo]:5"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct addr addr = parsed(texts[i]), back = through_sockaddr(texts[i]);
        cr_expect(addr_equal(&addr, &back), "%s", texts[i]);
    }
    struct addr both = through_sockaddr(":5"), any6 = parsed("[::]:5");
    cr_expect(addr_equal(&both, &any6), "both families are bound as [::]");
    struct addr nameless = through_sockaddr("unix:/path");
    cr_expect(nameless.family == AF_UNIX && nameless.path == NULL);
}

/* What accept(2) says of an IPv4 peer behind a listener for both families. */
Test(addr, a_mapped_peer_is_the_ipv4_peer)
{
    struct sockaddr_storage storage = {.ss_family = AF_INET6};
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&storage;
    struct addr peer, wanted = parsed("10.6.6.1:1234");
    in6->sin6_port = htons(1234);
    cr_assert_eq(inet_pton(AF_INET6, "::ffff:10.6.6.1", &in6->sin6_addr), 1);
    addr_from_sockaddr(&peer, &storage);
    cr_assert_eq(peer.family, AF_INET);
    cr_assert(addr_equal(&peer, &wanted));
}

Test(addr, equality)
{
    struct addr a = parsed("1.2.3.4:5"), b = parsed("1.2.3.4:6"), c = parsed("1.2.3.5:5");
    struct addr here = parsed("unix:/a"), there = parsed("unix:/b");
    struct addr nameless = {.family = AF_UNIX};
    cr_expect(addr_equal(&a, &a) && addr_equal(&here, &here));
    cr_expect_not(addr_equal(&a, &b) || addr_equal(&a, &c) || addr_equal(&a, &here));
    cr_expect_not(addr_equal(&here, &there));
    cr_expect_not(addr_equal(&nameless, &nameless), "nobody knows whether these are one");
}

static bool clash(const char *one, const char *other)
{
    struct addr a = parsed(one), b = parsed(other);
    cr_expect_eq(addr_clash(&a, &b), addr_clash(&b, &a), "%s %s", one, other);
    return addr_clash(&a, &b);
}

Test(addr, listeners_that_clash)
{
    cr_expect(clash("1.2.3.4:5", "1.2.3.4:5"));
    cr_expect(clash("1.2.3.4:5", "[::ffff:1.2.3.4]:5"));
    cr_expect(clash("1.2.3.4:5", "0.0.0.0:5"));
    cr_expect(clash("[::1]:5", "[::]:5"));
    cr_expect(clash(":5", "1.2.3.4:5"));
    cr_expect(clash(":5", "[::1]:5"));
    cr_expect(clash(":5", "0.0.0.0:5"));
    cr_expect(clash(":5", "[::]:5"));
    cr_expect(clash(":5", ":5"));
    cr_expect(clash("unix:/a", "unix:/a"));
}

Test(addr, listeners_that_do_not_clash)
{
    cr_expect_not(clash("1.2.3.4:5", "1.2.3.4:6"));
    cr_expect_not(clash("1.2.3.4:5", "1.2.3.5:5"));
    cr_expect_not(clash("0.0.0.0:5", "[::]:5"), "[::] alone is IPv6 only");
    cr_expect_not(clash("0.0.0.0:5", "[::1]:5"));
    cr_expect_not(clash("[fe80::1%lo]:5", "[fe80::1]:5"));
    cr_expect_not(clash("1.2.3.4:0", "1.2.3.4:0"));
    cr_expect_not(clash(":0", ":0"));
    cr_expect_not(clash("unix:/a", "unix:/b"));
    cr_expect_not(clash("unix:/a", ":5"));
    cr_expect_not(clash("unix:/a", ":0"));
}

Test(addr, wildcards)
{
    static const char *const every[] = {":5", "0.0.0.0:5", "[::]:5"};
    static const char *const one[] = {"0.0.0.1:5", "[::1]:5", "unix:/a"};
    for (size_t i = 0; i < 3; i++) {
        struct addr wildcard = parsed(every[i]), address = parsed(one[i]);
        cr_expect(addr_is_wildcard(&wildcard), "%s", every[i]);
        cr_expect_not(addr_is_wildcard(&address), "%s", one[i]);
    }
}
