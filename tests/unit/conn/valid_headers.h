/* SPDX-License-Identifier: MIT */
/* Headers of the PROXY protocol that are right, by the words of its specification. */
#ifndef TCPD_TESTS_UNIT_CONN_VALID_HEADERS_H
#define TCPD_TESTS_UNIT_CONN_VALID_HEADERS_H

#include "conn/example.h"

/* clang-format off */
static const struct example valid_headers[] = {
    TELLS(THESE_IPV4, "v1 tcp4", "PROXY TCP4 192.0.2.1 198.51.100.2 56231 443\r\n"),
    TELLS("1.1.1.1:1 2.2.2.2:2", "v1 tcp4 shortest", "PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n"),
    TELLS("255.255.255.255:65535 255.255.255.255:65535", "v1 tcp4 longest, 56 bytes",
        "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
    TELLS("0.0.0.0:0 0.0.0.0:0", "v1 tcp4 zeros", "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"),
    TELLS("10.0.0.1:0 10.0.0.2:80", "v1 tcp4 source port 0",
        "PROXY TCP4 10.0.0.1 10.0.0.2 0 80\r\n"),
    TELLS("10.0.0.1:80 10.0.0.2:0", "v1 tcp4 destination port 0",
        "PROXY TCP4 10.0.0.1 10.0.0.2 80 0\r\n"),
    TELLS("10.0.0.1:65535 10.0.0.2:9", "v1 tcp4 port 65535",
        "PROXY TCP4 10.0.0.1 10.0.0.2 65535 9\r\n"),
    TELLS("10.0.0.1:9999 10.0.0.2:10000", "v1 tcp4 port 9999",
        "PROXY TCP4 10.0.0.1 10.0.0.2 9999 10000\r\n"),
    TELLS("127.0.0.1:1024 127.0.0.1:1024", "v1 tcp4 loopback",
        "PROXY TCP4 127.0.0.1 127.0.0.1 1024 1024\r\n"),
    TELLS("100.100.100.100:100 200.200.200.200:200", "v1 tcp4 bytes of 100",
        "PROXY TCP4 100.100.100.100 200.200.200.200 100 200\r\n"),
    TELLS(THESE_IPV6, "v1 tcp6", "PROXY TCP6 2001:db8::1 2001:db8::2 56231 443\r\n"),
    TELLS("[::]:0 [::]:0", "v1 tcp6 all zeros", "PROXY TCP6 :: :: 0 0\r\n"),
    TELLS("[::1]:1 [::1]:2", "v1 tcp6 loopback", "PROXY TCP6 ::1 ::1 1 2\r\n"),
    TELLS("[" ALL_F "]:65535 [" ALL_F "]:65535", "v1 tcp6 longest, 104 bytes", "PROXY TCP6 " ALL_F
        " " ALL_F " 65535 65535\r\n"),
    TELLS("[2001:db8::abcd]:1 [2001:db8::ef01]:2", "v1 tcp6 upper case",
        "PROXY TCP6 2001:DB8::ABCD 2001:DB8::EF01 1 2\r\n"),
    TELLS("[2001:db8::ab]:1 [2001:db8::ba]:2", "v1 tcp6 mixed case",
        "PROXY TCP6 2001:dB8::aB 2001:Db8::Ba 1 2\r\n"),
    TELLS("[::1]:1 [::2]:2", "v1 tcp6 zeros written out",
        "PROXY TCP6 0:0:0:0:0:0:0:1 0:0:0:0:0:0:0:2 1 2\r\n"),
    TELLS(THESE_IPV6, "v1 tcp6 four digits each",
        "PROXY TCP6 2001:0db8:0000:0000:0000:0000:0000:0001 2001:0db8:0000:0000:0000:00"
        "00:0000:0002 56231 443\r\n"),
    TELLS("[2001:db8::]:1 [fe80::]:2", "v1 tcp6 ends in ::",
        "PROXY TCP6 2001:db8:: fe80:: 1 2\r\n"),
    TELLS("[1:2:3:0:5:6:7:8]:1 [0:2:3:4:5:6:7:8]:2", "v1 tcp6 :: for one group",
        "PROXY TCP6 1:2:3::5:6:7:8 ::2:3:4:5:6:7:8 1 2\r\n"),
    TELLS(THESE_IPV4, "v1 tcp6 mapped ipv4",
        "PROXY TCP6 ::ffff:c000:201 ::ffff:c633:6402 56231 443\r\n"),
    TELLS("[fe80::1]:1 [fe80::2]:2", "v1 tcp6 link-local", "PROXY TCP6 fe80::1 fe80::2 1 2\r\n"),
    TELLS_NONE("v1 unknown, short", "PROXY UNKNOWN\r\n"),
    TELLS_NONE("v1 unknown with addresses", "PROXY UNKNOWN " ALL_F " " ALL_F " 65535 65535\r\n"),
    TELLS_NONE("v1 unknown with a blank", "PROXY UNKNOWN \r\n"),
    TELLS_NONE("v1 unknown with words", "PROXY UNKNOWN whatever it may be\r\n"),
    TELLS_NONE("v1 unknown with a lone CR", "PROXY UNKNOWN a\rb\r\n"),
    TELLS_NONE("v1 unknown with a lone LF", "PROXY UNKNOWN a\nb\r\n"),
    TELLS_NONE("v1 unknown with CR before CR LF", "PROXY UNKNOWN a\r\r\n"),
    TELLS_NONE("v1 unknown with bytes that are no text", "PROXY UNKNOWN \x00\x01\xff\xfe\r\n"),
    {"v1 unknown of 107 bytes", PART("PROXY UNKNOWN "), 'x', 91, PART("\r\n"), NULL},
    TELLS(THESE_IPV4, "v2 ipv4", SIGNATURE "!\x11\x00\x0c" IPV4),
    TELLS(THESE_IPV6, "v2 ipv6", SIGNATURE "!!\x00$" IPV6),
    TELLS("1.2.3.4:0 5.6.7.8:0", "v2 ipv4 ports 0", SIGNATURE
        "!\x11\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x00\x00\x00\x00"),
    TELLS("1.2.3.4:65535 5.6.7.8:65535", "v2 ipv4 ports 65535", SIGNATURE
        "!\x11\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\xff\xff\xff\xff"),
    TELLS("[::]:0 [::]:0", "v2 ipv6 all zeros", SIGNATURE "!!\x00$" ZEROS "\x00\x00\x00\x00"),
    TELLS(THESE_IPV4, "v2 ipv6 mapped ipv4", SIGNATURE
        "!!\x00$\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc0\x00\x02\x01\x00"
        "\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xc6" "3d\x02\xdb\xa7\x01\xbb"),
    TELLS_NONE("v2 local", SIGNATURE " \x00\x00\x00"),
    TELLS_NONE("v2 local with addresses", SIGNATURE " \x11\x00\x0c" IPV4),
    TELLS_NONE("v2 local with what is too short", SIGNATURE " \x11\x00\x05\xc0\x00\x02\x01\xc6"),
    TELLS_NONE("v2 local with a malformed element", SIGNATURE " \x11\x00\x0f" IPV4 "\x01\xff\xff"),
    TELLS_NONE("v2 local of an unknown family", SIGNATURE " D\x00\x03" "abc"),
    TELLS_NONE("v2 local with a wrong checksum", SIGNATURE " \x11\x00\x13" IPV4
        "\x03\x00\x04\x83\xd0r\xd7"),
    {"v2 local of 4096 bytes", PART(SIGNATURE " \x00\x0f\xf0"), 0, 4080, NOTHING, NULL},
    TELLS_NONE("v2 unspec", SIGNATURE "!\x00\x00\x00"),
    TELLS_NONE("v2 unspec with bytes", SIGNATURE "!\x00\x00\x08whatever"),
    TELLS_NONE("v2 unspec, stream", SIGNATURE "!\x01\x00\x00"),
    TELLS_NONE("v2 ipv4 of no transport", SIGNATURE "!\x10\x00\x0c" IPV4),
    TELLS_NONE("v2 ipv6 of no transport", SIGNATURE "! \x00$" IPV6),
    TELLS_NONE("v2 ipv4 datagrams", SIGNATURE "!\x12\x00\x0c" IPV4),
    TELLS_NONE("v2 ipv6 datagrams", SIGNATURE "!\x22\x00$" IPV6),
    {"v2 unix", PART(SIGNATURE "!1\x00\xd8/run/a.sock"), 0, 97, PART(SOCKET_B), NULL},
    {"v2 unix datagrams", PART(SIGNATURE "!2\x00\xd8/run/a.sock"), 0, 97, PART(SOCKET_B), NULL},
    {"v2 unix without names", PART(SIGNATURE "!1\x00\xd8"), 0, 216, NOTHING, NULL},
    TELLS(THESE_IPV4, "v2 noop, empty", SIGNATURE "!\x11\x00\x0f" IPV4 "\x04\x00\x00"),
    TELLS(THESE_IPV4, "v2 noop", SIGNATURE "!\x11\x00\x18" IPV4
        "\x04\x00\x09\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
    {"v2 noop to 4096 bytes", PART(SIGNATURE "!\x11\x0f\xf0" IPV4 "\x04\x0f\xe1"), 0, 4065, NOTHING,
        "192.0.2.1:56231 198.51.100.2:443"},
    TELLS(THESE_IPV4, "v2 alpn", SIGNATURE "!\x11\x00\x11" IPV4 "\x01\x00\x02h2"),
    {"v2 alpn of 255 bytes", PART(SIGNATURE "!\x11\x01\x0e" IPV4 "\x01\x00\xff"), 'x', 255, NOTHING,
        "192.0.2.1:56231 198.51.100.2:443"},
    TELLS(THESE_IPV6, "v2 authority", SIGNATURE "!!\x00" "6" IPV6 "\x02\x00\x0fwww.example.com"),
    TELLS(THESE_IPV6, "v2 authority in utf-8", SIGNATURE "!!\x00" "6" IPV6 "\x02\x00\x0f"
        "b\xc3\xbc" "cher.example"),
    {"v2 authority of 255 bytes", PART(SIGNATURE "!\x11\x01\x0e" IPV4 "\x02\x00\xff"), 'x', 255,
        NOTHING, "192.0.2.1:56231 198.51.100.2:443"},
    TELLS(THESE_IPV4, "v2 unique id", SIGNATURE "!\x11\x00\x1f" IPV4
        "\x05\x00\x10\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\n\x0b\x0c\r\x0e\x0f"),
    {"v2 unique id of 128 bytes", PART(SIGNATURE "!\x11\x00\x8f" IPV4 "\x05\x00\x80"), 255, 128,
        NOTHING, "192.0.2.1:56231 198.51.100.2:443"},
    TELLS(THESE_IPV4, "v2 unique id, empty", SIGNATURE "!\x11\x00\x0f" IPV4 "\x05\x00\x00"),
    TELLS(THESE_IPV4, "v2 ssl, nothing inside", SIGNATURE "!\x11\x00\x14" IPV4
        " \x00\x05\x01\x00\x00\x00\x00"),
    TELLS(THESE_IPV4, "v2 ssl, all inside", SIGNATURE "!\x11\x00S" IPV4 " \x00"
        "D\x07\x00\x00\x00\x00!\x00\x07TLSv1.3\x22\x00\x06" "client#\x00\x16TLS"
        "_AES_128_GCM_SHA256$\x00\x06SHA256%\x00\x07RSA2048"),
    TELLS(THESE_IPV4, "v2 ssl, unknown inside", SIGNATURE "!\x11\x00\x18" IPV4
        " \x00\x09\x01\x00\x00\x00\x01\x7f\x00\x01\x3f"),
    TELLS(THESE_IPV4, "v2 ssl, empty inside", SIGNATURE "!\x11\x00\x17" IPV4
        " \x00\x08\x01\x00\x00\x00\x00\x22\x00\x00"),
    TELLS(THESE_IPV4, "v2 namespace", SIGNATURE "!\x11\x00\x13" IPV4 "0\x00\x04" "blue"),
    TELLS(THESE_IPV4, "v2 private", SIGNATURE "!\x11\x00\x19" IPV4
        "\xe0\x00\x07\x01vpce-1\xef\x00\x00"),
    TELLS(THESE_IPV4, "v2 experiment", SIGNATURE "!\x11\x00\x14" IPV4 "\xf0\x00\x01x\xf7\x00\x01y"),
    TELLS(THESE_IPV4, "v2 reserved", SIGNATURE "!\x11\x00\x14" IPV4 "\xf8\x00\x01x\xff\x00\x01y"),
    TELLS(THESE_IPV4, "v2 unknown types", SIGNATURE "!\x11\x00\x17" IPV4
        "\x00\x00\x01x\x06\x00\x01y~\x00\x00"),
    {"v2 unix with an element", PART(SIGNATURE "!1\x00\xdf/run/a.sock"), 0, 97, PART(SOCKET_B
        "\x02\x00\x04host"), NULL},
    TELLS_NONE("v2 datagrams with an element", SIGNATURE "!\x12\x00\x13" IPV4 "\x02\x00\x04host"),
    TELLS(THESE_IPV4, "v2 checksum", SIGNATURE "!\x11\x00\x13" IPV4 "\x03\x00\x04\xf6\x03\x82\xee"),
    TELLS(THESE_IPV6, "v2 checksum, ipv6", SIGNATURE "!!\x00+" IPV6 "\x03\x00\x04" "C\x5cn\x9d"),
    {"v2 checksum, unix", PART(SIGNATURE "!1\x00\xdf/run/a.sock"), 0, 97, PART(SOCKET_B
        "\x03\x00\x04\xee" "7i\x9c"), NULL},
    TELLS(THESE_IPV4, "v2 checksum behind another", SIGNATURE "!\x11\x00\x1a" IPV4
        "\x02\x00\x04host\x03\x00\x04\x89\x15@m"),
    TELLS(THESE_IPV4, "v2 checksum before another", SIGNATURE "!\x11\x00\x1d" IPV4
        "\x03\x00\x04\x1a\xae" "c\x9f\x02\x00\x04host\x04\x00\x00"),
    TELLS(THESE_IPV6, "v2 all kinds", SIGNATURE "!!\x00P" IPV6 "\x01\x00\x02h2\x02\x00\x03"
        "a.b\x05\x00\x01" "1\x03\x00\x04>\xfdG: \x00\x0f"
        "\x01\x00\x00\x00\x00!\x00\x07TLSv1.20\x00\x01n"),
    {"v2 checksum in 4096 bytes", PART(SIGNATURE "!\x11\x0f\xf0" IPV4 "\x03\x00\x04\xbb"
        "1Q|\x04\x0f\xda"), 0, 4058, NOTHING, "192.0.2.1:56231 198.51.100.2:443"},
    TELLS(THESE_IPV4, "v2 ten elements", SIGNATURE "!\x11\x00*" IPV4
        "\x04\x00\x00\x04\x00\x00\x04\x00\x00\x04\x00\x00\x04\x00\x00\x04\x00\x00\x04"
        "\x00\x00\x04\x00\x00\x04\x00\x00\x04\x00\x00"),
};
/* clang-format on */

#define VALID_COUNT (sizeof valid_headers / sizeof *valid_headers)

#endif
