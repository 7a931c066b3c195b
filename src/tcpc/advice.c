/* SPDX-License-Identifier: MIT */
#include "tcpc/advice.h"

#include <errno.h>
#include <stddef.h>

static const struct {
    int errnum;
    const char *advice;
} advices[] = {
    {ECONNREFUSED, "nothing listens there: is the service started, and the port right?"},
    {ETIMEDOUT, "a firewall may drop it, or the host is down; --timeout says how long to wait"},
    {ENETUNREACH, "this machine has no route of that family: try -4 or -6, or see ip-route(8)"},
    {EHOSTUNREACH, "the host is down, or a firewall rejects it"},
    {EADDRNOTAVAIL, "this machine has no address, or no free port, to connect from"},
    {EAFNOSUPPORT, "this machine does not speak that family: try -4 or -6"},
    {EACCES, "permission is missing: a firewall, or the mode of the unix socket"},
    {EPERM, "a firewall of this machine forbids it"},
    {ENOENT, "no such socket: is the service started, and the path right?"},
    {EAGAIN, "the queue of the service is full: try again"},
    {EMFILE, "too many files are open: see ulimit -n"},
    {ECONNRESET, "the service, or something on the way, dropped the connection: see its log"},
    {EPIPE, "the service had closed while there was still something to send: see its log"},
};

const char *advice_for_errno(int errnum)
{
    for (size_t i = 0; i < sizeof advices / sizeof *advices; i++) {
        if (advices[i].errnum == errnum)
            return advices[i].advice;
    }
    return "-v shows each step";
}
