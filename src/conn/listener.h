/* SPDX-License-Identifier: MIT */
/* A listening socket with what is behind it. */
#ifndef TCPD_CONN_LISTENER_H
#define TCPD_CONN_LISTENER_H

#include "conn/service.h"
#include "io/addr.h"

struct listener {
    int fd;         /* owned by the master; each child inherits it */
    unsigned index; /* in the generation's table */
    const struct service *service;
    struct addr address; /* as bound: never port 0 */
};

#endif
