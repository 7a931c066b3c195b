/* SPDX-License-Identifier: MIT */
/* The user and the groups that children become. */
#ifndef TCPD_CONF_IDENTITY_H
#define TCPD_CONF_IDENTITY_H

#include "conf/node.h"

/*
 * Looks both up and notes where they stand.  A master that is root has children that are `tcpd`,
 * where there is such a user, or else `nobody`: root only if it is named.
 */
void identity_resolve(struct reading *reading, const struct node *root);

/* That of a service's program, named by user and group in its group or else the daemon's. */
void identity_resolve_program(struct reading *reading, const struct node *service,
                              struct conf_identity *identity);

#endif
