/* SPDX-License-Identifier: MIT */
/*
 * Whether a client may come in: what the rules of the configuration and the counters of the
 * scoreboard say, and nothing else.  Nothing is changed by asking.
 *
 *   at the door   before it is known who comes: is there room for another connection?
 *   by the lists  who it is: the access lists of the service
 *   by address    the limits for its address, of the daemon and of the service
 *
 * An acceptor asks with the lock of the places in its hands, and takes what was granted before it
 * lets go (admission.h); "tcpctl explain" asks without, and takes nothing.  A rule that is on trial
 * is noted on the way and stands in nobody's.
 */
#ifndef TCPD_CHILD_VERDICT_H
#define TCPD_CHILD_VERDICT_H

#include "base/addresses.h"
#include "base/reason.h"
#include "base/scoreboard.h"
#include "conn/access.h"
#include "conn/service.h"

#include <stdbool.h>

/* A queue whose first socket has waited for limits.queue_delay and this is late (ns). */
#define VERDICT_INTERVAL (100 * CLOCK_MS)

/* What may stand against a client, in the order in which it is asked. */
enum rule {
    RULE_NONE,
    RULE_QUEUE_DELAY,         /* limits.queue_delay */
    RULE_QUEUE,               /* pool.queue */
    RULE_CONNECTIONS,         /* limits.connections */
    RULE_MACHINE,             /* … as far as there are descriptors (RLIMIT_NOFILE) */
    RULE_SERVICE_CONNECTIONS, /* the service's limits.connections */
    RULE_INSTANCES,           /* the service's instances */
    RULE_HANDSHAKES,          /* limits.handshakes */
    RULE_TRUSTED,             /* the service's list of proxies: see conn_header.c */
    RULE_ACCESS,              /* the service's access lists */
    RULE_PER_ADDRESS,         /* limits.per_address */
    RULE_RATE,                /* limits.rate */
    RULE_SERVICE_PER_ADDRESS, /* the service's */
    RULE_SERVICE_RATE,        /* likewise */
    RULE_TABLE,               /* the address table has no room */
    RULE_COUNT
};

enum decision {
    DECISION_ADMITTED,
    DECISION_QUEUED, /* left in the kernel's queue until there is room */
    DECISION_REFUSED
};

/* All zero: nothing stands against it. */
struct verdict {
    uint8_t decision; /* enum decision */
    uint8_t rule;     /* enum rule: the one that decided */
    uint32_t trials;  /* 1 << rule: those that would have decided, but are on trial */
};

/* Where somebody wants to come in: a generation, as its configuration has it. */
struct house {
    const struct scoreboard *scoreboard;
    struct limits limits; /* of the daemon; connections as far as there are descriptors */
    uint32_t machine;     /* connections for which there are descriptors */
};

/* What waits for the workers of a child. */
struct room {
    unsigned length; /* of the shortest queue */
    unsigned size;   /* that it may have */
    uint64_t since;  /* accept of the first socket in the queue that waits the least; 0: it is empty
                      */
};

/* The demands of one client: those of the daemon and of the service that have limits. */
struct demands {
    struct address_demand list[ADDRESS_DEMANDS];
    const struct limits *limits[ADDRESS_DEMANDS]; /* where they come from */
    unsigned count;
};

struct verdict verdict_at_door(const struct house *house, const struct service *service,
                               const struct room *room, uint64_t now);

/*
 * What is said to a client that the door has admitted or refused, and its demands, which have to
 * be counted if it is admitted; what is on trial is no limit in them any more.
 */
struct verdict verdict_on_client(const struct house *house, const struct service *service,
                                 const struct access_peer *peer, struct verdict at_door,
                                 uint64_t now, struct demands *demands);

/* What a client would have counted: none for a unix peer, which has no address. */
void verdict_demands(struct demands *demands, const struct house *house,
                     const struct service *service, const struct addr *peer);

/* Whether a socket that was accepted then has waited for too long. */
bool verdict_is_late(const struct house *house, uint64_t since, uint64_t now);

/* Admitted, and nothing noted. */
static inline bool verdict_is_clear(struct verdict verdict)
{
    return verdict.decision == DECISION_ADMITTED && !verdict.trials;
}

/* Whether a client of that service has anything counted by its address. */
static inline bool verdict_counts_addresses(const struct house *house,
                                            const struct service *service)
{
    const struct limits *daemon = &house->limits, *own = &service->limits;
    return daemon->per_address | daemon->rate | own->per_address | own->rate;
}

/* Under which reason it is counted and logged; rule is neither RULE_NONE nor RULE_TRUSTED, which
 * closes. */
enum reject_reason verdict_reason(enum rule rule);

#endif
