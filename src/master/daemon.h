/* SPDX-License-Identifier: MIT */
/* Becoming a daemon, and the pid file.  The master's only thread. */
#ifndef TCPD_MASTER_DAEMON_H
#define TCPD_MASTER_DAEMON_H

#include "base/error.h"

#include <stdbool.h>

/*
 * Goes to the background: the process that was started waits until
 * daemon_ready, and then leaves with the status given there, so that whoever
 * started it knows how it went.  The working directory becomes "/", and the standard streams become
 * /dev/null, but for stderr when keep_stderr is set.
 */
int daemon_detach(bool keep_stderr, struct error *error);

/* Lets the process that was started leave with `status`.  Does nothing in the foreground, or twice.
 */
void daemon_ready(int status);

/* Says something on the standard error that the daemon was started with, until daemon_ready. */
void daemon_complain(const char *sentence);

/* The daemon will leave the folder in which it was started.  Owned by the caller; NULL: no memory.
 */
char *daemon_absolute_path(const char *path);

struct pid_file {
    int fd;     /* holds the lock; -1: there is none */
    char *path; /* absolute, owned */
};

/*
 * Opens and locks a pid file (flock(2)); one that is locked belongs to a
 * running daemon and is an error that names its pid.  The lock holds until
 * daemon_remove_pid_file.
 */
int daemon_lock_pid_file(struct pid_file *pid_file, const char *path, struct error *error);

/* Writes the pid of this process into the locked file. */
int daemon_write_pid_file(const struct pid_file *pid_file, struct error *error);

/* Removes the file and gives the lock back; nothing when there is none. */
void daemon_remove_pid_file(struct pid_file *pid_file);

#endif
