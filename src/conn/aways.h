/* SPDX-License-Identifier: MIT */
/*
 * The connections of a worker that were given away: their table, and the line of those who have
 * something to ask the spawner and find its channel full.  The worker's thread.
 */
#ifndef TCPD_CONN_AWAYS_H
#define TCPD_CONN_AWAYS_H

#include "conn/state.h"

struct aways {
    struct watch channel; /* to the spawner; fd -1: it has ended for good */
    struct timer retry;
    struct conn_set *set;
    struct away **slots; /* NULL: a free one */
    uint32_t *free;      /* a stack of those */
    uint32_t size, free_count;
    struct away *unsent, **unsent_end; /* those who have something to ask, in order */
    struct away *released;
    bool sync_unsent;
};

/* Puts a connection into the table; NULL without memory. */
struct away *away_new(struct conn *conn);

/* Takes it out, and frees it. */
void away_free(struct away *away);

/* Asks the spawner what is to be asked about it now, or as soon as the channel takes it. */
void away_ask(struct away *away);

/* The same for a barrier behind all that was asked. */
void aways_sync(struct aways *aways);

#endif
