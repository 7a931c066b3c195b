/* SPDX-License-Identifier: MIT */
#include "tcpc/route.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct question {
    struct nlmsghdr header;
    struct rtmsg route;
    char attributes[RTA_SPACE(16) + RTA_SPACE(sizeof(uint32_t))];
};

struct answer {
    union {
        struct nlmsghdr header;
        char bytes[4096];
    };
};

static void add(struct question *question, unsigned short type, const void *data, size_t length)
{
    struct rtattr *attribute =
        (struct rtattr *)((char *)question + NLMSG_ALIGN(question->header.nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = (unsigned short)RTA_LENGTH(length);
    memcpy(RTA_DATA(attribute), data, length);
    question->header.nlmsg_len += (uint32_t)RTA_SPACE(length);
}

static ssize_t ask(const struct addr *to, struct answer *answer)
{
    unsigned char length = to->family == AF_INET ? 4 : 16;
    struct question question = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
                   .nlmsg_type = RTM_GETROUTE,
                   .nlmsg_flags = NLM_F_REQUEST},
        .route = {.rtm_family = (unsigned char)to->family, .rtm_dst_len = length * 8},
    };
    add(&question, RTA_DST, to->bytes, length);
    if (to->scope)
        add(&question, RTA_OIF, &to->scope, sizeof to->scope);
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0)
        return -1;
    ssize_t n = send(fd, &question, question.header.nlmsg_len, 0);
    if (n > 0)
        n = recv(fd, answer, sizeof *answer, 0);
    close(fd);
    return n;
}

/* The number of the interface, or 0. */
static unsigned find_interface(struct rtmsg *route, int length)
{
    for (struct rtattr *attribute = RTM_RTA(route); RTA_OK(attribute, length);
         attribute = RTA_NEXT(attribute, length)) {
        uint32_t index;
        if (attribute->rta_type != RTA_OIF || RTA_PAYLOAD(attribute) < sizeof index)
            continue;
        memcpy(&index, RTA_DATA(attribute), sizeof index);
        return index;
    }
    return 0;
}

static int read_error(struct nlmsghdr *header)
{
    const struct nlmsgerr *refusal = NLMSG_DATA(header);
    if (header->nlmsg_type != NLMSG_ERROR)
        return EPROTO;
    return header->nlmsg_len >= NLMSG_LENGTH(sizeof *refusal) ? -refusal->error : EPROTO;
}

int route_interface(const struct addr *to, char name[static IF_NAMESIZE], struct error *error)
{
    struct answer answer;
    ssize_t n = ask(to, &answer);
    if (n < 0)
        return error_set(error, errno, "cannot ask for the route");
    if (!NLMSG_OK(&answer.header, (unsigned)n) || answer.header.nlmsg_type != RTM_NEWROUTE)
        return error_set(error, read_error(&answer.header), "there is no route");
    struct rtmsg *route = NLMSG_DATA(&answer.header);
    unsigned index = find_interface(route, (int)RTM_PAYLOAD(&answer.header));
    if (!if_indextoname(index, name))
        return error_set(error, errno, "the route has no interface");
    return 0;
}
