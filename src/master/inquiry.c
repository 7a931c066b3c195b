/* SPDX-License-Identifier: MIT */
#include "master/inquiry.h"

#include "base/clock.h"
#include "base/container.h"
#include "child/channel.h"
#include "master/connections.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define INQUIRIES_MAX 32 /* under way at once */
#define WAIT          (2 * CLOCK_S)

enum asked_state { ASKED_WAITING, ASKED_ANSWERED, ASKED_SILENT, ASKED_GONE };

struct asked {
    struct inquiry_child child;
    enum asked_state state;
    int file;       /* for its records, its alone so that it tells nothing of others; -1: none */
    uint64_t value; /* of its answer */
};

struct inquiry {
    struct inquiries *inquiries;
    struct inquiry *next;
    uint64_t request;
    struct timer timer;
    int service;
    inquiry_listed *listed; /* one of the two */
    inquiry_killed *killed;
    void *owner;
    unsigned count;
    struct asked asked[];
};

struct inquiries {
    struct loop *loop;
    const struct scoreboard *scoreboard;
    struct inquiry *first;
    unsigned count;
    uint64_t last_request;
};

/* Requests count on from the time: after an upgrade, answers to those from before mean nothing. */
struct inquiries *inquiries_new(struct loop *loop, const struct scoreboard *scoreboard,
                                struct error *error)
{
    struct inquiries *inquiries = calloc(1, sizeof *inquiries);
    if (!inquiries) {
        error_set(error, ENOMEM, "cannot make room for what children are asked");
        return NULL;
    }
    *inquiries =
        (struct inquiries){.loop = loop, .scoreboard = scoreboard, .last_request = clock_now()};
    return inquiries;
}

void inquiries_free(struct inquiries *inquiries)
{
    while (inquiries && inquiries->first)
        inquiry_cancel(inquiries->first);
    free(inquiries);
}

/* The end of one. */

static void unlink_inquiry(struct inquiry *inquiry)
{
    struct inquiry **at = &inquiry->inquiries->first;
    while (*at != inquiry)
        at = &(*at)->next;
    *at = inquiry->next;
    inquiry->inquiries->count--;
    timer_stop(&inquiry->timer);
}

static void free_inquiry(struct inquiry *inquiry)
{
    for (unsigned i = 0; i < inquiry->count; i++)
        if (inquiry->asked[i].file >= 0)
            close(inquiry->asked[i].file);
    free(inquiry);
}

void inquiry_cancel(struct inquiry *inquiry)
{
    unlink_inquiry(inquiry);
    free_inquiry(inquiry);
}

/* What is wrong with the part of one child; NULL: nothing. */
static const char *read_part(const struct asked *asked, struct connections *connections)
{
    struct connection_id of = {asked->child.generation, asked->child.index, 0};
    uint64_t count = 0;
    enum connections_read read = CONNECTIONS_READ;
    if (asked->file >= 0)
        read = connections_read(connections, asked->file, &of, asked->child.pid, &count);
    if (asked->state == ASKED_SILENT)
        return "did not answer";
    if (read == CONNECTIONS_TOO_MANY)
        return "has more connections than can be listed";
    return read == CONNECTIONS_READ && count == asked->value ? NULL : "did not answer properly";
}

static void finish_list(const struct inquiry *inquiry)
{
    json_t *missing = json_array();
    struct connections connections = {.scoreboard = inquiry->inquiries->scoreboard,
                                      .service = inquiry->service,
                                      .room = CONNECTIONS_ROOM,
                                      .list = json_array()};
    bool failed = !missing || !connections.list;
    for (unsigned i = 0; i < inquiry->count && !failed; i++) {
        const struct asked *asked = &inquiry->asked[i];
        const char *wrong = asked->state == ASKED_GONE ? NULL : read_part(asked, &connections);
        failed = connections.no_memory ||
                 (wrong && json_array_append_new(missing, json_sprintf("child %u.%u %s",
                                                                       asked->child.generation,
                                                                       asked->child.index, wrong)));
    }
    if (failed) {
        json_decref(missing);
        json_decref(connections.list);
        connections.list = missing = NULL;
    }
    inquiry->listed(inquiry->owner, connections.list, missing);
}

static void finish_kill(const struct inquiry *inquiry)
{
    const struct asked *asked = &inquiry->asked[0];
    enum inquiry_kill outcome = INQUIRY_NO_SUCH;
    if (asked->state == ASKED_SILENT)
        outcome = INQUIRY_SILENT;
    else if (asked->state == ASKED_ANSWERED && asked->value > 0)
        outcome = INQUIRY_KILLED;
    inquiry->killed(inquiry->owner, outcome);
}

static void finish(struct inquiry *inquiry)
{
    unlink_inquiry(inquiry);
    if (inquiry->listed)
        finish_list(inquiry);
    else
        finish_kill(inquiry);
    free_inquiry(inquiry);
}

static bool is_complete(const struct inquiry *inquiry)
{
    for (unsigned i = 0; i < inquiry->count; i++)
        if (inquiry->asked[i].state == ASKED_WAITING)
            return false;
    return true;
}

static void timed_out(struct timer *timer, uint64_t now)
{
    struct inquiry *inquiry = container_of(timer, struct inquiry, timer);
    (void)now;
    for (unsigned i = 0; i < inquiry->count; i++)
        if (inquiry->asked[i].state == ASKED_WAITING)
            inquiry->asked[i].state = ASKED_SILENT;
    finish(inquiry);
}

/* Asking. */

static struct inquiry *inquiry_new(struct inquiries *inquiries,
                                   const struct inquiry_child *children, unsigned count,
                                   struct error *error)
{
    struct inquiry *inquiry = NULL;
    if (inquiries->count >= INQUIRIES_MAX) {
        error_set(error, 0, "the children are asked too much at once: try again");
        return NULL;
    }
    inquiry = calloc(1, sizeof *inquiry + count * sizeof *inquiry->asked);
    if (!inquiry) {
        error_set(error, ENOMEM, "cannot ask the children");
        return NULL;
    }
    inquiry->inquiries = inquiries;
    inquiry->request = ++inquiries->last_request;
    inquiry->count = count;
    for (unsigned i = 0; i < count; i++)
        inquiry->asked[i] = (struct asked){.child = children[i], .file = -1};
    return inquiry;
}

/* For appending, so that the workers need no lock among them. */
static int make_file(void)
{
    int file = memfd_create("tcpd-connections", MFD_CLOEXEC);
    if (file >= 0 && fcntl(file, F_SETFL, O_APPEND) == 0)
        return file;
    if (file >= 0)
        close(file);
    return -1;
}

static void ask(const struct inquiry *inquiry, struct asked *asked, struct message message)
{
    message.request = inquiry->request;
    if (message.order == CHILD_LIST && (asked->file = make_file()) < 0)
        asked->state = ASKED_SILENT;
    else if (channel_send(asked->child.channel, &message, asked->file))
        asked->state = ASKED_SILENT;
}

/* With nobody to wait for, it ends in the next turn: not before the caller knows of it. */
static struct inquiry *begin(struct inquiry *inquiry, struct message message, struct error *error)
{
    struct inquiries *inquiries = inquiry->inquiries;
    for (unsigned i = 0; i < inquiry->count; i++)
        ask(inquiry, &inquiry->asked[i], message);
    struct fifo *fifo =
        timers_fifo(&inquiries->loop->timers, is_complete(inquiry) ? 1 : WAIT, timed_out);
    if (!fifo) {
        error_set(error, ENOMEM, "cannot wait for the children");
        free_inquiry(inquiry);
        return NULL;
    }
    timer_start(&inquiry->timer, fifo, clock_now());
    inquiry->next = inquiries->first;
    inquiries->first = inquiry;
    inquiries->count++;
    return inquiry;
}

struct inquiry *inquiry_list(struct inquiries *inquiries, const struct inquiry_child *children,
                             unsigned count, int service, inquiry_listed *listed, void *owner,
                             struct error *error)
{
    struct message list = {.order = CHILD_LIST, .value = (uint64_t)(service + 1)};
    struct inquiry *inquiry = inquiry_new(inquiries, children, count, error);
    if (!inquiry)
        return NULL;
    inquiry->service = service;
    inquiry->listed = listed;
    inquiry->owner = owner;
    return begin(inquiry, list, error);
}

struct inquiry *inquiry_kill(struct inquiries *inquiries, const struct inquiry_child *child,
                             uint64_t number, inquiry_killed *killed, void *owner,
                             struct error *error)
{
    struct message order = {.order = CHILD_KILL, .value = number};
    struct inquiry *inquiry = inquiry_new(inquiries, child, 1, error);
    if (!inquiry)
        return NULL;
    inquiry->killed = killed;
    inquiry->owner = owner;
    return begin(inquiry, order, error);
}

/* Answers. */

/* A callback may begin or cancel others: after each, the search begins anew. */
static void finish_complete(struct inquiries *inquiries)
{
    struct inquiry *inquiry = inquiries->first;
    while (inquiry) {
        if (is_complete(inquiry)) {
            finish(inquiry);
            inquiry = inquiries->first;
        } else {
            inquiry = inquiry->next;
        }
    }
}

void inquiry_answered(struct inquiries *inquiries, const void *key, const struct message *message)
{
    struct inquiry *inquiry = inquiries->first;
    while (inquiry && inquiry->request != message->request)
        inquiry = inquiry->next;
    for (unsigned i = 0; inquiry && i < inquiry->count; i++) {
        struct asked *asked = &inquiry->asked[i];
        if (asked->child.key == key && asked->state == ASKED_WAITING) {
            asked->state = ASKED_ANSWERED;
            asked->value = message->value;
        }
    }
    if (inquiry && is_complete(inquiry))
        finish(inquiry);
}

/* What it had told is no longer true either. */
void inquiry_child_gone(struct inquiries *inquiries, const void *key)
{
    for (struct inquiry *inquiry = inquiries->first; inquiry; inquiry = inquiry->next)
        for (unsigned i = 0; i < inquiry->count; i++)
            if (inquiry->asked[i].child.key == key)
                inquiry->asked[i].state = ASKED_GONE;
    finish_complete(inquiries);
}
