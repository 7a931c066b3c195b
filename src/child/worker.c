/* SPDX-License-Identifier: MIT */
#include "child/worker.h"

#include "base/clock.h"
#include "base/container.h"
#include "base/places.h"
#include "child/admission.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Takes the queue: `seen` is a descriptor that the loop has had an event for, or -1. */
static void take(struct worker *worker, int seen)
{
    const struct handover *batch;
    unsigned count = queue_take(&worker->queue, seen, &batch);
    for (unsigned i = 0; i < count; i++)
        conn_open(&worker->set, &worker->shared->listeners[batch[i].listener], &batch[i]);
    if (count > 0)
        places_tell_room(worker->shared->board->scoreboard);
}

/* The first event of a new connection. */
static void stranger(struct loop *loop, int fd)
{
    take(loop->owner, fd);
}

static void drain_over(struct timer *timer, uint64_t now)
{
    struct worker *worker = container_of(timer, struct worker, drain);
    (void)now;
    conn_set_cut(&worker->set);
}

/* The FIFO of this one duration is made when it is needed: a drain comes once or twice in a life.
 */
static void begin_drain(struct worker *worker, uint64_t cut_at)
{
    uint64_t wait = cut_at > worker->loop.now ? cut_at - worker->loop.now : 1;
    worker->draining = cut_at;
    worker->set.drains = true;
    if (cut_at == WORKER_NEVER_CUT)
        return;
    timer_start(&worker->drain, timers_fifo(&worker->loop.timers, wait, drain_over),
                worker->loop.now);
}

static void woken(struct loop *loop)
{
    struct worker *worker = loop->owner;
    uint64_t cut_at = __atomic_load_n(&worker->cut_at, __ATOMIC_ACQUIRE);
    take(worker, -1);
    if (cut_at != worker->draining)
        begin_drain(worker, cut_at);
    inbox_serve(worker);
}

static void turn_end(struct loop *loop)
{
    struct worker *worker = loop->owner;
    conn_set_sweep(&worker->set);
    if (worker->draining && worker->set.open == 0 && queue_length(&worker->queue) == 0)
        loop->stop = true;
}

static void gone(struct conn_set *set, const struct service *service, const struct addr *peer)
{
    struct worker *worker = set->owner;
    __atomic_sub_fetch(&worker->load, 1, __ATOMIC_RELAXED);
    if (peer) {
        places_give(worker->shared->board, worker->shared->child, service->id);
        if (verdict_counts_addresses(&worker->shared->house, service))
            admission_give(worker->shared, service, peer);
    } else {
        admission_close(worker->shared, service);
    }
}

static bool admit(struct conn_set *set, const struct service *service, int fd,
                  const struct addr *peer, const struct addr *via)
{
    struct worker *worker = set->owner;
    struct newcomer newcomer = {
        .service = service, .fd = fd, .peer = peer, .via = via, .now = worker->loop.now};
    if (!admission_ask(&worker->admission, &newcomer))
        return false;
    places_reach_service(worker->shared->board, worker->shared->child);
    return true;
}

static int init_set(struct worker *worker, struct error *error)
{
    const struct pool_shared *shared = worker->shared;
    worker->set = (struct conn_set){
        .loop = &worker->loop,
        .slot = board_thread(shared->board, shared->child, worker->index),
        .scoreboard = shared->board->scoreboard,
        .access_log = shared->access_log,
        .spawner = shared->spawner ? shared->spawner[worker->index] : 0,
        .owner = worker,
        .gone = gone,
        .admit = admit,
    };
    worker->admission = (struct admission){.shared = shared, .slot = worker->set.slot};
    for (unsigned i = 0; i < shared->service_count; i++)
        counter_set(&worker->set.slot->services[i].runs_programs,
                    shared->services[i]->ops->gives_away);
    return conn_set_init(&worker->set, shared->services, shared->service_count, error);
}

int worker_init(struct worker *worker, const struct pool_shared *shared, unsigned index,
                unsigned queue_size, struct error *error)
{
    *worker = (struct worker){.shared = shared, .index = index};
    if (loop_init(&worker->loop, error))
        return -1;
    worker->loop.owner = worker;
    worker->loop.stranger = stranger;
    worker->loop.woken = woken;
    worker->loop.turn_end = turn_end;
    struct thread_slot *slot = board_thread(shared->board, shared->child, index);
    if (queue_init(&worker->queue, queue_size, slot, error)) {
        loop_fini(&worker->loop);
        return -1;
    }
    if (init_set(worker, error)) {
        queue_fini(&worker->queue);
        loop_fini(&worker->loop);
        return -1;
    }
    return 0;
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    beat_start(&worker->beat, &worker->loop, &worker->set.slot->beat, worker->shared->beat_every);
    loop_run(&worker->loop);
    __atomic_store_n(&worker->left, true, __ATOMIC_RELEASE);
    loop_wake(worker->shared->acceptor);
    return NULL;
}

int worker_start(struct worker *worker, struct error *error)
{
    char name[16];
    sigset_t all, before;
    sigfillset(&all);
    sigdelset(&all, SIGSYS); /* the sandbox notes what it refuses */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&worker->thread, NULL, worker_main, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed)
        return error_set(error, failed, "cannot start a worker thread");
    snprintf(name, sizeof name, "worker %u", worker->index);
    pthread_setname_np(worker->thread, name);
    return 0;
}

void worker_drain(struct worker *worker, uint64_t cut_at)
{
    __atomic_store_n(&worker->cut_at, cut_at, __ATOMIC_RELEASE);
    loop_wake(&worker->loop);
}

void worker_join(struct worker *worker)
{
    pthread_join(worker->thread, NULL);
}

void worker_fini(struct worker *worker)
{
    conn_set_fini(&worker->set);
    queue_fini(&worker->queue);
    loop_fini(&worker->loop);
}
