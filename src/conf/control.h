/* SPDX-License-Identifier: MIT */
/* What the group `control` needs besides its values: a group that exists, a path of its own. */
#ifndef TCPD_CONF_CONTROL_H
#define TCPD_CONF_CONTROL_H

#include "conf/node.h"

/* Looks the group up and notes where the socket stands; comes after the services were read. */
void control_resolve(struct reading *reading, const struct node *root);

#endif
