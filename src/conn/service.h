/* SPDX-License-Identifier: MIT */
/*
 * What it takes to be a service, and what a service may do with a connection.
 *
 * A service is a table of callbacks.  All of them run on the worker thread
 * that owns the connection and must not block.  The connection stays valid
 * until `close` has returned; a callback may finish or abort its own
 * connection, which is then freed at the end of the worker's turn.
 */
#ifndef TCPD_CONN_SERVICE_H
#define TCPD_CONN_SERVICE_H

#include "conn/access.h"
#include "io/addr.h"
#include "io/prefix.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn;
struct service;

struct service_ops {
    const char *type;  /* its name in the configuration */
    const char *about; /* one line for -V and the manual */
    bool speaks_first; /* `open` sends something: do not wait for the peer's first byte */
    /* The socket is given to the program of the service.  No callback comes, and no byte of the
     * peer's is read. */
    bool gives_away;
    size_t state_size; /* bytes of zeroed conn_state() that each connection gets; 0: none */

    /* The connection is established. */
    void (*open)(struct conn *conn);
    /*
     * Bytes have come.  Returns how many were used; the rest is kept and
     * given again, with what came after it, when more comes or when output
     * made room.  Using nothing of CONN_INPUT_MAX bytes while there is room for output is an error.
     */
    size_t (*data)(struct conn *conn, const char *bytes, size_t length);
    /* The peer has sent its FIN; all data was used, or data() left `length` unused bytes.
     * NULL: conn_finish. */
    void (*eof)(struct conn *conn, const char *bytes, size_t length);
    /* There is room for output, and the service wants it: see conn_want_room.  NULL: nothing. */
    void (*room)(struct conn *conn);
    /* The connection is going: the last call, for releasing what the state holds. */
    void (*close)(struct conn *conn);
};

enum overload { OVERLOAD_WAIT, OVERLOAD_RESET };

struct limits {
    uint32_t connections;   /* open at once, over all child processes; 0: no limit of its own */
    enum overload overload; /* at that limit: leave in the kernel's queue, or accept and reset */
    uint32_t per_address;   /* open at once from one client address; 0: no limit */
    uint64_t rate;          /* ns between two connections from one client address; 0: no limit */
    uint32_t burst;         /* of them that may come at once; 0: those of a second, at least one */
    bool enforce;           /* false: a trial, what they would refuse is served and counted */
    /* Of the daemon alone: */
    unsigned ipv6_prefix; /* bits of an IPv6 address that make one client */
    uint32_t handshakes;  /* connections that have not come to their service yet; 0: no limit */
    uint64_t queue_delay; /* ns that sockets may wait for a worker before new ones are refused; 0:
                             for ever */
};

/* What the connections of a service are given to. */
struct program {
    const char *name;    /* without folders, for those who look */
    uint32_t most;       /* at once; 0: as many as there may be connections */
    bool counts_bytes;   /* the worker keeps its descriptor until the end, to ask it then */
    bool takes_listener; /* not a connection: it gets the listening socket, and accepts itself */
};

enum proxy_protocol { PROXY_PROTOCOL_OFF, PROXY_PROTOCOL_REQUIRED };

struct timeouts {       /* nanoseconds; 0: off */
    uint64_t idle;      /* no byte in either direction */
    uint64_t write;     /* output waits and the peer takes none of it */
    uint64_t lifetime;  /* from accept to the close */
    uint64_t linger;    /* after tcpd's FIN, for the peer's */
    uint64_t handshake; /* for what comes before the service: a header of the PROXY protocol */
};

/* A configured service.  Made by the configuration, read-only from then on. */
struct service {
    const char *name;
    const struct service_ops *ops;
    struct limits limits;
    struct timeouts timeouts;
    enum proxy_protocol proxy_protocol;
    const struct prefix_set
        *trusted;   /* who may send its header; NULL: nobody but over unix sockets */
    unsigned index; /* 0, 1, … in the order of the configuration: its place in every table */
    unsigned id;    /* in the scoreboard, the same for its name in all generations: the master's */
    const struct access *access;   /* NULL: anybody may come in */
    const struct program *program; /* of a type that gives connections away, else NULL */
};

/* Whether its connections begin with something else than the service: a header of the PROXY
 * protocol. */
static inline bool service_has_handshake(const struct service *service)
{
    return service->proxy_protocol != PROXY_PROTOCOL_OFF;
}

#endif
