/* SPDX-License-Identifier: MIT */
/*
 * The listening sockets.  The master opens each once and keeps it for as long
 * as a configuration lists it; children inherit it, so the kernel's queue of connections outlives
 * any of them, and a reload finds the very same socket again.
 *
 *   fresh ──keep──► in use ──keep──► retired ──► closed
 *     └─────────────drop─────────────────────────► closed
 *
 * All functions: the master's only thread.
 */
#ifndef TCPD_MASTER_SOCKETS_H
#define TCPD_MASTER_SOCKETS_H

#include "base/error.h"
#include "conf/conf.h"
#include "conn/listener.h"
#include "master/inherit.h"

enum socket_state { SOCKET_FRESH, SOCKET_IN_USE, SOCKET_RETIRED };

struct socket {
    int fd;
    enum socket_state state;
    struct addr address; /* as bound */
    char *path;          /* of a unix socket: what address.path points to; owned */
    char *key;           /* what a configuration must list to get this one; owned */
    struct socket_options {
        int backlog;
        mode_t mode;   /* of a unix socket's file */
    } options, wanted; /* as they are, and as the newest configuration has them */
};

struct sockets {
    struct socket *list; /* tcpd's own */
    unsigned count;
    struct inheritance inheritance; /* the service manager's: never closed, never unlinked */
};

/* The listeners of one generation: which service is behind which socket. */
struct listeners {
    struct listener *list;
    unsigned count;
};

/* Takes what the service manager has passed. */
int sockets_init(struct sockets *sockets, struct error *error);

/*
 * Finds or opens a socket for every address that the configuration lists, which must live as long
 * as the listeners.  What is opened for it is fresh.  On -1 nothing has changed;
 * error->errnum tells EACCES and EPERM from the rest.
 */
int sockets_open(struct sockets *sockets, const struct conf *conf, struct listeners *listeners,
                 struct error *error);

/*
 * These listeners serve from now on, with the backlog and the mode that their configuration wants.
 * What else there is of tcpd's own retires: a unix socket's file is removed
 * and the socket closed; any other stays open, so that the address can be had back, until
 * sockets_close_retired.
 */
void sockets_keep(struct sockets *sockets, const struct listeners *listeners);

/* This one serves no more, as far as it is tcpd's own: as sockets_keep does with what is left. */
void sockets_retire(struct sockets *sockets, int fd);

/* Nobody accepts from the retired ones any more. */
void sockets_close_retired(struct sockets *sockets);

/* Closes what is fresh: the generation for which it was opened will not serve. */
void sockets_drop_fresh(struct sockets *sockets);

/* Whether it is tcpd's own and serves no more: who is queued there must get in before it goes. */
bool sockets_is_retired(const struct sockets *sockets, int fd);

/* Closes them all in this process, and removes the files of unix sockets. */
void sockets_fini(struct sockets *sockets);

/* After an upgrade: a socket that was in use or retired, which is owned from now on; -1: no memory.
 */
int sockets_adopt(struct sockets *sockets, const struct socket *socket);

void listeners_free(struct listeners *listeners);

#endif
