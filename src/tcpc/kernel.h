/* SPDX-License-Identifier: MIT */
/* What the kernel knows of a TCP connection: TCP_INFO of tcp(7). */
#ifndef TCPD_TCPC_KERNEL_H
#define TCPD_TCPC_KERNEL_H

#include "tcpc/story.h"

/* Tells it; nothing for a socket that is not TCP. */
void kernel_tell(const struct story *story, int fd);

#endif
