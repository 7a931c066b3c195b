/* SPDX-License-Identifier: MIT */
#include "child/gate.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>

static bool needs_groups(const struct access *access)
{
    return access->allow.has_groups || access->deny.has_groups;
}

/* As the kernel noted it then; `gids` has room for the most that anybody has.  What is not told
 * leaves *peer unknown. */
static void ask_kernel(int fd, bool groups, gid_t *gids, struct access_peer *peer)
{
    struct ucred credentials;
    socklen_t length = sizeof credentials, room = groups ? NGROUPS_MAX * sizeof *gids : 0;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length))
        return;
    if (groups && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, gids + 1, &room))
        return;
    gids[0] = credentials.gid;
    peer->known = true;
    peer->uid = credentials.uid;
    peer->gid_count = 1 + (unsigned)(room / sizeof *gids);
}

void *gate_know(struct access_peer *peer, const struct access *access, int fd,
                const struct addr *address)
{
    *peer = (struct access_peer){.address = address};
    if (!access || address->family != AF_UNIX)
        return NULL;
    bool groups = needs_groups(access);
    gid_t *gids = malloc((1 + (groups ? NGROUPS_MAX : 0)) * sizeof *gids);
    peer->gids = gids;
    if (gids)
        ask_kernel(fd, groups, gids, peer);
    return gids;
}
