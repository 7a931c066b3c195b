/* SPDX-License-Identifier: MIT */
#include "master/notify.h"

void notify_ready(const char *status)
{
    (void)status;
}

void notify_status(const char *status)
{
    (void)status;
}

void notify_reloading(void)
{
}

void notify_stopping(const char *status, uint64_t most)
{
    (void)status;
    (void)most;
}

uint64_t notify_watchdog_time(void)
{
    return 0;
}

void notify_watchdog(void)
{
}
