/* SPDX-License-Identifier: MIT */
#include "tcpc/target.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_ipv6(const char *text, size_t length)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr ignored;
    size_t plain = strcspn(text, "%"); /* a zone may follow: fe80::1%eth0 */
    if (plain > length)
        plain = length;
    if (plain >= sizeof copy)
        return false;
    memcpy(copy, text, plain);
    copy[plain] = '\0';
    return inet_pton(AF_INET6, copy, &ignored) == 1;
}

static int set_host(struct target *target, const char *host, size_t length, struct error *error)
{
    if (length == 0)
        return error_set(error, 0, "the host is empty: name one, as in localhost:7");
    if (length >= sizeof target->host)
        return error_set(error, 0, "the host \"%.40s…\" is too long: at most %d characters", host,
                         TARGET_HOST_MAX - 1);
    if (memchr(host, ':', length) && !is_ipv6(host, length))
        return error_set(error, 0,
                         "\"%.*s\" is neither a name nor an IPv6 address: write HOST PORT, "
                         "HOST:PORT or [IPv6]:PORT",
                         (int)length, host);
    memcpy(target->host, host, length);
    target->host[length] = '\0';
    return 0;
}

/* Digits are a number and nothing else, or the resolver would cut 65616 down to 80. */
static int check_number(const char *port, struct error *error)
{
    long number = strtol(port, NULL, 10); /* too many digits: LONG_MAX */
    if (number < 1 || number > 65535)
        return error_set(error, 0, "the port %s is not between 1 and 65535", port);
    return 0;
}

static int set_port(struct target *target, const char *port, struct error *error)
{
    size_t length = strlen(port);
    if (length == 0)
        return error_set(error, 0, "the port is empty: write a number, as in localhost:7");
    if (length >= sizeof target->port)
        return error_set(error, 0, "the port \"%.40s…\" is too long", port);
    for (const char *c = port; *c; c++) {
        if (!isalnum((unsigned char)*c) && !strchr("-_.+", *c))
            return error_set(error, 0, "\"%s\" is no port: write a number from 1 to 65535", port);
    }
    memcpy(target->port, port, length + 1);
    if (port[strspn(port, "0123456789")] == '\0')
        return check_number(port, error);
    if (!isalpha((unsigned char)port[0]))
        return error_set(error, 0, "\"%s\" is no port: write a number from 1 to 65535", port);
    return 0;
}

static int parse_pair(struct target *target, const char *host, const char *port,
                      struct error *error)
{
    size_t length = strlen(host);
    if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
        host++;
        length -= 2;
    }
    if (set_host(target, host, length, error))
        return -1;
    return set_port(target, port, error);
}

static int parse_bracketed(struct target *target, const char *text, struct error *error)
{
    const char *end = strchr(text, ']');
    if (!end || end[1] != ':')
        return error_set(error, 0, "\"%s\" lacks its port: write [IPv6]:PORT", text);
    if (!is_ipv6(text + 1, (size_t)(end - text - 1)))
        return error_set(error, 0, "\"%.*s\" is not an IPv6 address", (int)(end - text - 1),
                         text + 1);
    if (set_host(target, text + 1, (size_t)(end - text - 1), error))
        return -1;
    return set_port(target, end + 2, error);
}

static int parse_single(struct target *target, const char *text, struct error *error)
{
    if (text[0] == '[')
        return parse_bracketed(target, text, error);
    const char *colon = strrchr(text, ':');
    if (!colon)
        return error_set(error, 0, "\"%s\" lacks its port: write HOST PORT or HOST:PORT", text);
    if (is_ipv6(text, strlen(text)))
        return error_set(error, 0,
                         "\"%s\" lacks its port, or its brackets: write HOST PORT or [IPv6]:PORT",
                         text);
    if (set_host(target, text, (size_t)(colon - text), error))
        return -1;
    return set_port(target, colon + 1, error);
}

int target_parse(struct target *target, int count, char *const *arguments, struct error *error)
{
    *target = (struct target){.path = NULL};
    if (count < 1)
        return error_set(error, 0, "no host and port: write HOST PORT or HOST:PORT");
    if (count > 2)
        return error_set(error, 0, "\"%s\" is one argument too many: write HOST PORT or HOST:PORT",
                         arguments[2]);
    if (count == 2)
        return parse_pair(target, arguments[0], arguments[1], error);
    if (strncmp(arguments[0], "unix:", 5) != 0)
        return parse_single(target, arguments[0], error);
    target->path = arguments[0] + 5;
    return 0;
}

const char *target_format(const struct target *target, char buffer[static TARGET_TEXT_MAX])
{
    if (target->path)
        snprintf(buffer, TARGET_TEXT_MAX, "unix:%s", target->path);
    else
        snprintf(buffer, TARGET_TEXT_MAX, "%s port %s", target->host, target->port);
    return buffer;
}
