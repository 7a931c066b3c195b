/* SPDX-License-Identifier: MIT */
/*
 * One question for one socket, by its two addresses, and one answer: the few lines below, where a
 * library for netlink would want more to be called.
 */
#include "spawner/diagnosis.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX 4096

int diagnosis_open(void)
{
    return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
}

static int ask(int fd, const struct addr *local, const struct addr *peer)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
    } question = {
        .header = {.nlmsg_len = sizeof question,
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST},
        .request = {.sdiag_family = (uint8_t)local->family,
                    .sdiag_protocol = IPPROTO_TCP,
                    .idiag_ext = 1 << (INET_DIAG_INFO - 1),
                    .idiag_states = ~0U,
                    .id = {.idiag_sport = htons(local->port),
                           .idiag_dport = htons(peer->port),
                           .idiag_if = local->scope,
                           .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
    };
    memcpy(question.request.id.idiag_src, local->bytes, sizeof local->bytes);
    memcpy(question.request.id.idiag_dst, peer->bytes, sizeof peer->bytes);
    return send(fd, &question, sizeof question, 0) == sizeof question ? 0 : -1;
}

/* The attribute with the struct tcp_info, which may be shorter or longer than ours. */
static bool find_info(struct nlmsghdr *header, struct tcp_info *info)
{
    struct inet_diag_msg *told = NLMSG_DATA(header);
    size_t length = NLMSG_PAYLOAD(header, sizeof *told);
    for (struct rtattr *at = (struct rtattr *)(told + 1); RTA_OK(at, length);
         at = RTA_NEXT(at, length)) {
        if (at->rta_type != INET_DIAG_INFO)
            continue;
        size_t size = RTA_PAYLOAD(at);
        memcpy(info, RTA_DATA(at), size < sizeof *info ? size : sizeof *info);
        return true;
    }
    return false;
}

bool diagnosis_idle(int fd, const struct addr *local, const struct addr *peer, uint64_t *idle)
{
    _Alignas(struct nlmsghdr) char answer[ANSWER_MAX];
    struct tcp_info info = {0};
    if (local->family != peer->family || ask(fd, local, peer))
        return false;
    ssize_t length = recv(fd, answer, sizeof answer, 0);
    struct nlmsghdr *header = (struct nlmsghdr *)(void *)answer;
    if (length < 0 || !NLMSG_OK(header, (size_t)length) ||
        header->nlmsg_type != SOCK_DIAG_BY_FAMILY || !find_info(header, &info))
        return false;
    uint32_t least = info.tcpi_last_data_sent < info.tcpi_last_data_recv ? info.tcpi_last_data_sent
                                                                         : info.tcpi_last_data_recv;
    *idle = least * CLOCK_MS;
    return true;
}
