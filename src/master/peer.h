/* SPDX-License-Identifier: MIT */
/* A client that somebody asks about, from its text. */
#ifndef TCPD_MASTER_PEER_H
#define TCPD_MASTER_PEER_H

#include "base/error.h"
#include "conn/access.h"

#define PEER_GROUPS_MAX 1024 /* more than a request has room for */

struct peer {
    struct addr address;
    struct access_peer access; /* points into this */
    gid_t gids[PEER_GROUPS_MAX];
};

/*
 * Reads an address, IPv4 or IPv6, in brackets or not, with or without a port, which does not
 * matter; or a unix peer, "uid:N" with any number of ",gid:N" behind it.  No name is looked up.
 * Returns 0, or -1 with a sentence about what is wrong with the text.  A peer must not be moved.
 */
int peer_parse(struct peer *peer, const char *text, struct error *error);

/* An address without a port, or "uid:N,gid:N"; cut when there are too many groups.  Returns buffer.
 */
const char *peer_format(const struct peer *peer, char buffer[static ADDR_TEXT_MAX]);

#endif
