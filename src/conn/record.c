/* SPDX-License-Identifier: MIT */
#include "conn/record.h"

#include "conn/state.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

const char *conn_phase_name(uint32_t phase)
{
    static const char *const names[] = {
        [CONN_OPEN] = "open",     [CONN_FINISHING] = "finishing", [CONN_LINGERING] = "lingering",
        [CONN_HEADER] = "header", [CONN_AWAY] = "running",
    };
    return phase < sizeof names / sizeof *names ? names[phase] : NULL;
}

struct conn_end conn_unix_peer(int fd)
{
    struct ucred peer = {0};
    socklen_t length = sizeof peer;
    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
    return (struct conn_end){.family = AF_UNIX,
                             .credentials = {(uint32_t)peer.pid, peer.uid, peer.gid}};
}

static struct addr addr_of(const struct conn_end *end, const char *path)
{
    struct addr addr = {
        .family = end->family, .port = end->port, .scope = end->scope, .path = path};
    if (end->family != AF_UNIX)
        memcpy(addr.bytes, end->bytes, sizeof addr.bytes);
    return addr;
}

/* A unix peer has no address: who it is, is what there is to say. */
const char *conn_peer_format(const struct conn_end *peer, char buffer[static ADDR_TEXT_MAX])
{
    struct addr addr = addr_of(peer, NULL);
    if (peer->family != AF_UNIX)
        return addr_format(&addr, buffer);
    snprintf(buffer, ADDR_TEXT_MAX, "unix:pid=%d,uid=%u,gid=%u", (int)peer->credentials[0],
             peer->credentials[1], peer->credentials[2]);
    return buffer;
}

const char *conn_local_format(const struct conn_end *local, const char *path,
                              char buffer[static ADDR_TEXT_MAX])
{
    struct addr addr = addr_of(local, path);
    return addr_format(&addr, buffer);
}
