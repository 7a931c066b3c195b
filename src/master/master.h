/* SPDX-License-Identifier: MIT */
/* The master: opens the listeners, forks the children, supervises them, and ends last. */
#ifndef TCPD_MASTER_MASTER_H
#define TCPD_MASTER_MASTER_H

#include "conf/conf.h"

#include <stdbool.h>

struct master_options {
    struct conf *conf;
    const char *version;
    const char *pid_file; /* or NULL */
    bool foreground;
};

/*
 * Runs the daemon until it is told to stop.  In the background the process that was started leaves
 * when the children are ready.  Returns an exit status of sysexits(3).
 */
int master_run(const struct master_options *options);

#endif
