/* SPDX-License-Identifier: MIT */
/* The addresses of a service, in every form of `listen`. */
#ifndef TCPD_CONF_LISTEN_H
#define TCPD_CONF_LISTEN_H

#include "conf/node.h"

#define LISTENS_MAX   1024 /* addresses of one service */
#define ADDRESSES_MAX 4096 /* of all services together */

/* Reads all addresses of one service into it. */
void listen_read(struct reading *reading, const struct node *node, struct conf_service *service);

/* The address as the configuration has it.  Returns buffer. */
#define LISTEN_TEXT_MAX 300
const char *listen_print(const struct listen *listen, char buffer[static LISTEN_TEXT_MAX]);

#endif
