/* SPDX-License-Identifier: MIT */
/* What the kernel tells of a TCP socket that belongs to somebody else (sock_diag(7)). */
#ifndef TCPD_SPAWNER_DIAGNOSIS_H
#define TCPD_SPAWNER_DIAGNOSIS_H

#include "io/addr.h"

#include <stdbool.h>
#include <stdint.h>

/* A socket to ask with, close-on-exec; -1 with errno: this process may not. */
int diagnosis_open(void);

/*
 * For how many ns no byte has gone in either direction over the connection between these ends of
 * one family, IPv4 or IPv6; false: there is no such connection here, or no answer.
 */
bool diagnosis_idle(int fd, const struct addr *local, const struct addr *peer, uint64_t *idle);

#endif
