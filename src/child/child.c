/* SPDX-License-Identifier: MIT */
#include "child/child.h"

#include "base/clock.h"
#include "base/container.h"
#include "base/log.h"
#include "base/title.h"
#include "child/acceptor.h"
#include "child/channel.h"
#include "child/inquiry.h"
#include "child/privileges.h"
#include "child/sandbox.h"
#include "child/worker.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#define FREE_MAX (128 * 1024) /* bytes at the end of an arena that malloc(3) may keep */
#define MAP_FROM (128 * 1024) /* bytes of a block that it maps by itself */

struct child {
    const struct child_setup *setup;
    struct pool_shared shared;
    const struct service **services;
    struct worker *workers;
    unsigned worker_count;  /* initialised */
    unsigned running_count; /* with a thread */
    struct loop loop;       /* the acceptor's */
    struct acceptor *acceptor;
    struct watch channel;
    struct desk desk;
    uint64_t cut_at; /* when the drain is over; 0: none was ordered */
    bool stopped;    /* nobody comes in any more: the workers know of the drain */
};

/* The drain. */

/* The workers may leave when they have nothing left. */
static void drain_workers(struct child *child)
{
    for (unsigned i = 0; i < child->worker_count; i++)
        worker_drain(&child->workers[i], child->cut_at);
}

static void acceptor_stopped(void *owner)
{
    struct child *child = owner;
    struct message message = {.order = CHILD_STOPPED};
    child->stopped = true;
    send(child->setup->channel, &message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT);
    drain_workers(child);
}

/* One that is ordered while another is under way can only make it shorter. */
static void drain(struct child *child, uint64_t duration)
{
    uint64_t cut_at = duration ? clock_now() + duration : WORKER_NEVER_CUT;
    bool first = child->cut_at == 0;
    if (!first && cut_at >= child->cut_at)
        return;
    child->cut_at = cut_at;
    if (first)
        acceptor_stop(child->acceptor);
    else if (child->stopped)
        drain_workers(child);
    else
        acceptor_hurry(child->acceptor);
}

/* Its sockets go with us: who is queued there still gets in. */
static void outlive_master(struct child *child)
{
    const struct board *board = child->setup->board;
    log_say(LOG_ERR, "the master is gone: finishing what is open");
    loop_remove(&child->loop, &child->channel);
    memset(board->last_calls, LAST_CALL_QUEUED, board->entry.listeners);
    drain(child, child->setup->conf->drain);
}

/* An inquiry may be answered, or a worker has left: when it was the last one, so does the child. */
static void woken(struct loop *loop)
{
    struct child *child = loop->owner;
    desk_settle(&child->desk);
    for (unsigned i = 0; i < child->worker_count; i++)
        if (!__atomic_load_n(&child->workers[i].left, __ATOMIC_ACQUIRE))
            return;
    loop->stop = true;
}

/* What it does not know it leaves, and closes what came with it. */
static void obey(struct child *child, const struct message *message, int descriptor)
{
    if (message->order == CHILD_LIST || message->order == CHILD_KILL) {
        desk_ask(&child->desk, message, descriptor);
        return;
    }
    if (descriptor >= 0)
        close(descriptor);
    if (message->order == CHILD_DRAIN)
        drain(child, message->value);
    else if (message->order == CHILD_SHUT)
        acceptor_shut(child->acceptor);
    else if (message->order == CHILD_LOG)
        log_set_level((int)message->value);
}

static void channel_ready(struct watch *watch, uint32_t events)
{
    struct child *child = container_of(watch, struct child, channel);
    struct message message;
    int descriptor;
    (void)events;
    enum received received = channel_receive(watch->fd, &message, &descriptor);
    if (received == CHANNEL_MESSAGE)
        obey(child, &message, descriptor);
    else if (received == CHANNEL_ENDED)
        outlive_master(child);
}

/* The start. */

static int make_services(struct child *child, struct error *error)
{
    const struct conf *conf = child->setup->conf;
    child->services = calloc(conf->service_count, sizeof *child->services);
    if (!child->services)
        return error_set(error, ENOMEM, "cannot make room for services");
    for (size_t i = 0; i < conf->service_count; i++)
        child->services[i] = &conf->services[i].service;
    return 0;
}

static int make_workers(struct child *child, struct error *error)
{
    const struct conf *conf = child->setup->conf;
    child->workers = calloc(conf->pool.threads, sizeof *child->workers);
    if (!child->workers)
        return error_set(error, ENOMEM, "cannot make room for the pool");
    for (unsigned i = 0; i < conf->pool.threads; i++) {
        if (worker_init(&child->workers[i], &child->shared, i, conf->pool.queue, error))
            return -1;
        child->worker_count++;
    }
    for (unsigned i = 0; i < conf->pool.threads; i++) {
        if (worker_start(&child->workers[i], error))
            return -1;
        child->running_count++;
    }
    return 0;
}

static int make_acceptor(struct child *child, struct error *error)
{
    const struct child_setup *setup = child->setup;
    struct acceptor_setup acceptor = {
        .shared = &child->shared,
        .listener_count = setup->listener_count,
        .workers = child->workers,
        .worker_count = child->worker_count,
        .exclusive = setup->conf->pool.processes > 1,
        .owner = child,
        .stopped = acceptor_stopped,
    };
    child->acceptor = acceptor_new(&acceptor, &child->loop, error);
    return child->acceptor ? 0 : -1;
}

static int listen_to_master(struct child *child, struct error *error)
{
    struct message ready = {.order = CHILD_READY};
    child->channel = (struct watch){channel_ready, child->setup->channel, EPOLLIN};
    child->desk = (struct desk){.workers = child->workers,
                                .worker_count = child->worker_count,
                                .channel = child->setup->channel};
    if (loop_add(&child->loop, &child->channel) ||
        send(child->setup->channel, &ready, sizeof ready, MSG_NOSIGNAL) < 0)
        return error_set(error, errno, "cannot reach the master");
    return 0;
}

/* Nothing that needs another system call comes after. */
static int shut_in(struct child *child, struct error *error)
{
    const struct child_setup *setup = child->setup;
    unsigned threads = child->worker_count + 2; /* the acceptor, the logger */
    return sandbox_enter(&setup->board->children[setup->index].refused, threads, error);
}

static int start(struct child *child, struct error *error)
{
    const struct child_setup *setup = child->setup;
    child->shared = (struct pool_shared){.listeners = setup->listeners,
                                         .service_count = (unsigned)setup->conf->service_count,
                                         .board = setup->board,
                                         .house = {.scoreboard = setup->board->scoreboard,
                                                   .limits = setup->conf->limits,
                                                   .machine = setup->machine},
                                         .child = setup->index,
                                         .beat_every = setup->beat_every,
                                         .access_log = setup->conf->log.access,
                                         .spawner = setup->spawner,
                                         .acceptor = &child->loop};
    if (privileges_drop(&setup->conf->identity, error) || log_start(error))
        return -1;
    if (make_services(child, error) || loop_init(&child->loop, error))
        return -1;
    child->shared.services = child->services;
    child->shared.house.limits.connections = setup->connections;
    child->loop.owner = child;
    child->loop.woken = woken;
    if (make_workers(child, error) || make_acceptor(child, error) || shut_in(child, error))
        return -1;
    return listen_to_master(child, error);
}

/* After a failed start the threads are there without work: they leave at once. */
static void stop(struct child *child)
{
    for (unsigned i = 0; i < child->running_count; i++) {
        worker_drain(&child->workers[i], 1);
        worker_join(&child->workers[i]);
    }
    for (unsigned i = 0; i < child->worker_count; i++)
        worker_fini(&child->workers[i]);
    desk_close(&child->desk);
    if (child->acceptor)
        acceptor_free(child->acceptor);
    if (child->loop.epoll > 0)
        loop_fini(&child->loop);
    free(child->workers);
    free(child->services);
}

/*
 * Whoever frees a large block, as a configuration is one, has malloc(3) keep twice as much for
 * itself from then on, and the tables of a loop in the midst of connections that come and go.
 */
static void have_memory_given_back(void)
{
    mallopt(M_TRIM_THRESHOLD, FREE_MAX);
    mallopt(M_MMAP_THRESHOLD, MAP_FROM);
}

int child_run(const struct child_setup *setup)
{
    struct child child = {.setup = setup};
    struct error error = {0};
    have_memory_given_back();
    title_set("tcpd: child %u.%u", setup->board->entry.generation, setup->index);
    log_show_dropped(&setup->board->children[setup->index].log_dropped);
    int failed = start(&child, &error);
    if (failed)
        log_say(LOG_ERR, "a child cannot start: %s", error.text);
    else
        loop_run(&child.loop);
    stop(&child);
    log_close();
    return failed ? EX_OSERR : EX_OK;
}
