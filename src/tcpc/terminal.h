/* SPDX-License-Identifier: MIT */
/* A session typed by a user: the line editor on one side, the relay on the other. */
#ifndef TCPD_TCPC_TERMINAL_H
#define TCPD_TCPC_TERMINAL_H

#include "tcpc/relay.h"
#include "tcpc/story.h"

#include <stdbool.h>

/* Whether standard input and output are both a terminal. */
bool terminal_is_there(void);

/*
 * Runs the relay, just initialised, to its end with a line editor.  The story is told
 * above the line being typed.  False, with nothing done, when there is no editor.
 */
bool terminal_run(struct relay *relay, struct story *story);

#endif
