/* SPDX-License-Identifier: MIT */
/*
 * Draining a service, or all but the status services, on request: nobody comes
 * in any more, until the next reload.  Those who asked are told how many are left.  The master's
 * only thread.
 */
#ifndef TCPD_MASTER_DRAIN_H
#define TCPD_MASTER_DRAIN_H

#include "master/state.h"

/* name NULL: all.  The client is answered when nothing is left. */
void drain_service(struct master *master, struct control_client *client, const char *name);

/* The daemon is going to stop: the client is answered when it has. */
void drain_wait_for_stop(struct master *master, struct control_client *client);

/* Nothing is left at all: the last answers. */
void drain_stopped(struct master *master);

#endif
