/* SPDX-License-Identifier: MIT */
/* What a child gives up before it has to do with a peer. */
#ifndef TCPD_CHILD_PRIVILEGES_H
#define TCPD_CHILD_PRIVILEGES_H

#include "base/error.h"
#include "conf/conf.h"

/*
 * Before there are threads.  The process becomes the user and the groups, when it is to change,
 * and in any case has no capability, gets none by executing anything, and leaves no core.  All of
 * it is verified; on -1 it must not go on.
 */
int privileges_drop(const struct conf_identity *identity, struct error *error);

/*
 * Of the spawner, when it is root: nothing is left but what it takes to become others, to end
 * them, and to set their bounds.
 */
int privileges_reduce(struct error *error);

/* Whether the process has any capability. */
bool privileges_are_there(void);

#endif
