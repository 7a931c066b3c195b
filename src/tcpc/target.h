/* SPDX-License-Identifier: MIT */
/* What the user wants to be connected to, as it was typed. */
#ifndef TCPD_TCPC_TARGET_H
#define TCPD_TCPC_TARGET_H

#include "base/error.h"

#include <stdbool.h>

#define TARGET_HOST_MAX 256 /* a name of the DNS has at most 253 characters (RFC 1035, 2.3.4) */
#define TARGET_PORT_MAX 32
#define TARGET_TEXT_MAX (TARGET_HOST_MAX + TARGET_PORT_MAX + 8)

struct target {
    char host[TARGET_HOST_MAX]; /* a name or an address, without brackets */
    char port[TARGET_PORT_MAX]; /* a number from 1 to 65535, or the name of a service */
    const char *path;           /* a unix socket, borrowed from the argument; else NULL */
};

/*
 * Reads the arguments that are not options: "HOST PORT", "HOST:PORT",
 * "[IPv6]:PORT" or "unix:/path".  Resolves nothing.  Returns 0, or -1 with a
 * sentence about what is wrong.
 */
int target_parse(struct target *target, int count, char *const *arguments, struct error *error);

/* Writes "HOST port PORT", or "unix:/path", the form for messages.  Returns buffer. */
const char *target_format(const struct target *target, char buffer[static TARGET_TEXT_MAX]);

#endif
