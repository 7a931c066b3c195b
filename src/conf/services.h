/* SPDX-License-Identifier: MIT */
/* The list of services. */
#ifndef TCPD_CONF_SERVICES_H
#define TCPD_CONF_SERVICES_H

#include "conf/node.h"

#define SERVICES_MAX 1024

/*
 * Reads `services` into reading->conf, whose own limits and time-outs are
 * there already.  list is NULL when root has none.
 */
void services_read(struct reading *reading, const struct node *root, const struct node *list);

#endif
