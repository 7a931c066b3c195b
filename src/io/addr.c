/* SPDX-License-Identifier: MIT */
#include "io/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static int parse_port(struct addr *addr, const char *text, const char *whole, struct error *error)
{
    size_t length = strlen(text);
    if (length == 0 || length > 5 || strspn(text, "0123456789") != length || atoi(text) > 65535)
        return error_set(error, 0, "\"%.100s\" does not end in a port from 0 to 65535", whole);
    addr->port = (uint16_t)atoi(text);
    return 0;
}

static int parse_unix(struct addr *addr, const char *path, struct error *error)
{
    struct sockaddr_un un;
    if (path[0] != '/')
        return error_set(error, 0, "\"unix:%.100s\" is not an absolute path", path);
    if (strlen(path) >= sizeof un.sun_path)
        return error_set(error, 0, "the path of a unix socket has at most %zu bytes, this has %zu",
                         sizeof un.sun_path - 1, strlen(path));
    addr->family = AF_UNIX;
    addr->path = path;
    return 0;
}

static int parse_scope(struct addr *addr, const char *zone, const char *whole, struct error *error)
{
    addr->scope = if_nametoindex(zone);
    if (!addr->scope)
        return error_set(error, 0, "\"%.100s\" names an interface that does not exist", whole);
    return 0;
}

/* What inet_pton maps, ::ffff:1.2.3.4, is the IPv4 address. */
static void set_ipv6(struct addr *addr, const struct in6_addr *in6)
{
    if (IN6_IS_ADDR_V4MAPPED(in6)) {
        addr->family = AF_INET;
        memcpy(addr->bytes, in6->s6_addr + 12, 4);
        return;
    }
    addr->family = AF_INET6;
    memcpy(addr->bytes, in6, sizeof *in6);
}

static int parse_ipv6(struct addr *addr, const char *text, struct error *error)
{
    char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 2];
    const char *end = strchr(text, ']');
    size_t length = end ? (size_t)(end - text - 1) : 0;
    if (!end || end[1] != ':' || length >= sizeof host)
        return error_set(error, 0, "\"%.100s\" is not [IPv6]:PORT", text);
    memcpy(host, text + 1, length);
    host[length] = '\0';
    char *zone = strchr(host, '%');
    if (zone)
        *zone++ = '\0';
    struct in6_addr in6;
    if (inet_pton(AF_INET6, host, &in6) != 1)
        return error_set(error, 0, "\"%.100s\" does not hold an IPv6 address", text);
    set_ipv6(addr, &in6);
    if (zone && addr->family == AF_INET)
        return error_set(error, 0,
                         "\"%.100s\": an IPv4 address has no zone: remove it from "
                         "\"%%\" to the bracket",
                         text);
    if (zone && parse_scope(addr, zone, text, error))
        return -1;
    return parse_port(addr, end + 2, text, error);
}

static int parse_ipv4(struct addr *addr, const char *text, struct error *error)
{
    char host[INET_ADDRSTRLEN];
    const char *colon = strchr(text, ':');
    if (!colon)
        return error_set(
            error, 0, "\"%.100s\" has no port: write IPv4:PORT, [IPv6]:PORT, :PORT or unix:/path",
            text);
    size_t length = (size_t)(colon - text);
    struct in_addr in = {0};
    if (strchr(colon + 1, ':'))
        return error_set(error, 0, "\"%.100s\": an IPv6 address stands in brackets: [IPv6]:PORT",
                         text);
    if (length < sizeof host) {
        memcpy(host, text, length);
        host[length] = '\0';
    }
    if (length >= sizeof host || inet_pton(AF_INET, host, &in) != 1)
        return error_set(
            error, 0, "\"%.100s\" does not hold an IPv4 address (names are not looked up)", text);
    addr->family = AF_INET;
    memcpy(addr->bytes, &in, sizeof in);
    return parse_port(addr, colon + 1, text, error);
}

int addr_parse(struct addr *addr, const char *text, struct error *error)
{
    *addr = (struct addr){.family = AF_UNSPEC};
    if (strncmp(text, "unix:", 5) == 0)
        return parse_unix(addr, text + 5, error);
    if (text[0] == '[')
        return parse_ipv6(addr, text, error);
    if (text[0] == ':' && !strchr(text + 1, ':'))
        return parse_port(addr, text + 1, text, error);
    return parse_ipv4(addr, text, error);
}

static void format_ipv6(const struct addr *addr, char *buffer)
{
    char host[INET6_ADDRSTRLEN];
    char zone[IF_NAMESIZE + 1] = "%";
    inet_ntop(AF_INET6, addr->bytes, host, sizeof host);
    if (!addr->scope)
        zone[0] = '\0';
    else if (!if_indextoname(addr->scope, zone + 1))
        snprintf(zone + 1, IF_NAMESIZE, "%u", addr->scope);
    snprintf(buffer, ADDR_TEXT_MAX, "[%s%s]:%u", host, zone, addr->port);
}

/* Decimal digits of n, which is below 65536; returns the end. */
static char *put_number(char *at, unsigned n)
{
    char digits[5];
    int count = 0;
    do
        digits[count++] = (char)('0' + n % 10);
    while ((n /= 10) != 0);
    while (count > 0)
        *at++ = digits[--count];
    return at;
}

/* By hand: each line of the access log has two of them. */
static void format_ipv4(const struct addr *addr, char *buffer)
{
    char *at = buffer;
    for (int i = 0; i < 4; i++) {
        at = put_number(at, addr->bytes[i]);
        *at++ = i < 3 ? '.' : ':';
    }
    *put_number(at, addr->port) = '\0';
}

const char *addr_format(const struct addr *addr, char buffer[static ADDR_TEXT_MAX])
{
    switch (addr->family) {
    case AF_INET:
        format_ipv4(addr, buffer);
        break;
    case AF_INET6:
        format_ipv6(addr, buffer);
        break;
    case AF_UNIX:
        snprintf(buffer, ADDR_TEXT_MAX, "unix:%s", addr->path ? addr->path : "");
        break;
    default:
        snprintf(buffer, ADDR_TEXT_MAX, ":%u", addr->port);
    }
    return buffer;
}

static socklen_t to_unix(const struct addr *addr, struct sockaddr_storage *storage)
{
    struct sockaddr_un *un = (struct sockaddr_un *)storage;
    un->sun_family = AF_UNIX;
    if (addr->path)
        memcpy(un->sun_path, addr->path, strnlen(addr->path, sizeof un->sun_path - 1));
    return sizeof *un;
}

static socklen_t to_ipv4(const struct addr *addr, struct sockaddr_storage *storage)
{
    struct sockaddr_in *in = (struct sockaddr_in *)storage;
    in->sin_family = AF_INET;
    in->sin_port = htons(addr->port);
    memcpy(&in->sin_addr, addr->bytes, sizeof in->sin_addr);
    return sizeof *in;
}

static socklen_t to_ipv6(const struct addr *addr, struct sockaddr_storage *storage)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)storage;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(addr->port);
    in6->sin6_scope_id = addr->scope;
    memcpy(&in6->sin6_addr, addr->bytes, sizeof in6->sin6_addr);
    return sizeof *in6;
}

socklen_t addr_to_sockaddr(const struct addr *addr, struct sockaddr_storage *storage)
{
    memset(storage, 0, sizeof *storage);
    switch (addr->family) {
    case AF_UNIX:
        return to_unix(addr, storage);
    case AF_INET:
        return to_ipv4(addr, storage);
    default: /* AF_UNSPEC has no bytes set: [::] */
        return to_ipv6(addr, storage);
    }
}

void addr_from_sockaddr(struct addr *addr, const struct sockaddr_storage *storage)
{
    *addr = (struct addr){.family = storage->ss_family};
    if (storage->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)storage;
        addr->port = ntohs(in->sin_port);
        memcpy(addr->bytes, &in->sin_addr, sizeof in->sin_addr);
    } else if (storage->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)storage;
        addr->port = ntohs(in6->sin6_port);
        addr->scope = in6->sin6_scope_id;
        set_ipv6(addr, &in6->sin6_addr);
    }
}

bool addr_equal(const struct addr *a, const struct addr *b)
{
    if (a->family != b->family)
        return false;
    if (a->family == AF_UNIX)
        return a->path && b->path && strcmp(a->path, b->path) == 0;
    return a->port == b->port && a->scope == b->scope && memcmp(a->bytes, b->bytes, 16) == 0;
}

bool addr_is_wildcard(const struct addr *addr)
{
    static const uint8_t zero[16];
    return addr->family != AF_UNIX && memcmp(addr->bytes, zero, sizeof zero) == 0;
}

bool addr_clash(const struct addr *a, const struct addr *b)
{
    if (a->family == AF_UNIX || b->family == AF_UNIX)
        return addr_equal(a, b);
    if (a->port != b->port || a->port == 0)
        return false;
    if (a->family == AF_UNSPEC || b->family == AF_UNSPEC)
        return true;
    if (a->family != b->family)
        return false;
    return addr_is_wildcard(a) || addr_is_wildcard(b) || addr_equal(a, b);
}
