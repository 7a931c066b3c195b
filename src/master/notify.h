/* SPDX-License-Identifier: MIT */
/*
 * What the service manager is told (sd_notify(3)).  Without a manager, or built without libsystemd,
 * nothing happens.  The master's only thread.
 */
#ifndef TCPD_MASTER_NOTIFY_H
#define TCPD_MASTER_NOTIFY_H

#include <stdint.h>

/* All children accept, or a change has ended.  status: one line for `systemctl status`. */
void notify_ready(const char *status);

/* Another line for `systemctl status`. */
void notify_status(const char *status);

/* A change begins: the manager waits for notify_ready. */
void notify_reloading(void);

/* The daemon is on its way out, which takes so long at most (ns); UINT64_MAX: any time. */
void notify_stopping(const char *status, uint64_t most);

/* The manager wants a sign of life so often (ns); 0: it does not.  See sd_watchdog_enabled(3). */
uint64_t notify_watchdog_time(void);

/* All is well. */
void notify_watchdog(void);

#endif
