/* SPDX-License-Identifier: MIT */
/* Who has connected, for the access lists of a service. */
#ifndef TCPD_CHILD_GATE_H
#define TCPD_CHILD_GATE_H

#include "conn/access.h"

/*
 * Fills in who the other end of a connection is: its address, which is borrowed, and for a unix
 * socket what the system tells of it, as far as the lists want to know.  access NULL: there are
 * none.  Returns memory that *peer points into, for the caller to free; NULL: none.  Any thread of
 * a child.
 */
void *gate_know(struct access_peer *peer, const struct access *access, int fd,
                const struct addr *address);

#endif
