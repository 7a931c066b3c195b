/* SPDX-License-Identifier: MIT */
/* Signals as something to read, so that nothing is interrupted and the terminal is left in order.
 */
#ifndef TCPD_TCPC_SIGNALS_H
#define TCPD_TCPC_SIGNALS_H

#include "base/error.h"

#include <stdbool.h>

/* Writing to a pipe or a connection that is gone shall be an error, not the end. */
void signals_ignore_pipe(void);

/*
 * From now on INT, TERM and HUP, as far as they are not ignored, and with
 * editing also TSTP, CONT and WINCH, are read from the descriptor that is returned; the caller
 * closes it.  -1 with an error.
 */
int signals_open(bool editing, struct error *error);

/* The next signal that has come, or 0. */
int signals_take(int fd);

/* Ends the process by the signal, as if it had not been caught. */
void signals_die(int signal);

#endif
