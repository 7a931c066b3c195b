/* SPDX-License-Identifier: MIT */
#include "conf/variable.h"

#include <string.h>

static bool begins(const char *name, size_t length, const char *start)
{
    return length >= strlen(start) && strncmp(name, start, strlen(start)) == 0;
}

static bool is(const char *name, size_t length, const char *other)
{
    return length == strlen(other) && memcmp(name, other, length) == 0;
}

bool variable_is_own(const char *name, size_t length)
{
    static const char *const starts[] = {"LISTEN_",   "WATCHDOG_", "TCPLOCAL",
                                         "TCPREMOTE", "UNIXLOCAL", "UNIXREMOTE"};
    static const char *const names[] = {"PROTO", "TCPCONNNUM", "NOTIFY_SOCKET"};
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
        if (begins(name, length, starts[i]))
            return true;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (is(name, length, names[i]))
            return true;
    return false;
}
