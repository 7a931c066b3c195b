/* SPDX-License-Identifier: MIT */
/* The settings of a service that stands behind proxies: proxy_protocol and trusted. */
#ifndef TCPD_CONF_PROXIES_H
#define TCPD_CONF_PROXIES_H

#include "conf/node.h"

#include <stdio.h>

void proxies_prepare(struct reading *reading, struct conf_service *service);

/* Reads one of the two; false: it is another setting. */
bool proxies_read(struct reading *reading, const struct node *node, struct conf_service *service);

/* Whether they go together, once all of the service has been read. */
void proxies_check(struct reading *reading, const struct node *node,
                   const struct conf_service *service);

/* Prints both, each on a line. */
void proxies_print(FILE *out, const struct conf_service *service);

#endif
