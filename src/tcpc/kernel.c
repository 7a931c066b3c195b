/* SPDX-License-Identifier: MIT */
#include "tcpc/kernel.h"

#include <inttypes.h>
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

/* The kernel counts SYN and FIN as a byte each.  A FIN is acknowledged behind all the data. */
static uint64_t acknowledged(const struct tcp_info *info, uint64_t sent)
{
    uint64_t count = info->tcpi_bytes_acked ? info->tcpi_bytes_acked - 1 : 0;
    return count < sent ? count : sent;
}

bool kernel_ask(int socket, struct kernel *kernel)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    *kernel = (struct kernel){.state = STATE_UNKNOWN};
    if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
        return false;
    uint64_t bytes_out = info.tcpi_bytes_sent - info.tcpi_bytes_retrans;
    *kernel = (struct kernel){
        .state = state_of(info.tcpi_state),
        .rtt = info.tcpi_rtt,
        .rtt_variance = info.tcpi_rttvar,
        .rtt_least = info.tcpi_min_rtt,
        .retransmits = info.tcpi_total_retrans,
        .bytes_again = info.tcpi_bytes_retrans,
        .segments_out = info.tcpi_segs_out,
        .segments_in = info.tcpi_segs_in,
        .bytes_out = bytes_out,
        .bytes_in = info.tcpi_bytes_received,
        .bytes_acknowledged = acknowledged(&info, bytes_out),
        .segment_most = info.tcpi_snd_mss,
        .window = info.tcpi_snd_cwnd,
    };
    return true;
}

/* Whether the peer has sent its FIN. */
static bool finished(const struct kernel *kernel, bool reset)
{
    return kernel->state == STATE_CLOSE_WAIT || kernel->state == STATE_LAST_ACK ||
           kernel->state == STATE_CLOSING || kernel->state == STATE_TIME_WAIT ||
           (kernel->state == STATE_CLOSED && !reset);
}

static double milliseconds(uint32_t microseconds)
{
    return microseconds / 1e3;
}

/* The fields that programs get, and their names. */
static json_t *facts(const struct kernel *kernel)
{
    return json_pack(
        "{s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "rtt_ms",
        milliseconds(kernel->rtt), "rtt_variance_ms", milliseconds(kernel->rtt_variance),
        "rtt_least_ms", milliseconds(kernel->rtt_least), "segments_out",
        (json_int_t)kernel->segments_out, "bytes_out", (json_int_t)kernel->bytes_out,
        "bytes_acknowledged", (json_int_t)kernel->bytes_acknowledged, "segments_in",
        (json_int_t)kernel->segments_in, "bytes_in", (json_int_t)kernel->bytes_in, "retransmits",
        (json_int_t)kernel->retransmits, "retransmitted_bytes", (json_int_t)kernel->bytes_again,
        "segment_most", (json_int_t)kernel->segment_most, "window_segments",
        (json_int_t)kernel->window);
}

void kernel_tell(const struct story *story, int socket, bool reset)
{
    struct kernel kernel;
    if (!story_heard(story) || !kernel_ask(socket, &kernel))
        return;
    if (kernel.bytes_in && finished(&kernel, reset))
        kernel.bytes_in--;
    story_tell(story, STORY_KERNEL,
               "rtt %.3f ms, least %.3f, varying by %.3f; %" PRIu32 " segments with %" PRIu64
               " bytes out, %" PRIu64 " acknowledged; %" PRIu32 " with %" PRIu64 " in; %" PRIu32
               " retransmits",
               milliseconds(kernel.rtt), milliseconds(kernel.rtt_least),
               milliseconds(kernel.rtt_variance), kernel.segments_out, kernel.bytes_out,
               kernel.bytes_acknowledged, kernel.segments_in, kernel.bytes_in, kernel.retransmits);
    story_fact(story, "kernel", facts(&kernel));
}
