/* SPDX-License-Identifier: MIT */
/* Through which interface a connection will go. */
#ifndef TCPD_TCPC_ROUTE_H
#define TCPD_TCPC_ROUTE_H

#include "base/error.h"
#include "io/addr.h"

#include <net/if.h>

/*
 * Asks the kernel which interface leads to an IPv4 or IPv6 address and writes its name; an
 * address of this machine is reached over the loopback.  -1 with an error.
 */
int route_interface(const struct addr *to, char name[static IF_NAMESIZE], struct error *error);

#endif
