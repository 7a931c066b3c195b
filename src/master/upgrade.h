/* SPDX-License-Identifier: MIT */
/*
 * The upgrade: the master executes the installed binary under its own pid, and
 * hands over its descriptors, the scoreboard, the running configuration and the
 * pids of the living children.  The heir forks a new generation; the old ones drain.  The
 * master's only thread.
 */
#ifndef TCPD_MASTER_UPGRADE_H
#define TCPD_MASTER_UPGRADE_H

#include "master/state.h"

/*
 * The path to execute at an upgrade, owned by the caller: as the program was called, so that a
 * symbolic link is followed anew; where that cannot be told, the file that runs.  NULL: unknown.
 */
char *upgrade_find_binary(const char *argv0);

/*
 * In the heir: takes everything over but starts nothing.  master->loop and control are there.
 * Returns the running configuration, owned by the caller; NULL: nobody can go on from here.
 */
struct conf *upgrade_adopt(struct master *master, struct error *error);

/* Starts the first generation of the heir; owns conf. */
void upgrade_go_on(struct master *master, struct conf *conf);

#endif
