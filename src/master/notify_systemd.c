/* SPDX-License-Identifier: MIT */
#include "master/notify.h"

#include "base/clock.h"

#include <systemd/sd-daemon.h>

void notify_ready(const char *status)
{
    sd_notifyf(0, "READY=1\nSTATUS=%s", status);
}

void notify_status(const char *status)
{
    sd_notifyf(0, "STATUS=%s", status);
}

/* With the moment at which it began, so that the manager tells it from the one before. */
void notify_reloading(void)
{
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)(clock_now() / 1000));
}

/* The manager ends what is not gone after TimeoutStopSec=, unless it is told that it takes longer.
 */
void notify_stopping(const char *status, uint64_t most)
{
    unsigned long long microseconds = most == UINT64_MAX ? UINT64_MAX : most / 1000;
    sd_notifyf(0, "STOPPING=1\nSTATUS=%s\nEXTEND_TIMEOUT_USEC=%llu", status, microseconds);
}

uint64_t notify_watchdog_time(void)
{
    uint64_t microseconds = 0;
    return sd_watchdog_enabled(0, &microseconds) > 0 ? microseconds * 1000 : 0;
}

void notify_watchdog(void)
{
    sd_notify(0, "WATCHDOG=1");
}
