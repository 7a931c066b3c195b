/* SPDX-License-Identifier: MIT */
#include "io/prefix.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAPPED_BITS 96 /* of ::ffff:0:0/96 */

static unsigned bits_of(sa_family_t family)
{
    return family == AF_INET ? 32 : 128;
}

/* Keys. */

static struct prefix_key key_of(const uint8_t bytes[static 16])
{
    struct prefix_key key;
    memcpy(&key.high, bytes, sizeof key.high);
    memcpy(&key.low, bytes + sizeof key.high, sizeof key.low);
    return (struct prefix_key){be64toh(key.high), be64toh(key.low)};
}

/* The upper `length` bits of 64. */
static uint64_t upper(uint64_t bits, unsigned length)
{
    return length == 0 ? 0 : bits & (UINT64_MAX << (64 - length));
}

static struct prefix_key key_cut(struct prefix_key key, unsigned length)
{
    return (struct prefix_key){upper(key.high, length < 64 ? length : 64),
                               upper(key.low, length > 64 ? length - 64 : 0)};
}

/* How many bits both begin with; 128: all. */
static unsigned key_common(struct prefix_key a, struct prefix_key b)
{
    if (a.high != b.high)
        return (unsigned)__builtin_clzll(a.high ^ b.high);
    return a.low != b.low ? 64 + (unsigned)__builtin_clzll(a.low ^ b.low) : 128;
}

/* The bit behind the first `length`, which are less than 128. */
static unsigned key_bit(struct prefix_key key, unsigned length)
{
    uint64_t half = length < 64 ? key.high : key.low;
    return half >> (63 - length % 64) & 1;
}

/* Text. */

/* Behind the slash; -1: no number from 0 to most. */
static int parse_length(const char *text, unsigned most)
{
    size_t digits = strspn(text, "0123456789");
    bool padded = text[0] == '0' && digits > 1;
    if (digits == 0 || digits > 3 || padded || text[digits] != '\0')
        return -1;
    int length = atoi(text);
    return length <= (int)most ? length : -1;
}

static sa_family_t parse_host(const char *host, uint8_t bytes[static 16])
{
    memset(bytes, 0, 16);
    if (inet_pton(AF_INET, host, bytes) == 1)
        return AF_INET;
    return inet_pton(AF_INET6, host, bytes) == 1 ? AF_INET6 : AF_UNSPEC;
}

/* What is wholly within ::ffff:0:0/96 is IPv4. */
static void unmap(struct prefix *prefix)
{
    struct in6_addr in6;
    memcpy(&in6, prefix->bytes, sizeof in6);
    if (prefix->family != AF_INET6 || prefix->length < MAPPED_BITS || !IN6_IS_ADDR_V4MAPPED(&in6))
        return;
    memmove(prefix->bytes, prefix->bytes + 12, 4);
    memset(prefix->bytes + 4, 0, 12);
    prefix->family = AF_INET;
    prefix->length = (uint8_t)(prefix->length - MAPPED_BITS);
}

/* Clears what stands behind the length; whether there was something. */
static bool cut(struct prefix *prefix)
{
    struct prefix_key key = key_of(prefix->bytes);
    struct prefix_key rest = key_cut(key, prefix->length);
    uint64_t bytes[2] = {htobe64(rest.high), htobe64(rest.low)};
    memcpy(prefix->bytes, bytes, sizeof prefix->bytes);
    return key.high != rest.high || key.low != rest.low;
}

static int refuse(const char *text, struct error *error)
{
    if (strchr(text, '%') != NULL)
        return error_set(error, 0, "\"%.64s\": a prefix has no zone: remove it from \"%%\" on",
                         text);
    return error_set(error, 0,
                     "\"%.64s\" is no prefix: write \"10.0.0.0/8\", \"2001:db8::/32\" or an "
                     "address alone",
                     text);
}

int prefix_parse(struct prefix *prefix, const char *text, struct error *error)
{
    char host[INET6_ADDRSTRLEN], right[PREFIX_TEXT_MAX];
    size_t length = strcspn(text, "/");
    if (length >= sizeof host)
        return refuse(text, error);
    memcpy(host, text, length);
    host[length] = '\0';
    prefix->family = parse_host(host, prefix->bytes);
    if (prefix->family == AF_UNSPEC)
        return refuse(text, error);
    unsigned most = bits_of(prefix->family);
    int bits = text[length] == '/' ? parse_length(text + length + 1, most) : (int)most;
    if (bits < 0)
        return error_set(error, 0, "\"%.64s\" does not end in a length from 0 to %u", text, most);
    prefix->length = (uint8_t)bits;
    bool too_long = cut(prefix);
    unmap(prefix);
    if (too_long)
        return error_set(error, 0, "\"%.64s\" has bits set behind its first %d: the prefix is %s",
                         text, bits, prefix_format(prefix, right));
    return 0;
}

const char *prefix_format(const struct prefix *prefix, char buffer[static PREFIX_TEXT_MAX])
{
    char host[INET6_ADDRSTRLEN];
    inet_ntop(prefix->family, prefix->bytes, host, sizeof host);
    if (prefix->length == bits_of(prefix->family))
        snprintf(buffer, PREFIX_TEXT_MAX, "%s", host);
    else
        snprintf(buffer, PREFIX_TEXT_MAX, "%s/%u", host, prefix->length);
    return buffer;
}

bool prefix_covers(const struct prefix *prefix, const struct addr *address)
{
    return prefix->family == address->family &&
           key_common(key_of(prefix->bytes), key_of(address->bytes)) >= prefix->length;
}

/* Sets. */

static uint32_t new_node(struct prefix_set *set, struct prefix_key key, unsigned length,
                         uint32_t number)
{
    set->nodes[set->count] =
        (struct prefix_node){.key = key, .number = number, .length = (uint8_t)length};
    return set->count++;
}

void prefix_set_init(struct prefix_set *set, struct prefix_node *nodes)
{
    *set = (struct prefix_set){.nodes = nodes};
    new_node(set, (struct prefix_key){0, 0}, 0, PREFIX_NONE);
}

/*
 * Puts the prefix above a node with which it shares only `common` bits: in the node's place if
 * it is that short, or else beside the node, below a fork.  Returns the new top.
 */
static uint32_t put_above(struct prefix_set *set, uint32_t node, unsigned common,
                          const struct prefix_node *prefix)
{
    uint32_t added = new_node(set, prefix->key, prefix->length, prefix->number);
    uint32_t top = added;
    if (common < prefix->length) {
        top = new_node(set, key_cut(prefix->key, common), common, PREFIX_NONE);
        set->nodes[top].children[key_bit(prefix->key, common)] = added;
    }
    set->nodes[top].children[key_bit(set->nodes[node].key, common)] = node;
    return top;
}

static unsigned shorter(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

void prefix_set_add(struct prefix_set *set, const struct prefix *prefix, uint32_t number)
{
    const struct prefix_node added = {
        .key = key_of(prefix->bytes), .number = number, .length = prefix->length};
    uint32_t *link = &set->roots[prefix->family != AF_INET];
    while (*link != 0) {
        struct prefix_node *node = &set->nodes[*link];
        unsigned common =
            shorter(key_common(node->key, added.key), shorter(node->length, added.length));
        if (common < node->length) {
            *link = put_above(set, *link, common, &added);
            return;
        }
        if (node->length == added.length) {
            node->number = node->number == PREFIX_NONE ? number : node->number;
            return;
        }
        link = &node->children[key_bit(added.key, common)];
    }
    *link = new_node(set, added.key, added.length, number);
}

uint32_t prefix_set_find(const struct prefix_set *set, const struct addr *address)
{
    uint32_t found = PREFIX_NONE;
    if (address->family != AF_INET && address->family != AF_INET6)
        return found;
    unsigned bits = bits_of(address->family);
    struct prefix_key key = key_of(address->bytes);
    uint32_t next = set->roots[address->family != AF_INET];
    while (next != 0) {
        const struct prefix_node *node = &set->nodes[next];
        if (key_common(node->key, key) < node->length)
            break;
        if (node->number != PREFIX_NONE)
            found = node->number;
        next = node->length < bits ? node->children[key_bit(key, node->length)] : 0;
    }
    return found;
}
