/* SPDX-License-Identifier: MIT */
/*
 * What a child tells of one of its connections, in the list of connections.
 *
 * The reader may be of a newer or an older build than the writer: fields are only
 * ever appended, and `size` says how many the writer knew.  There is no padding.  Nothing in it can
 * be trusted: children are not privileged, the reader is.
 */
#ifndef TCPD_CONN_RECORD_H
#define TCPD_CONN_RECORD_H

#include "io/addr.h"

#include <stddef.h>
#include <stdint.h>

#define CONN_RECORD_FIRST 224  /* the size of the first build's: none is smaller */
#define CONN_RECORD_MAX   4096 /* none is larger */
#define CONN_PATH_MAX     112  /* more than sun_path has, with a NUL */
#define CONN_PROGRAM_MAX  32   /* a longer name is cut */

/* One end, without pointers. */
struct conn_end {
    uint16_t family; /* AF_INET, AF_INET6, AF_UNIX */
    uint16_t port;
    uint32_t scope; /* as in struct addr */
    union {
        uint8_t bytes[16];
        uint32_t credentials[4]; /* of a unix peer: pid, uid, gid, 0 */
    };
};

struct conn_record {
    uint32_t size;    /* of this record; a multiple of 8 */
    uint32_t service; /* its id in the scoreboard */
    uint64_t number;  /* of the child's */
    uint64_t age;     /* ns since accept(2) */
    /*
     * ns since a byte went in either direction, or the phase changed.  Never too much by more than
     * a 64th of the time-out that runs, and for TCP mostly exact to the kernel's milliseconds.
     * What comes in while the peer takes nothing does not count.
     */
    uint64_t idle;
    uint64_t received, sent; /* bytes of the service's */
    struct conn_end peer, local;
    uint32_t phase;     /* see conn_phase_name */
    uint32_t tcp_state; /* of the kernel, from 1; 0: not TCP, and the next two say nothing */
    uint32_t rtt;       /* µs */
    uint32_t retransmits;
    char path[CONN_PATH_MAX];       /* of a unix listener; else empty */
    char program[CONN_PROGRAM_MAX]; /* that has the socket, with a NUL; else empty */
    uint32_t program_pid;           /* 0: none, or it does not run yet */
    uint32_t spare;
};

_Static_assert(offsetof(struct conn_record, program) == CONN_RECORD_FIRST,
               "fields are only ever appended");

/* "header", "open", "finishing", "lingering" or "running"; NULL: there is no such phase. */
const char *conn_phase_name(uint32_t phase);

/* Who the peer of a unix socket is. */
struct conn_end conn_unix_peer(int fd);

/* The text of an end of the families above; `path` is that of a unix listener.  Return buffer. */
const char *conn_peer_format(const struct conn_end *peer, char buffer[static ADDR_TEXT_MAX]);
const char *conn_local_format(const struct conn_end *local, const char *path,
                              char buffer[static ADDR_TEXT_MAX]);

#endif
