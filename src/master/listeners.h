/* SPDX-License-Identifier: MIT */
/*
 * The listening sockets.  The master opens each once and keeps it; children
 * inherit it, so the kernel's queue of connections outlives any of them.
 */
#ifndef TCPD_MASTER_LISTENERS_H
#define TCPD_MASTER_LISTENERS_H

#include "base/error.h"
#include "conf/conf.h"
#include "conn/listener.h"
#include "master/inherit.h"

struct listeners {
    struct listener *list;
    unsigned count;
    struct inheritance inheritance;
};

/*
 * Opens, or takes over from the service manager, every socket that the
 * configuration lists, which must live as long.  On -1 everything is closed again; error->errnum
 * tells EACCES and EPERM from the rest.
 */
int listeners_open(struct listeners *listeners, const struct conf *conf, struct error *error);

/* Closes them in this process, and removes the files of unix sockets that are tcpd's own. */
void listeners_close(struct listeners *listeners);

#endif
