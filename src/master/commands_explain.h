/* SPDX-License-Identifier: MIT */
/* The command explain.  The master's only thread. */
#ifndef TCPD_MASTER_COMMANDS_EXPLAIN_H
#define TCPD_MASTER_COMMANDS_EXPLAIN_H

#include "master/state.h"

/* A row of the table of commands. */
void commands_explain(struct control_client *client, const json_t *request, void *owner);

#endif
