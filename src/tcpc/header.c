/* SPDX-License-Identifier: MIT */
#include "tcpc/header.h"

#include "conn/proxy_protocol.h"
#include "io/sock.h"

#include <errno.h>

static void find_peer(int fd, struct addr *peer)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof storage;
    getpeername(fd, (struct sockaddr *)&storage, &length);
    addr_from_sockaddr(peer, &storage);
}

/* So little always fits into what the kernel keeps for a new connection. */
int header_send(const struct options *options, int fd, struct error *error)
{
    unsigned char bytes[PROXY_HEADER_MAX];
    struct addr source = options->source, destination = options->destination;
    if (!options->proxy_version)
        return 0;
    if (!options->has_source)
        sock_local(fd, &source);
    if (!options->has_destination)
        find_peer(fd, &destination);
    size_t length = proxy_write(bytes, options->proxy_version, &source, &destination);
    if (options->proxy_version == 2)
        length = proxy_write_tlvs(bytes, length, options->tlvs.bytes, options->tlvs.length,
                                  options->tlvs.checksum);
    ssize_t sent = sock_send(fd, bytes, length);
    if (sent == (ssize_t)length)
        return 0;
    return error_set(error, sent < 0 ? errno : 0, "cannot send the header of the PROXY protocol");
}
