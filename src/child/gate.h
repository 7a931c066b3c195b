/* SPDX-License-Identifier: MIT */
/* The access lists of a service, asked about a connection that was just accepted. */
#ifndef TCPD_CHILD_GATE_H
#define TCPD_CHILD_GATE_H

#include "conn/access.h"

/*
 * Whether the lists let the peer in: access_judge, and for a unix socket what the system tells
 * of its other end.  Any thread of a child.
 */
bool gate_lets_in(const struct access *access, int fd, const struct addr *peer);

#endif
