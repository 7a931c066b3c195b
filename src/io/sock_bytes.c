/* SPDX-License-Identifier: MIT */
/* A file of its own: the kernel's struct tcp_info has more than that of libc's <netinet/tcp.h>. */
#include "io/sock.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

/* States of RFC 9293 as the kernel counts them; <netinet/tcp.h> has these names. */
enum { FIN_WAIT2 = 5, TIME_WAIT = 6, CLOSE_WAIT = 8, LAST_ACK = 9, CLOSING = 11 };

int sock_bytes(int fd, uint64_t *received, uint64_t *sent)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    int unacknowledged = 0;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) ||
        ioctl(fd, SIOCOUTQ, &unacknowledged))
        return -1;
    unsigned state = info.tcpi_state;
    bool fin_came =
        state == CLOSE_WAIT || state == LAST_ACK || state == CLOSING || state == TIME_WAIT;
    bool fin_taken = state == FIN_WAIT2 || state == TIME_WAIT;
    *received = info.tcpi_bytes_received - fin_came;
    *sent = info.tcpi_bytes_acked + (uint64_t)unacknowledged - fin_taken;
    return 0;
}
