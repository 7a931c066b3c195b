/* SPDX-License-Identifier: MIT */
#include "master/notify.h"

void notify_ready(const char *status)
{
    (void)status;
}

void notify_stopping(const char *status)
{
    (void)status;
}
