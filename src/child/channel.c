/* SPDX-License-Identifier: MIT */
#include "child/channel.h"

#include "io/sock.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DESCRIPTORS 8 /* that are taken in; the kernel closes those beyond */

union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(DESCRIPTORS * sizeof(int))];
};

static bool carries_descriptors(const struct cmsghdr *header)
{
    return header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS;
}

/* All that came, in one list; returns how many. */
static unsigned collect(struct msghdr *header, int descriptors[static DESCRIPTORS])
{
    unsigned count = 0;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(header); at; at = CMSG_NXTHDR(header, at)) {
        size_t length = at->cmsg_len - CMSG_LEN(0);
        if (!carries_descriptors(at) || length > (DESCRIPTORS - count) * sizeof(int))
            continue;
        memcpy(descriptors + count, CMSG_DATA(at), length);
        count += (unsigned)(length / sizeof(int));
    }
    return count;
}

enum received channel_receive(int channel, struct message *message, int *descriptor)
{
    union control control;
    int descriptors[DESCRIPTORS];
    struct iovec bytes = {message, sizeof *message};
    struct msghdr header = {.msg_iov = &bytes,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof control};
    *descriptor = -1;
    ssize_t length = recvmsg(channel, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (length < 0)
        return errno == EAGAIN || errno == EINTR ? CHANNEL_NOTHING : CHANNEL_ENDED;
    unsigned count = collect(&header, descriptors);
    bool whole = length == sizeof *message && !(header.msg_flags & (MSG_TRUNC | MSG_CTRUNC));
    if (whole && count == 1)
        *descriptor = descriptors[0];
    if (whole && count <= 1)
        return CHANNEL_MESSAGE;
    for (unsigned i = 0; i < count; i++)
        close(descriptors[i]);
    return length == 0 && count == 0 ? CHANNEL_ENDED : CHANNEL_NOTHING;
}

int channel_send(int channel, const struct message *message, int descriptor)
{
    return sock_pass(channel, message, sizeof *message, descriptor);
}
