/* SPDX-License-Identifier: MIT */
#include "traffic/target.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define SOURCES      32          /* addresses */
#define SOURCE_FIRST 0x7f000101u /* 127.0.1.1 */

/* Names go into JSON as they are. */
static bool is_plain(const char *text)
{
    for (; *text; text++)
        if (!isgraph((unsigned char)*text) || *text == '"' || *text == '\\')
            return false;
    return true;
}

static int parse_unix(struct target *target, const char *path)
{
    struct sockaddr_un *address = (struct sockaddr_un *)&target->address;
    if (*path != '/' || strlen(path) >= sizeof address->sun_path)
        return -1;
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, strlen(path) + 1);
    target->length = sizeof *address;
    return 0;
}

static int parse_port(const char *text, in_port_t *port)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || value == 0 || value > 65535)
        return -1;
    *port = htons((in_port_t)value);
    return 0;
}

static int parse_ipv6(struct target *target, const char *host, const char *port)
{
    struct sockaddr_in6 *address = (struct sockaddr_in6 *)&target->address;
    address->sin6_family = AF_INET6;
    target->length = sizeof *address;
    if (inet_pton(AF_INET6, host, &address->sin6_addr) != 1)
        return -1;
    return parse_port(port, &address->sin6_port);
}

static int parse_ipv4(struct target *target, const char *host, const char *port)
{
    struct sockaddr_in *address = (struct sockaddr_in *)&target->address;
    address->sin_family = AF_INET;
    target->length = sizeof *address;
    if (inet_pton(AF_INET, host, &address->sin_addr) != 1)
        return -1;
    return parse_port(port, &address->sin_port);
}

static int parse_address(struct target *target, const char *text)
{
    char host[TARGET_TEXT_MAX];
    const char *colon = strrchr(text, ':');
    if (!strncmp(text, "unix:", 5))
        return parse_unix(target, text + 5);
    if (!colon || colon == text)
        return -1;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    if (*host != '[')
        return parse_ipv4(target, host, colon + 1);
    if (colon[-1] != ']')
        return -1;
    host[colon - text - 1] = '\0';
    return parse_ipv6(target, host + 1, colon + 1);
}

int target_parse(struct target *target, const char *text)
{
    const char *colon = strchr(text, ':');
    *target = (struct target){0};
    if (!colon || strlen(text) >= sizeof target->text || !is_plain(text))
        return -1;
    memcpy(target->text, text, strlen(text) + 1);
    target->dialogue = dialogue_find(text, (size_t)(colon - text));
    return target->dialogue ? parse_address(target, colon + 1) : -1;
}

static bool is_loopback(const struct target *target)
{
    const struct sockaddr_in *address = (const struct sockaddr_in *)&target->address;
    return address->sin_family == AF_INET && ntohl(address->sin_addr.s_addr) >> 24 == 127;
}

/* Without a port: it is chosen at connect(2), when it need only be unique for that server. */
static int choose_source(int fd, uint64_t number)
{
    int one = 1;
    struct sockaddr_in source = {.sin_family = AF_INET};
    source.sin_addr.s_addr = htonl(SOURCE_FIRST + (uint32_t)(number % SOURCES));
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    return bind(fd, (const struct sockaddr *)&source, sizeof source);
}

int target_socket(const struct target *target)
{
    int fd = socket(target->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && is_loopback(target) && choose_source(fd, target->opened)) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}
