/* SPDX-License-Identifier: MIT */
/* Where the lines that were typed are kept from one session to the next. */
#ifndef TCPD_TCPC_HISTORY_H
#define TCPD_TCPC_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define HISTORY_PATH_MAX 4096
#define HISTORY_LINES    1000 /* older lines are forgotten */

/*
 * $XDG_STATE_HOME/tcpc/history, or ~/.local/state/tcpc/history when that is not set
 * or not absolute (XDG Base Directory Specification 0.8).  state and home
 * are the values of the variables, or NULL.  False when there is no such place, or its
 * name is too long.
 */
bool history_path(char path[static HISTORY_PATH_MAX], const char *state, const char *home);

/* Whether a line is worth keeping: not empty, and not begun with a blank by a user who minds. */
bool history_wants(const char *line);

/*
 * Opens a file beside path that only the user can read (0600), making the folders (0700).
 * NULL when that cannot be done.
 */
FILE *history_create(const char *path);

/* Closes the file and, if all was written, puts it in the place of path; else removes it. */
bool history_replace(const char *path, FILE *file);

#endif
