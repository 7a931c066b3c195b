/* SPDX-License-Identifier: MIT */
#include "child/gate.h"

#include <limits.h>
#include <sys/socket.h>

/* The acceptor's: a peer's own group, and its supplementary ones; nobody has more. */
static gid_t gids[1 + NGROUPS_MAX];

static bool needs_groups(const struct access *access)
{
    return access->allow.has_groups || access->deny.has_groups;
}

/* Who has connected, as the kernel noted it then.  What it does not tell leaves *peer unknown. */
static void ask_kernel(int fd, bool groups, struct access_peer *peer)
{
    struct ucred credentials;
    socklen_t length = sizeof credentials, room = NGROUPS_MAX * sizeof *gids;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length))
        return;
    if (!groups)
        room = 0;
    else if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gids + 1, &room))
        return;
    gids[0] = credentials.gid;
    peer->known = true;
    peer->uid = credentials.uid;
    peer->gids = gids;
    peer->gid_count = 1 + (unsigned)(room / sizeof *gids);
}

bool gate_lets_in(const struct access *access, int fd, const struct addr *peer)
{
    struct access_peer asker = {.address = peer};
    if (peer->family == AF_UNIX)
        ask_kernel(fd, needs_groups(access), &asker);
    return access_judge(access, &asker).allowed;
}
