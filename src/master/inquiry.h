/* SPDX-License-Identifier: MIT */
/*
 * What only children know, asked over their channels: the list of connections, and killing one.
 *
 * Nobody is waited for longer than two seconds, and no channel that is full.  The master's only
 * thread; callbacks come from its loop, or from inquiry_answered and inquiry_child_gone.
 */
#ifndef TCPD_MASTER_INQUIRY_H
#define TCPD_MASTER_INQUIRY_H

#include "base/error.h"
#include "base/scoreboard.h"
#include "child/child.h"
#include "io/loop.h"

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

struct inquiry;
struct inquiries;

/* A child that is asked. */
struct inquiry_child {
    const void *key; /* what inquiry_answered and inquiry_child_gone know it by */
    int channel;
    uint32_t generation, index;
    pid_t pid;
};

struct inquiries *inquiries_new(struct loop *loop, const struct scoreboard *scoreboard,
                                struct error *error);

/* Cancels all; NULL is fine. */
void inquiries_free(struct inquiries *inquiries);

/*
 * Both are the receiver's.  `missing`: an array of a sentence for each child of which not all is in
 * the list; one that has ended has no connections.  Both NULL: out of memory.
 */
typedef void inquiry_listed(void *owner, json_t *connections, json_t *missing);

/*
 * Asks each of the children for its connections of a service, by its id, or -1 for all.  `listed`
 * is called once, after this has returned, unless the inquiry is cancelled before; from then on the
 * inquiry is gone.  NULL on error: too many are under way, or no memory.
 */
struct inquiry *inquiry_list(struct inquiries *inquiries, const struct inquiry_child *children,
                             unsigned count, int service, inquiry_listed *listed, void *owner,
                             struct error *error);

enum inquiry_kill {
    INQUIRY_KILLED,
    INQUIRY_NO_SUCH, /* or it was closed meanwhile */
    INQUIRY_SILENT,  /* the child did not answer */
};

typedef void inquiry_killed(void *owner, enum inquiry_kill outcome);

/* Has a child close the connection with that number.  As inquiry_list. */
struct inquiry *inquiry_kill(struct inquiries *inquiries, const struct inquiry_child *child,
                             uint64_t number, inquiry_killed *killed, void *owner,
                             struct error *error);

/* Whoever asked is gone.  No callback comes any more. */
void inquiry_cancel(struct inquiry *inquiry);

/* A child has sent CHILD_DONE; what nobody waits for does nothing. */
void inquiry_answered(struct inquiries *inquiries, const void *key, const struct message *message);

/* A child has ended. */
void inquiry_child_gone(struct inquiries *inquiries, const void *key);

#endif
