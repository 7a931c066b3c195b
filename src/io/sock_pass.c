/* SPDX-License-Identifier: MIT */
/* Descriptors between processes (SCM_RIGHTS, unix(7)). */
#include "io/sock.h"

#include <string.h>

union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
};

int sock_pass(int channel, const void *bytes, size_t length, int descriptor)
{
    char copy[SOCK_PASS_MAX];
    union control control = {0};
    struct iovec vector = {copy, length};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    memcpy(copy, bytes, length);
    if (descriptor >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof descriptor),
                                          .cmsg_level = SOL_SOCKET,
                                          .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
    }
    return sendmsg(channel, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 0;
}

/* Room for one descriptor and no padding, into which the kernel would put another one. */
ssize_t sock_take(int channel, void *bytes, size_t size, int *descriptor)
{
    union control control;
    struct iovec vector = {bytes, size};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = CMSG_LEN(sizeof *descriptor)};
    *descriptor = -1;
    ssize_t length = recvmsg(channel, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    const struct cmsghdr *header = length > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof *descriptor))
        memcpy(descriptor, CMSG_DATA(header), sizeof *descriptor);
    return length;
}
