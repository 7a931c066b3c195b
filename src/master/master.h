/* SPDX-License-Identifier: MIT */
/* The master: opens the listeners, forks the children, supervises them, and ends last. */
#ifndef TCPD_MASTER_MASTER_H
#define TCPD_MASTER_MASTER_H

#include "conf/conf.h"

#include <stdbool.h>

struct master_options {
    const char *config; /* the file; a reload reads it again */
    const struct conf_override *overrides;
    size_t override_count;
    char **argv; /* what an upgrade starts the new binary with */
    const char *version;
    const char *pid_file; /* or NULL */
    bool foreground;
};

/*
 * Before the configuration is read: a reload or an upgrade that is asked for from now on waits
 * until the daemon has started, instead of ending it.
 */
void master_hold_changes(void);

/*
 * Runs the daemon until it is told to stop; owns conf from then on.  In the background the process
 * that was started leaves when the children are ready.  Returns an exit status of sysexits(3).
 */
int master_run(const struct master_options *options, struct conf *conf);

/* Whether this process was executed by a running master that hands over to it: an upgrade. */
bool master_is_heir(void);

/* Takes over from the binary before, and then as master_run. */
int master_inherit(const struct master_options *options);

/*
 * Whether it could take over (tcpd -t in an upgrade): everything that master_inherit reads is
 * read, and nothing is changed.  Says so, or what is wrong.  Returns an exit status.
 */
int master_check_heir(const struct master_options *options);

#endif
