/* SPDX-License-Identifier: MIT */
/* What a new process of the master's keeps open, and what it does not.  The master's only thread.
 */
#ifndef TCPD_MASTER_DESCRIPTORS_H
#define TCPD_MASTER_DESCRIPTORS_H

#include <stdbool.h>

/* Closes every descriptor above standard error but these, which are sorted in place. */
void descriptors_close_all_but(int *keep, unsigned count);

/* Whether a descriptor stays open over execve(2). */
void descriptors_inherit(int fd, bool yes);

#endif
