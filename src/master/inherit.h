/* SPDX-License-Identifier: MIT */
/*
 * Listening sockets that the service manager has opened (sd_listen_fds(3)):
 * they are taken as they are, never closed and never unlinked.  The master's only thread.
 */
#ifndef TCPD_MASTER_INHERIT_H
#define TCPD_MASTER_INHERIT_H

#include "io/addr.h"

#include <stdbool.h>

struct inherited {
    int fd;
    char *name; /* FileDescriptorName= of the socket unit */
    struct addr address;
    char path[108]; /* of a unix socket: what address.path points to */
    bool taken;     /* some listener uses it */
};

struct inheritance {
    struct inherited *sockets;
    unsigned count;
};

/* Takes what there is, and the variables that tell of it out of the environment.  -1: no memory. */
int inherit(struct inheritance *inheritance);

/* One more of them, by its descriptor and its name, which is copied.  -1: no memory. */
int inherit_take(struct inheritance *inheritance, int fd, const char *name);

void inherit_fini(struct inheritance *inheritance);

#endif
