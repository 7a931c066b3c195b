/* SPDX-License-Identifier: MIT */
#include "child/inquiry.h"

#include "child/channel.h"
#include "child/worker.h"
#include "conn/record.h"

#include <stdlib.h>
#include <unistd.h>

#define INQUIRIES_MAX 32 /* under way at once */

/* What one worker has to do.  Its own, once it is in its inbox. */
struct part {
    struct inquiry *inquiry;
    struct part *next;
    size_t from; /* how far its walk has come */
};

struct inquiry {
    struct inquiry *next;
    struct message message;
    int descriptor;      /* where the records go; -1: none */
    uint64_t met;        /* atomic: connections that are in the list, or were closed */
    unsigned left;       /* atomic: parts that are not done */
    struct part parts[]; /* by worker */
};

/* The worker. */

static void take_arrived(struct inbox *inbox)
{
    struct part **end = &inbox->first;
    struct part *arrived = __atomic_exchange_n(&inbox->arrived, NULL, __ATOMIC_ACQUIRE);
    struct part *in_order = NULL;
    while (arrived) {
        struct part *next = arrived->next;
        arrived->next = in_order;
        in_order = arrived;
        arrived = next;
    }
    while (*end)
        end = &(*end)->next;
    *end = in_order;
}

/*
 * One write for a slice: on a file that is open for appending, those of several threads do not mix.
 * What could not be written is missed by the master, for it is counted all the same.
 */
static bool list_slice(struct part *part, struct conn_set *set)
{
    struct inquiry *inquiry = part->inquiry;
    uint64_t service = inquiry->message.value ? inquiry->message.value - 1 : CONN_ANY_SERVICE;
    unsigned count = conn_set_list(set, service, &part->from);
    ssize_t written = 0;
    if (count > 0)
        written = write(inquiry->descriptor, set->scratch, count * sizeof(struct conn_record));
    (void)written;
    __atomic_add_fetch(&inquiry->met, count, __ATOMIC_RELAXED);
    return conn_set_walked(set, part->from);
}

/* One that was met is really closed at the end of this turn: not before that may it be said. */
static bool kill_slice(struct part *part, struct conn_set *set)
{
    if (conn_set_walked(set, part->from))
        return true;
    if (!conn_set_kill(set, part->inquiry->message.value, &part->from))
        return conn_set_walked(set, part->from);
    part->from = SIZE_MAX;
    __atomic_add_fetch(&part->inquiry->met, 1, __ATOMIC_RELAXED);
    return false;
}

/* Whether it was the last one.  The acceptor may free the inquiry, and the part, before this
 * returns.
 */
static bool part_done(struct part *part)
{
    return __atomic_sub_fetch(&part->inquiry->left, 1, __ATOMIC_ACQ_REL) == 0;
}

void inbox_serve(struct worker *worker)
{
    struct inbox *inbox = &worker->inbox;
    take_arrived(inbox);
    struct part *part = inbox->first;
    if (!part)
        return;
    struct part *next = part->next;
    bool listing = part->inquiry->message.order == CHILD_LIST;
    if (listing ? list_slice(part, &worker->set) : kill_slice(part, &worker->set)) {
        inbox->first = next;
        if (part_done(part))
            loop_wake(worker->shared->acceptor);
    }
    if (inbox->first)
        loop_wake(&worker->loop);
}

/* The acceptor. */

static void forget(struct inquiry *inquiry)
{
    if (inquiry->descriptor >= 0)
        close(inquiry->descriptor);
    free(inquiry);
}

static void put_into_inbox(struct worker *worker, struct part *part)
{
    struct inbox *inbox = &worker->inbox;
    part->next = __atomic_load_n(&inbox->arrived, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&inbox->arrived, &part->next, part, true, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED))
        ;
    loop_wake(&worker->loop);
}

static struct inquiry *inquiry_new(const struct desk *desk, const struct message *message,
                                   int descriptor)
{
    struct inquiry *inquiry =
        calloc(1, sizeof *inquiry + desk->worker_count * sizeof *inquiry->parts);
    if (!inquiry)
        return NULL;
    inquiry->message = *message;
    inquiry->descriptor = descriptor;
    inquiry->left = desk->worker_count;
    for (unsigned i = 0; i < desk->worker_count; i++)
        inquiry->parts[i].inquiry = inquiry;
    return inquiry;
}

void desk_ask(struct desk *desk, const struct message *message, int descriptor)
{
    bool possible =
        desk->count < INQUIRIES_MAX && (message->order == CHILD_KILL || descriptor >= 0);
    struct inquiry *inquiry = possible ? inquiry_new(desk, message, descriptor) : NULL;
    if (!inquiry) {
        if (descriptor >= 0)
            close(descriptor);
        return;
    }
    struct inquiry **end = &desk->first;
    while (*end)
        end = &(*end)->next;
    *end = inquiry;
    desk->count++;
    for (unsigned i = 0; i < desk->worker_count; i++)
        put_into_inbox(&desk->workers[i], &inquiry->parts[i]);
    desk_settle(desk);
}

/* Its thread has left its loop: what is in the inbox is nobody's any more, and it has nothing to
 * tell. */
static void clear_inbox(struct inbox *inbox)
{
    take_arrived(inbox);
    while (inbox->first) {
        struct part *part = inbox->first;
        inbox->first = part->next;
        part_done(part);
    }
}

/* A master that leaves a channel full of answers unread waits no more. */
static void answer(const struct desk *desk, struct inquiry *inquiry)
{
    struct message done = {.order = CHILD_DONE,
                           .request = inquiry->message.request,
                           .value = __atomic_load_n(&inquiry->met, __ATOMIC_RELAXED)};
    forget(inquiry);
    channel_send(desk->channel, &done, -1);
}

void desk_settle(struct desk *desk)
{
    for (unsigned i = 0; i < desk->worker_count; i++)
        if (__atomic_load_n(&desk->workers[i].left, __ATOMIC_ACQUIRE))
            clear_inbox(&desk->workers[i].inbox);
    for (struct inquiry **at = &desk->first; *at;) {
        struct inquiry *inquiry = *at;
        if (__atomic_load_n(&inquiry->left, __ATOMIC_ACQUIRE) > 0) {
            at = &inquiry->next;
            continue;
        }
        *at = inquiry->next;
        desk->count--;
        answer(desk, inquiry);
    }
}

void desk_close(struct desk *desk)
{
    while (desk->first) {
        struct inquiry *inquiry = desk->first;
        desk->first = inquiry->next;
        forget(inquiry);
    }
    desk->count = 0;
}
