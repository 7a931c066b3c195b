/* SPDX-License-Identifier: MIT */
#include "io/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define TCP_FLAGS 13 /* where they stand in the header of a segment (RFC 9293) */
#define TCP_SYN   0x02

static int set_flag(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value);
}

static int set_tcp_options(int fd, const struct addr *address, const char *interface,
                           struct error *error)
{
    if (address->family != AF_INET)
        set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, address->family == AF_INET6);
    if (set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1) || set_flag(fd, IPPROTO_TCP, TCP_NODELAY, 1))
        return error_set(error, errno, "cannot set the options of a socket");
    if (interface &&
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)strlen(interface) + 1))
        return error_set(error, errno, "cannot bind to the interface %s", interface);
    return 0;
}

static int bind_and_listen(int fd, const struct addr *address, int backlog, struct error *error)
{
    char text[ADDR_TEXT_MAX];
    struct sockaddr_storage storage;
    socklen_t length = addr_to_sockaddr(address, &storage);
    if (bind(fd, (struct sockaddr *)&storage, length) || listen(fd, backlog))
        return error_set(error, errno, "cannot listen on %s", addr_format(address, text));
    return 0;
}

static int close_failed(int fd)
{
    close(fd);
    return -1;
}

/* On a machine without IPv6, "every address of both families" is that of the one. */
static int open_socket(struct addr *address, struct error *error)
{
    int family = address->family == AF_UNSPEC ? AF_INET6 : address->family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 && errno == EAFNOSUPPORT && address->family == AF_UNSPEC) {
        address->family = AF_INET;
        fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    }
    return fd >= 0 ? fd : error_set(error, errno, "cannot make a socket");
}

static int listen_tcp(const struct addr *address, int backlog, const char *interface,
                      struct error *error)
{
    struct addr real = *address;
    int fd = open_socket(&real, error);
    if (fd < 0)
        return -1;
    if (set_tcp_options(fd, &real, interface, error) || bind_and_listen(fd, &real, backlog, error))
        return close_failed(fd);
    return fd;
}

/* Whether nobody serves the socket file any more: connecting is refused. */
static bool is_abandoned(const struct sockaddr_storage *storage, socklen_t length)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool refused =
        fd >= 0 && connect(fd, (const struct sockaddr *)storage, length) && errno == ECONNREFUSED;
    if (fd >= 0)
        close(fd);
    return refused;
}

/* Makes way for our socket.  Nothing but an abandoned socket is ever removed. */
static int clear_path(const struct addr *address, struct error *error)
{
    struct stat status;
    struct sockaddr_storage storage;
    socklen_t length = addr_to_sockaddr(address, &storage);
    if (lstat(address->path, &status))
        return errno == ENOENT ? 0 : error_set(error, errno, "cannot look at %s", address->path);
    if (!S_ISSOCK(status.st_mode))
        return error_set(error, EADDRINUSE, "%s exists and is not a socket", address->path);
    if (!is_abandoned(&storage, length))
        return error_set(error, EADDRINUSE, "another server listens on %s", address->path);
    if (unlink(address->path))
        return error_set(error, errno, "cannot remove the abandoned socket %s", address->path);
    return 0;
}

/* The file has its mode from the first moment: fchmod before bind counts for the file (unix(7)). */
static int listen_unix(const struct addr *address, int backlog, mode_t mode, struct error *error)
{
    struct addr copy = *address;
    if (clear_path(address, error))
        return -1;
    int fd = open_socket(&copy, error);
    if (fd < 0)
        return -1;
    mode_t before = umask(0);
    int failed = fchmod(fd, mode) ? error_set(error, errno, "cannot set the mode of a socket")
                                  : bind_and_listen(fd, address, backlog, error);
    umask(before);
    return failed ? close_failed(fd) : fd;
}

int sock_listen(const struct addr *address, int backlog, const char *interface, mode_t mode,
                struct error *error)
{
    if (address->family == AF_UNIX)
        return listen_unix(address, backlog, mode, error);
    return listen_tcp(address, backlog, interface, error);
}

/* It is asked for each segment that arrives, and begins to read at the TCP header. */
int sock_stop_beginnings(int fd, bool yes)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, TCP_FLAGS),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, TCP_SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    return yes ? setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program)
               : set_flag(fd, SOL_SOCKET, SO_DETACH_FILTER, 0);
}

void sock_limit_unsent(int fd)
{
    set_flag(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, SOCK_UNSENT_MAX);
}

void sock_local(int fd, struct addr *address)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof storage;
    getsockname(fd, (struct sockaddr *)&storage, &length);
    addr_from_sockaddr(address, &storage);
}

void sock_peer(int fd, struct addr *address)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof storage;
    getpeername(fd, (struct sockaddr *)&storage, &length);
    addr_from_sockaddr(address, &storage);
}

void sock_reset_at_close(int fd)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

void sock_reset(int fd)
{
    sock_reset_at_close(fd);
    close(fd);
}
