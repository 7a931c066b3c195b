/* SPDX-License-Identifier: MIT */
/* -o PATH=VALUE: settings of the command line take the place of those in the file. */
#ifndef TCPD_CONF_OVERRIDE_H
#define TCPD_CONF_OVERRIDE_H

#include "conf/node.h"

/* Whether it names what must be known before other files are read. */
bool override_is_early(const struct conf_override *override);

/* Puts the value into the tree, making the groups on the way when they are missing. */
void override_apply(struct reading *reading, struct node *root,
                    const struct conf_override *override);

#endif
