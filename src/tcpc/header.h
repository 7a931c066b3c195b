/* SPDX-License-Identifier: MIT */
/* The header of the PROXY protocol that is sent before all else, if it is wanted. */
#ifndef TCPD_TCPC_HEADER_H
#define TCPD_TCPC_HEADER_H

#include "tcpc/options.h"

/* Sends it over a new connection.  Returns 0, or -1 with a sentence. */
int header_send(const struct options *options, int fd, struct error *error);

#endif
