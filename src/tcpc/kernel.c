/* SPDX-License-Identifier: MIT */
#include "tcpc/kernel.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* By the numbers of the kernel, which linux/tcp.h does not name. */
static const enum state states[] = {
    [1] = STATE_ESTABLISHED, [2] = STATE_SYN_SENT,  [3] = STATE_SYN_RCVD, [4] = STATE_FIN_WAIT_1,
    [5] = STATE_FIN_WAIT_2,  [6] = STATE_TIME_WAIT, [7] = STATE_CLOSED,   [8] = STATE_CLOSE_WAIT,
    [9] = STATE_LAST_ACK,    [11] = STATE_CLOSING,
};

static enum state state_of(unsigned number)
{
    return number < sizeof states / sizeof *states ? states[number] : STATE_UNKNOWN;
}

bool kernel_ask(int socket, struct kernel *kernel)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    *kernel = (struct kernel){.state = STATE_UNKNOWN};
    if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
        return false;
    *kernel = (struct kernel){
        .state = state_of(info.tcpi_state),
        .rtt = info.tcpi_rtt,
        .rtt_variance = info.tcpi_rttvar,
        .retransmits = info.tcpi_total_retrans,
        .segments_out = info.tcpi_segs_out,
        .segments_in = info.tcpi_segs_in,
        .bytes_out = info.tcpi_bytes_sent - info.tcpi_bytes_retrans,
        .bytes_in = info.tcpi_bytes_received,
    };
    return true;
}
