/* SPDX-License-Identifier: MIT */
/*
 * Why a connection was closed, or not taken.  Each list is written once: names
 * in the log and counters come from it.  New ones go to the end: the numbers
 * stand in memory that is shared with children of older binaries.
 */
#ifndef TCPD_BASE_REASON_H
#define TCPD_BASE_REASON_H

#define CLOSE_REASONS(X)                                                                           \
    X(EOF, "eof")                             /* the peer has finished */                          \
    X(DONE, "done")                           /* the service has finished */                       \
    X(IDLE, "idle")                           /* timeouts.idle */                                  \
    X(WRITE_TIMEOUT, "write_timeout")         /* timeouts.write */                                 \
    X(LIFETIME, "lifetime")                   /* timeouts.lifetime */                              \
    X(DRAIN, "drain")                         /* cut at the end of timeouts.drain */               \
    X(RESET, "reset")                         /* the peer has reset it */                          \
    X(ERROR, "error")                         /* out of memory, or a fault of the service */       \
    X(KILLED, "killed")                       /* tcpctl kill */                                    \
    X(HANDSHAKE_TIMEOUT, "handshake_timeout") /* timeouts.handshake */                             \
    X(PROXY_PROTOCOL, "proxy_protocol") /* no valid header, or not from a peer that is trusted */  \
    X(REJECTED, "rejected")             /* whom the header tells of may not come in */

#define REJECT_REASONS(X)                                                                          \
    X(CONNECTIONS, "connections") /* limits.connections, overload "reset" */                       \
    X(PER_ADDRESS, "per_address") /* limits.per_address */                                         \
    X(RATE, "rate")               /* limits.rate */                                                \
    X(OVERLOAD, "overload")       /* limits.queue_delay, limits.handshakes, no room in a table */  \
    X(ACCESS, "access")           /* the access list of the service */

#define REASON_ENUM(name, text) CLOSE_##name,
enum close_reason { CLOSE_REASONS(REASON_ENUM) CLOSE_REASON_COUNT };
#undef REASON_ENUM
#define REASON_ENUM(name, text) REJECT_##name,
enum reject_reason { REJECT_REASONS(REASON_ENUM) REJECT_REASON_COUNT };
#undef REASON_ENUM

/* The word for the log and for metrics. */
const char *close_reason_name(enum close_reason reason);
const char *reject_reason_name(enum reject_reason reason);

#endif
