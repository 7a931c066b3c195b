/* SPDX-License-Identifier: MIT */
/* What is done to sockets in more than one place. */
#ifndef TCPD_IO_SOCK_H
#define TCPD_IO_SOCK_H

#include "base/error.h"
#include "io/addr.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define SOCK_UNSENT_MAX (128 * 1024)

/*
 * A listening socket on *address: non-blocking, close-on-exec, SO_REUSEADDR,
 * IPV6_V6ONLY set one way or the other, and TCP_NODELAY, which accepted
 * sockets inherit (tcp(7)).  interface (SO_BINDTODEVICE) may be NULL.  A unix
 * socket's file gets `mode`; a file that a dead server has left there is
 * replaced, anything else is an error.  Returns the descriptor, which the caller
 * owns, or -1.
 */
int sock_listen(const struct addr *address, int backlog, const char *interface, mode_t mode,
                struct error *error);

/*
 * Of a TCP listener: with `yes`, no connection begins there any more, while those that have begun
 * still come into the queue and can be accepted (a filter that drops SYN, socket(7)); so nobody is
 * connected to a queue that closes.  Who tries meanwhile is refused when it has closed.
 * -1, with errno: the system does not let us (EPERM), and nothing has changed.
 */
int sock_stop_beginnings(int fd, bool yes);

/*
 * Of a TCP listener: the connections that begin there take no more than SOCK_UNSENT_MAX bytes that
 * the peer has no window for (TCP_NOTSENT_LOWAT, tcp(7)); the kernel's own bound is that of
 * tcp_wmem, megabytes for each peer that does not read.  Without effect on other sockets.
 */
void sock_limit_unsent(int fd);

/* The address that a socket is bound to (getsockname(2)), and the one that it is connected to. */
void sock_local(int fd, struct addr *address);
void sock_peer(int fd, struct addr *address);

/*
 * recv(2) and send(2) without blocking and without SIGPIPE.  Not by way of libc: there
 * each is a point where the thread could be cancelled, and getting ready for that takes
 * some thirty instructions a call, of the two hundred of a small request.
 */
static inline ssize_t sock_recv(int fd, void *bytes, size_t size)
{
    return syscall(SYS_recvfrom, fd, bytes, size, MSG_DONTWAIT, NULL, NULL);
}

static inline ssize_t sock_send(int fd, const void *bytes, size_t length)
{
    return syscall(SYS_sendto, fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
}

/*
 * What went over a connected TCP socket in all, whoever has read and written it: bytes that have
 * arrived, and bytes that were given to the kernel to send.  -1: it is no TCP socket.
 */
int sock_bytes(int fd, uint64_t *received, uint64_t *sent);

#define SOCK_PASS_MAX 256 /* bytes of one message */

/*
 * Sends one message over a SOCK_SEQPACKET socket pair without waiting, with a descriptor unless it
 * is -1, which stays the caller's.  -1 with errno.
 */
int sock_pass(int channel, const void *bytes, size_t length, int descriptor);

/*
 * Takes one without waiting: recvmsg(2).  *descriptor is what came along, close-on-exec and the
 * caller's, or -1; more than one never comes in.
 */
ssize_t sock_take(int channel, void *bytes, size_t size, int *descriptor);

/* Has the peer of a TCP socket get a reset when it is closed (SO_LINGER 0, socket(7)). */
void sock_reset_at_close(int fd);

/* Closes it that way. */
void sock_reset(int fd);

#endif
