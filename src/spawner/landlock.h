/* SPDX-License-Identifier: MIT */
/* The file system as a program in the strict sandbox sees it (landlock(7)). */
#ifndef TCPD_SPAWNER_LANDLOCK_H
#define TCPD_SPAWNER_LANDLOCK_H

#include "base/error.h"

/*
 * Makes a ruleset: all can be read and executed, and nothing written but below the paths in
 * `writable`, which ends with NULL, and /dev/null.  Paths are within `root` unless that is NULL.
 * Returns a descriptor, close-on-exec, or -1: the kernel has no Landlock, or a path is not there.
 */
int landlock_make(const char *root, const char *const *writable, struct error *error);

/* The calling thread, and what it executes, keep to it from now on; it has no_new_privs.  A system
 * call and nothing else; -1 with errno. */
int landlock_enter(int ruleset);

#endif
