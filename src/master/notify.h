/* SPDX-License-Identifier: MIT */
/*
 * What the service manager is told (sd_notify(3)).  Without a manager, or built without libsystemd,
 * nothing happens.  The master's only thread.
 */
#ifndef TCPD_MASTER_NOTIFY_H
#define TCPD_MASTER_NOTIFY_H

/* All children accept.  status: one line for `systemctl status`. */
void notify_ready(const char *status);

/* The daemon is on its way out. */
void notify_stopping(const char *status);

#endif
