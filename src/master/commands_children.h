/* SPDX-License-Identifier: MIT */
/* The commands about single connections: only the children know them.  The master's only thread. */
#ifndef TCPD_MASTER_COMMANDS_CHILDREN_H
#define TCPD_MASTER_COMMANDS_CHILDREN_H

#include "master/state.h"

/* Rows of the table of commands. */
void commands_list(struct control_client *client, const json_t *request, void *owner);
void commands_kill(struct control_client *client, const json_t *request, void *owner);

#endif
