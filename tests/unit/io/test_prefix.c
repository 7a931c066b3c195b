/* SPDX-License-Identifier: MIT */
/* Prefixes as text, and sets of them held against a plain comparison of bits. */
#include "io/naive_prefix.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

TestSuite(prefix, .timeout = 60);

static struct prefix parsed(const char *text)
{
    struct prefix prefix;
    struct error error = {0};
    cr_assert_eq(prefix_parse(&prefix, text, &error), 0, "%s: %s", text, error.text);
    return prefix;
}

static struct addr address(const char *text)
{
    struct addr addr;
    struct error error = {0};
    cr_assert_eq(addr_parse(&addr, text, &error), 0, "%s: %s", text, error.text);
    return addr;
}

Test(prefix, text_and_back)
{
    static const struct {
        const char *text, *canonical;
        sa_family_t family;
        unsigned length;
    } cases[] = {
        {"10.0.0.0/8", "10.0.0.0/8", AF_INET, 8},
        {"0.0.0.0/0", "0.0.0.0/0", AF_INET, 0},
        {"255.255.255.255/32", "255.255.255.255", AF_INET, 32},
        {"1.2.3.4", "1.2.3.4", AF_INET, 32},
        {"128.0.0.0/1", "128.0.0.0/1", AF_INET, 1},
        {"::1", "::1", AF_INET6, 128},
        {"::/0", "::/0", AF_INET6, 0},
        {"::/64", "::/64", AF_INET6, 64},
        {"2001:DB8::/32", "2001:db8::/32", AF_INET6, 32},
        {"2001:0db8:0:0::/65", "2001:db8::/65", AF_INET6, 65},
        {"fe80::/10", "fe80::/10", AF_INET6, 10},
        {"::ffff:10.0.0.0/104", "10.0.0.0/8", AF_INET, 8},
        {"::ffff:0a00:0/104", "10.0.0.0/8", AF_INET, 8},
        {"::ffff:1.2.3.4", "1.2.3.4", AF_INET, 32},
        {"::ffff:1.2.3.4/128", "1.2.3.4", AF_INET, 32},
        {"::ffff:0:0/96", "0.0.0.0/0", AF_INET, 0},
        {"::fffe:0:0/95", "::fffe:0:0/95", AF_INET6, 95},
        {"::1.2.3.4/128", "::1.2.3.4", AF_INET6, 128},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[PREFIX_TEXT_MAX];
        struct prefix prefix = parsed(cases[i].text);
        cr_expect_eq(prefix.family, cases[i].family, "%s", cases[i].text);
        cr_expect_eq(prefix.length, cases[i].length, "%s", cases[i].text);
        cr_expect_str_eq(prefix_format(&prefix, text), cases[i].canonical);
        struct prefix again = parsed(text);
        cr_expect_arr_eq(again.bytes, prefix.bytes, sizeof prefix.bytes);
        cr_expect_eq(again.length, prefix.length);
        cr_expect_eq(again.family, prefix.family);
    }
}

Test(prefix, what_is_none)
{
    static const char *const wrong[][2] = {
        {"", "is no prefix"},
        {"/8", "is no prefix"},
        {"10/8", "is no prefix"},
        {"10.0.0/8", "is no prefix"},
        {"10.0.0.0.0/8", "is no prefix"},
        {"010.0.0.0/8", "is no prefix"},
        {"10.0.0.00/8", "is no prefix"},
        {"0x0a.0.0.0/8", "is no prefix"},
        {"256.0.0.0/8", "is no prefix"},
        {" 10.0.0.0/8", "is no prefix"},
        {"10.0.0.0 /8", "is no prefix"},
        {"10.0.0.0/ 8", "length from 0 to 32"},
        {"10.0.0.0/8 ", "length from 0 to 32"},
        {"10.0.0.0/", "length from 0 to 32"},
        {"10.0.0.0/08", "length from 0 to 32"},
        {"10.0.0.0/00", "length from 0 to 32"},
        {"10.0.0.0/33", "length from 0 to 32"},
        {"10.0.0.0/-1", "length from 0 to 32"},
        {"10.0.0.0/+8", "length from 0 to 32"},
        {"10.0.0.0/8/8", "length from 0 to 32"},
        {"10.0.0.0/255.0.0.0", "length from 0 to 32"},
        {"10.0.0.0/4294967304", "length from 0 to 32"},
        {"2001:db8::/129", "length from 0 to 128"},
        {"2001:db8::/1280", "length from 0 to 128"},
        {"::ffff:10.0.0.0/129", "length from 0 to 128"},
        {"[::1]", "is no prefix"},
        {"1::2::3/64", "is no prefix"},
        {"12345::/16", "is no prefix"},
        {":/0", "is no prefix"},
        {"1:2:3:4:5:6:7:8:9/16", "is no prefix"},
        {"fe80::1%lo", "no zone"},
        {"fe80::%lo/10", "no zone"},
        {"example.org", "is no prefix"},
        {"0000:0000:0000:0000:0000:0000:0000:0000:0000/8", "is no prefix"},
        {"10.1.2.3/8", "the prefix is 10.0.0.0/8"},
        {"0.0.0.1/0", "the prefix is 0.0.0.0/0"},
        {"255.255.255.255/31", "the prefix is 255.255.255.254/31"},
        {"2001:db8::1/32", "the prefix is 2001:db8::/32"},
        {"2001:db8:0:1::/63", "the prefix is 2001:db8::/63"},
        {"2001:db8::8000:0:0:0/64", "the prefix is 2001:db8::/64"},
        {"::ffff:10.1.0.0/104", "the prefix is 10.0.0.0/8"},
        {"::ffff:0:0/90", "the prefix is ::ffc0:0:0/90"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct prefix prefix;
        struct error error = {0};
        cr_expect_eq(prefix_parse(&prefix, wrong[i][0], &error), -1, "%s", wrong[i][0]);
        cr_expect(strstr(error.text, wrong[i][1]), "%s: %s", wrong[i][0], error.text);
    }
}

/* A set of its own, to be freed with its nodes. */
static struct prefix_set make(const struct prefix *prefixes, uint32_t count)
{
    struct prefix_set set;
    prefix_set_init(&set, calloc(PREFIX_SET_NODES(count), sizeof(struct prefix_node)));
    for (uint32_t i = 0; i < count; i++)
        prefix_set_add(&set, &prefixes[i], i);
    cr_assert_leq(set.count, PREFIX_SET_NODES(count));
    return set;
}

static uint32_t find(const struct prefix_set *set, const char *text)
{
    struct addr addr = address(text);
    return prefix_set_find(set, &addr);
}

Test(prefix, nothing_is_in_an_empty_set)
{
    struct prefix_set set = make(NULL, 0);
    cr_expect_eq(find(&set, "1.2.3.4:5"), PREFIX_NONE);
    cr_expect_eq(find(&set, "[::]:5"), PREFIX_NONE);
    cr_expect_eq(find(&set, "unix:/x"), PREFIX_NONE);
    free(set.nodes);
}

Test(prefix, the_longest_is_found)
{
    const struct prefix prefixes[] = {
        parsed("10.0.0.0/8"),  parsed("10.6.6.6"), parsed("10.6.0.0/16"), parsed("0.0.0.0/0"),
        parsed("10.6.6.0/24"), parsed("::/0"),     parsed("2001:db8::1"), parsed("2001:db8::/32"),
    };
    struct prefix_set set = make(prefixes, sizeof prefixes / sizeof *prefixes);
    cr_expect_eq(find(&set, "10.6.6.6:1"), 1);
    cr_expect_eq(find(&set, "10.6.6.7:1"), 4);
    cr_expect_eq(find(&set, "10.6.7.7:1"), 2);
    cr_expect_eq(find(&set, "10.7.7.7:1"), 0);
    cr_expect_eq(find(&set, "11.7.7.7:1"), 3);
    cr_expect_eq(find(&set, "[::ffff:10.6.6.7]:1"), 4);
    cr_expect_eq(find(&set, "[2001:db8::1]:1"), 6);
    cr_expect_eq(find(&set, "[2001:db8::2]:1"), 7);
    cr_expect_eq(find(&set, "[a06:606::]:1"), 5);
    free(set.nodes);
}

Test(prefix, zones_do_not_matter)
{
    const struct prefix prefixes[] = {parsed("fe80::/10")};
    struct prefix_set set = make(prefixes, 1);
    struct addr addr = address("[fe80::1%lo]:5");
    cr_expect_neq(addr.scope, 0);
    cr_expect_eq(prefix_set_find(&set, &addr), 0);
    cr_expect(prefix_covers(&prefixes[0], &addr));
    free(set.nodes);
}

Test(prefix, families_are_apart)
{
    const struct prefix prefixes[] = {parsed("::/0"), parsed("::10.0.0.0/104")};
    struct prefix_set set = make(prefixes, 2);
    cr_expect_eq(find(&set, "10.0.0.1:1"), PREFIX_NONE, "::/0 is of IPv6");
    free(set.nodes);
    const struct prefix four[] = {parsed("0.0.0.0/0")};
    set = make(four, 1);
    cr_expect_eq(find(&set, "[::]:1"), PREFIX_NONE);
    cr_expect_eq(find(&set, "[::10.0.0.1]:1"), PREFIX_NONE);
    cr_expect_eq(find(&set, "10.0.0.1:1"), 0);
    free(set.nodes);
}

Test(prefix, the_first_of_two_equal_ones_counts)
{
    const struct prefix prefixes[] = {
        parsed("192.0.2.0/24"),         parsed("192.0.3.0/24"),
        parsed("::ffff:192.0.2.0/120"), parsed("192.0.2.0/23"), /* where there is a fork already */
        parsed("192.0.2.0/23"),
    };
    struct prefix_set set = make(prefixes, 5);
    cr_expect_eq(find(&set, "192.0.2.9:1"), 0);
    cr_expect_eq(find(&set, "192.0.3.9:1"), 1);
    cr_expect_eq(set.count, 4, "nothing, two leaves, and the fork that became a prefix");
    free(set.nodes);
    const struct prefix short_ones[] = {parsed("192.0.2.0/24"), parsed("192.0.3.0/24"),
                                        parsed("192.0.2.0/23"), parsed("192.0.2.0/23")};
    set = make(short_ones, 4);
    cr_expect_eq(set.nodes[set.roots[0]].number, 2);
    free(set.nodes);
}

/* Held against a plain comparison, on numbers that look random. */

static uint64_t state;

/* xorshift64: the same sequence on every machine. */
static uint64_t random_number(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* Near to others: each byte is one of few, so that lengths of all kinds meet. */
static void random_bytes(uint8_t bytes[16], sa_family_t family)
{
    memset(bytes, 0, 16);
    for (unsigned i = 0; i < (family == AF_INET ? 4U : 16U); i++) {
        static const uint8_t few[] = {0, 1, 0x80, 0xff};
        uint64_t number = random_number();
        bytes[i] = number % 8 == 0 ? (uint8_t)(number >> 8) : few[number >> 8 & 3];
    }
}

static struct prefix random_prefix(void)
{
    struct prefix prefix = {.family = random_number() & 1 ? AF_INET : AF_INET6};
    unsigned bits = prefix.family == AF_INET ? 32 : 128;
    random_bytes(prefix.bytes, prefix.family);
    prefix.length = (uint8_t)(random_number() % (bits + 1));
    if (random_number() % 16 == 0)
        prefix.length = random_number() & 1 ? 0 : (uint8_t)bits;
    for (unsigned i = prefix.length; i < 128; i++)
        prefix.bytes[i / 8] &= (uint8_t) ~(1U << (7 - i % 8));
    return prefix;
}

/* Within one of the prefixes, or next to it, or anywhere. */
static struct addr random_address(const struct prefix *prefixes, uint32_t count)
{
    const struct prefix *prefix = &prefixes[random_number() % count];
    struct addr addr = {.family = prefix->family, .port = 7};
    unsigned length = random_number() % 8 == 0 ? 0 : prefix->length;
    random_bytes(addr.bytes, addr.family);
    for (unsigned i = 0; i < length; i++) {
        uint8_t mask = (uint8_t)(1U << (7 - i % 8));
        addr.bytes[i / 8] = (uint8_t)((addr.bytes[i / 8] & ~mask) | (prefix->bytes[i / 8] & mask));
    }
    if (length > 0 && random_number() % 4 == 0) {
        unsigned bit = (unsigned)(random_number() % length);
        addr.bytes[bit / 8] ^= (uint8_t)(1U << (7 - bit % 8));
    }
    return addr;
}

/* An IPv4 prefix may be written as one of IPv6, and means the same. */
static struct prefix written_mapped(const struct prefix *prefix)
{
    char host[INET_ADDRSTRLEN], text[PREFIX_TEXT_MAX];
    inet_ntop(AF_INET, prefix->bytes, host, sizeof host);
    snprintf(text, sizeof text, "::ffff:%s/%u", host, 96U + prefix->length);
    return parsed(text);
}

/* As many as there may be; every other one that can be is written mapped. */
static uint32_t random_prefixes(struct prefix *prefixes, uint32_t most)
{
    uint32_t count = (uint32_t)(1 + random_number() % most);
    for (uint32_t i = 0; i < count; i++) {
        prefixes[i] = random_prefix();
        if (prefixes[i].family == AF_INET && random_number() & 1)
            prefixes[i] = written_mapped(&prefixes[i]);
    }
    return count;
}

/* IPv4, IPv6, and IPv4 that comes mapped, as a listener of both families has it. */
Test(prefix, a_million_random_pairs)
{
    enum { SETS = 2500, MOST = 60, ADDRESSES = 400 };
    struct prefix prefixes[MOST];
    unsigned found[3] = {0}, asked[3] = {0};
    state = 0x9e3779b97f4a7c15;
    for (unsigned i = 0; i < SETS; i++) {
        uint32_t count = random_prefixes(prefixes, MOST);
        struct prefix_set set = make(prefixes, count);
        for (unsigned j = 0; j < ADDRESSES; j++) {
            struct addr addr = random_address(prefixes, count);
            bool mapped = addr.family == AF_INET && random_number() & 1;
            struct addr accepted = naive_accepted(&addr, mapped);
            uint32_t number = prefix_set_find(&set, &accepted);
            cr_assert_eq(number, naive_find(prefixes, count, &addr), "set %u, address %u", i, j);
            const struct prefix *one = &prefixes[j % count];
            cr_assert_eq(prefix_covers(one, &accepted), naive_covers(one, &addr));
            unsigned kind = mapped ? 2 : addr.family == AF_INET6;
            asked[kind]++;
            found[kind] += number != PREFIX_NONE;
        }
        free(set.nodes);
    }
    for (unsigned kind = 0; kind < 3; kind++) {
        cr_expect_gt(asked[kind], SETS * ADDRESSES / 5);
        cr_expect_gt(found[kind], asked[kind] / 4);
        cr_expect_lt(found[kind], asked[kind]);
    }
}

/* How many nodes a look-up may pass: the deepest path. */
static unsigned depth_of(const struct prefix_set *set, uint32_t node)
{
    if (node == 0)
        return 0;
    unsigned left = depth_of(set, set->nodes[node].children[0]);
    unsigned right = depth_of(set, set->nodes[node].children[1]);
    return 1 + (left > right ? left : right);
}

Test(prefix, a_hundred_thousand)
{
    enum { COUNT = 100000 };
    struct prefix *prefixes = calloc(COUNT, sizeof *prefixes);
    state = 42;
    for (uint32_t i = 0; i < COUNT; i++) {
        prefixes[i] = (struct prefix){.family = AF_INET, .length = 24};
        uint64_t number = random_number();
        memcpy(prefixes[i].bytes, &number, 3);
    }
    struct timespec before, after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    struct prefix_set set = make(prefixes, COUNT);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    double seconds =
        (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
    cr_expect_lt(seconds, 1, "%f s", seconds);
    cr_expect_leq(set.count, PREFIX_SET_NODES(COUNT));
    cr_expect_leq(depth_of(&set, set.roots[0]), 25);
    for (uint32_t i = 0; i < COUNT; i++) {
        struct addr addr = {.family = AF_INET};
        memcpy(addr.bytes, prefixes[i].bytes, 3);
        addr.bytes[3] = (uint8_t)i;
        uint32_t number = prefix_set_find(&set, &addr);
        cr_assert_leq(number, i, "itself, or an equal one before it");
        cr_assert_arr_eq(prefixes[number].bytes, prefixes[i].bytes, 4);
    }
    free(prefixes);
    free(set.nodes);
}
