/* SPDX-License-Identifier: MIT */
#include "tcpc/kernel.h"

#include <inttypes.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define MILLISECONDS(microseconds) ((double)(microseconds) / 1000)

/* The fields that programs get, and their names. */
static json_t *info_json(const struct tcp_info *info)
{
    return json_pack(
        "{s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "rtt_ms",
        MILLISECONDS(info->tcpi_rtt), "rtt_variation_ms", MILLISECONDS(info->tcpi_rttvar),
        "rtt_least_ms", MILLISECONDS(info->tcpi_min_rtt), "retransmitted_segments",
        (json_int_t)info->tcpi_total_retrans, "retransmitted_bytes",
        (json_int_t)info->tcpi_bytes_retrans, "bytes_acknowledged",
        (json_int_t)info->tcpi_bytes_acked, "bytes_received", (json_int_t)info->tcpi_bytes_received,
        "segments_sent", (json_int_t)info->tcpi_segs_out, "segments_received",
        (json_int_t)info->tcpi_segs_in, "segment_most", (json_int_t)info->tcpi_snd_mss,
        "window_segments", (json_int_t)info->tcpi_snd_cwnd);
}

void kernel_tell(const struct story *story, int fd)
{
    struct tcp_info info = {0}; /* an older kernel fills less of it */
    socklen_t length = sizeof info;
    if (!story_heard(story) || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0)
        return;
    story_tell(story, STORY_KERNEL,
               "RTT %.3f ms (least %.3f, variation %.3f), %u segments retransmitted, "
               "%" PRIu64 " bytes acknowledged, %" PRIu64 " received, in %u and %u segments",
               MILLISECONDS(info.tcpi_rtt), MILLISECONDS(info.tcpi_min_rtt),
               MILLISECONDS(info.tcpi_rttvar), info.tcpi_total_retrans,
               (uint64_t)info.tcpi_bytes_acked, (uint64_t)info.tcpi_bytes_received,
               info.tcpi_segs_out, info.tcpi_segs_in);
    story_fact(story, "kernel", info_json(&info));
}
