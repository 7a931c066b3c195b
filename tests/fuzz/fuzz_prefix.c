/* SPDX-License-Identifier: MIT */
/*
 * Lines that are prefixes or addresses or neither: what is a prefix is decided by plain means as
 * well, and the set of them answers as a comparison of bits does, for the addresses and for the
 * neighbours of each prefix.
 */
#include "fuzz.h"
#include "io/naive_prefix.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define MOST 48 /* prefixes, and addresses: each is held against each */

static struct {
    struct prefix prefixes[MOST];
    uint32_t prefix_count;
    struct addr addresses[MOST];
    uint32_t address_count;
} input;

/* Text. */

/* -1: it is none.  A number is what printf(3) writes. */
static int naive_length(const char *text, unsigned most)
{
    char again[16];
    if (!text)
        return (int)most;
    for (unsigned length = 0; length <= most; length++) {
        snprintf(again, sizeof again, "%u", length);
        if (strcmp(text, again) == 0)
            return (int)length;
    }
    return -1;
}

static bool naive_is_prefix(const char *text)
{
    uint8_t bytes[16];
    char host[INET6_ADDRSTRLEN];
    const char *slash = strchr(text, '/');
    size_t size = slash ? (size_t)(slash - text) : strlen(text);
    if (size >= sizeof host)
        return false;
    memcpy(host, text, size);
    host[size] = '\0';
    bool is_ipv4 = inet_pton(AF_INET, host, bytes) == 1;
    unsigned bits = is_ipv4 ? 32 : 128;
    if (!is_ipv4 && inet_pton(AF_INET6, host, bytes) != 1)
        return false;
    int length = naive_length(slash ? slash + 1 : NULL, bits);
    bool clean = length >= 0;
    for (unsigned i = (unsigned)length; clean && i < bits; i++)
        clean = !naive_bit(bytes, i);
    return clean;
}

static void check_text(const struct prefix *prefix)
{
    char text[PREFIX_TEXT_MAX], again[PREFIX_TEXT_MAX];
    struct prefix parsed;
    struct error error;
    must(prefix->family == AF_INET || prefix->family == AF_INET6);
    must(prefix->length <= (prefix->family == AF_INET ? 32 : 128));
    must(prefix_parse(&parsed, prefix_format(prefix, text), &error) == 0);
    must(parsed.family == prefix->family && parsed.length == prefix->length);
    must(memcmp(parsed.bytes, prefix->bytes, sizeof parsed.bytes) == 0);
    must(strcmp(prefix_format(&parsed, again), text) == 0);
}

static void take_prefix(const char *text)
{
    struct prefix prefix;
    struct error error = {0};
    bool is_one = prefix_parse(&prefix, text, &error) == 0;
    must(is_one == naive_is_prefix(text));
    must(is_one || error.text[0] != '\0');
    if (!is_one)
        return;
    check_text(&prefix);
    if (input.prefix_count < MOST)
        input.prefixes[input.prefix_count++] = prefix;
}

static void take_address(const char *text)
{
    char again[ADDR_TEXT_MAX];
    struct addr addr, parsed;
    struct error error = {0};
    if (addr_parse(&addr, text, &error) != 0) {
        must(error.text[0] != '\0');
        return;
    }
    if (addr.family == AF_UNIX)
        return;
    must(addr_parse(&parsed, addr_format(&addr, again), &error) == 0);
    must(addr_equal(&addr, &parsed));
    if (input.address_count < MOST && addr.family != AF_UNSPEC)
        input.addresses[input.address_count++] = addr;
}

/* In memory of just that size, so that the sanitizer sees what is read beyond it. */
static void take_line(const uint8_t *bytes, size_t length)
{
    char *text = malloc(length + 1);
    must(text);
    if (length > 0)
        memcpy(text, bytes, length);
    text[length] = '\0';
    take_prefix(text);
    take_address(text);
    free(text);
}

/* The set. */

/* Both ways to write an IPv4 address in IPv6 end as the very same one. */
static void ask(const struct prefix_set *set, const struct addr *addr)
{
    struct addr plain = naive_accepted(addr, false), mapped = naive_accepted(addr, true);
    must(addr_equal(&plain, &mapped));
    must(prefix_set_find(set, &plain) == naive_find(input.prefixes, input.prefix_count, &plain));
    for (uint32_t i = 0; i < input.prefix_count; i++)
        must(prefix_covers(&input.prefixes[i], &plain) == naive_covers(&input.prefixes[i], &plain));
}

/* Its first address and its last, and those beyond its last bit. */
static void ask_around(const struct prefix_set *set, const struct prefix *prefix)
{
    unsigned bits = prefix->family == AF_INET ? 32 : 128;
    struct addr first = {.family = prefix->family};
    memcpy(first.bytes, prefix->bytes, sizeof first.bytes);
    struct addr last = first;
    for (unsigned i = prefix->length; i < bits; i++)
        last.bytes[i / 8] |= (uint8_t)(1U << (7 - i % 8));
    ask(set, &first);
    ask(set, &last);
    if (prefix->length == 0)
        return;
    unsigned bit = prefix->length - 1U;
    first.bytes[bit / 8] ^= (uint8_t)(1U << (7 - bit % 8));
    last.bytes[bit / 8] ^= (uint8_t)(1U << (7 - bit % 8));
    ask(set, &first);
    ask(set, &last);
}

static void check_set(void)
{
    struct prefix_set set;
    struct prefix_node *nodes = calloc(PREFIX_SET_NODES(input.prefix_count), sizeof *nodes);
    must(nodes);
    prefix_set_init(&set, nodes);
    for (uint32_t i = 0; i < input.prefix_count; i++)
        prefix_set_add(&set, &input.prefixes[i], i);
    must(set.count <= PREFIX_SET_NODES(input.prefix_count));
    for (uint32_t i = 0; i < input.prefix_count; i++)
        ask_around(&set, &input.prefixes[i]);
    for (uint32_t i = 0; i < input.address_count; i++)
        ask(&set, &input.addresses[i]);
    free(nodes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    input.prefix_count = input.address_count = 0;
    while (size > 0) {
        const uint8_t *newline = memchr(bytes, '\n', size);
        size_t length = newline ? (size_t)(newline - bytes) : size;
        take_line(bytes, length);
        size_t used = length + (newline != NULL);
        bytes += used;
        size -= used;
    }
    check_set();
    return 0;
}
