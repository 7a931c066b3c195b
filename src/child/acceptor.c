/* SPDX-License-Identifier: MIT */
#include "child/acceptor.h"

#include "base/clock.h"
#include "base/container.h"
#include "base/log.h"
#include "base/places.h"
#include "child/acceptor_state.h"
#include "child/admission.h"
#include "io/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BURST_MAX      64               /* connections accepted from one listener in a turn */
#define FULL_BURSTS    16               /* in a row, and the burst doubles */
#define RETRY_AFTER    (100 * CLOCK_MS) /* after the system ran out of something */
#define KICK_AFTER     (100 * CLOCK_MS) /* a queue of silent peers is taken at the latest then */
#define COMPLAIN_EVERY CLOCK_S

/* The poll set: a door is closed while nobody may come in. */

static void open_door(struct door *door)
{
    if (door->open || door->shut)
        return;
    door->watch.events = EPOLLIN | (door->acceptor->setup.exclusive ? EPOLLEXCLUSIVE : 0u);
    door->open = loop_add(door->acceptor->loop, &door->watch) == 0;
}

void door_close(struct door *door)
{
    if (door->open)
        loop_remove(door->acceptor->loop, &door->watch);
    door->open = false;
}

static void close_all(struct acceptor *acceptor)
{
    for (unsigned i = 0; i < acceptor->setup.listener_count; i++)
        door_close(&acceptor->doors[i]);
}

/* The shortest queue, then the fewest connections. */
static struct worker *choose_worker(const struct acceptor *acceptor)
{
    struct worker *best = &acceptor->setup.workers[0];
    for (unsigned i = 1; i < acceptor->setup.worker_count; i++) {
        struct worker *other = &acceptor->setup.workers[i];
        unsigned length = queue_length(&other->queue), shortest = queue_length(&best->queue);
        if (length < shortest ||
            (length == shortest && __atomic_load_n(&other->load, __ATOMIC_RELAXED) <
                                       __atomic_load_n(&best->load, __ATOMIC_RELAXED)))
            best = other;
    }
    return best;
}

/* The queue in which a socket waits the least: when its first one was accepted; 0: one is empty. */
static uint64_t shortest_wait(const struct acceptor *acceptor)
{
    uint64_t latest = 0;
    for (unsigned i = 0; i < acceptor->setup.worker_count; i++) {
        uint64_t since = queue_since(&acceptor->setup.workers[i].queue);
        if (since == 0)
            return 0;
        if (since > latest)
            latest = since;
    }
    return latest;
}

/* For a connection that this worker would get. */
static inline struct room room_of(const struct acceptor *acceptor, const struct worker *worker)
{
    bool looks = acceptor->setup.shared->house.limits.queue_delay;
    return (struct room){queue_length(&worker->queue), worker->queue.size,
                         looks ? shortest_wait(acceptor) : 0};
}

static bool is_in_time(const struct pool_shared *shared, unsigned child)
{
    const struct board *board = shared->board;
    for (unsigned i = 0; i < board->entry.threads; i++) {
        uint64_t since = counter_get(&board_thread(board, child, i)->waiting_since);
        if (!verdict_is_late(&shared->house, since, clock_now()))
            return true;
    }
    return false;
}

/*
 * Whether the workers of another child are in time while those of this one are late: who refuses
 * fast must not draw to itself what others could serve.
 */
static bool others_are_in_time(const struct acceptor *acceptor)
{
    const struct pool_shared *shared = acceptor->setup.shared;
    for (unsigned child = 0; child < shared->board->entry.children; child++)
        if (child != shared->child && is_in_time(shared, child))
            return true;
    return false;
}

static bool has_room(const struct door *door)
{
    const struct acceptor *acceptor = door->acceptor;
    const struct room room = room_of(acceptor, choose_worker(acceptor));
    struct verdict verdict = verdict_at_door(&acceptor->setup.shared->house,
                                             door->listener->service, &room, clock_now());
    if (verdict.rule == RULE_QUEUE_DELAY)
        return !others_are_in_time(acceptor);
    return verdict.decision != DECISION_QUEUED;
}

static void lateness_due(struct timer *timer, uint64_t now);

/*
 * Workers that take nothing tell of no room.  When new connections wait because the
 * queues are full, only the clock tells that it is time to refuse them.
 */
static void wait_for_lateness(struct acceptor *acceptor)
{
    const struct worker *worker = choose_worker(acceptor);
    uint64_t delay = acceptor->setup.shared->house.limits.queue_delay;
    if (delay && !acceptor->lateness.fifo && queue_length(&worker->queue) >= worker->queue.size)
        timer_start(&acceptor->lateness,
                    timers_fifo(&acceptor->loop->timers, delay + VERDICT_INTERVAL, lateness_due),
                    acceptor->loop->now);
}

/*
 * The wish to be told of room comes before the look for it: what is given
 * back in between is seen by one or the other.
 */
static void wait_for_room(struct door *door)
{
    door_close(door);
    places_wait_for_room(door->acceptor->setup.shared->board->scoreboard);
    if (has_room(door))
        open_door(door);
    else
        wait_for_lateness(door->acceptor);
}

static bool all_are_open(const struct acceptor *acceptor)
{
    for (unsigned i = 0; i < acceptor->setup.listener_count; i++)
        if (!acceptor->doors[i].open)
            return false;
    return true;
}

static void open_where_there_is_room(struct acceptor *acceptor)
{
    if (all_are_open(acceptor))
        return;
    places_wait_for_room(acceptor->setup.shared->board->scoreboard);
    for (unsigned i = 0; i < acceptor->setup.listener_count; i++)
        if (has_room(&acceptor->doors[i]))
            open_door(&acceptor->doors[i]);
}

/* A place that is given back is no descriptor: after running out, only the timer opens. */
static void room_again(struct watch *watch, uint32_t events)
{
    struct acceptor *acceptor = container_of(watch, struct acceptor, room);
    (void)events;
    if (!acceptor->retry.fifo)
        open_where_there_is_room(acceptor);
}

static void lateness_due(struct timer *timer, uint64_t now)
{
    struct acceptor *acceptor = container_of(timer, struct acceptor, lateness);
    (void)now;
    if (!acceptor->retry.fifo)
        open_where_there_is_room(acceptor);
    if (!all_are_open(acceptor))
        wait_for_lateness(acceptor);
}

static void retry_due(struct timer *timer, uint64_t now)
{
    (void)now;
    open_where_there_is_room(container_of(timer, struct acceptor, retry));
}

/* Accepting. */

enum outcome { GOES_ON, NOBODY_THERE, NO_ROOM, RAN_OUT };

/* What became of a peer, or of the network, is no fault of the listener's (accept(2)). */
static bool is_passing(int errnum)
{
    static const int passing[] = {ECONNABORTED, EINTR,      EPROTO,      EPERM,
                                  ENOPROTOOPT,  ENETDOWN,   EHOSTDOWN,   ENONET,
                                  EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH, ETIMEDOUT};
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        if (errnum == passing[i])
            return true;
    return false;
}

/* Out of descriptors or memory: all doors are closed until some time has passed. */
static enum outcome ran_out(struct acceptor *acceptor, int errnum)
{
    uint64_t now = acceptor->loop->now;
    if (acceptor->complained == 0 || now - acceptor->complained >= COMPLAIN_EVERY) {
        log_say(LOG_ERR, "cannot accept a connection: %s; trying again", strerrordesc_np(errnum));
        acceptor->complained = now;
    }
    close_all(acceptor);
    timer_start(&acceptor->retry, timers_fifo(&acceptor->loop->timers, RETRY_AFTER, retry_due),
                now);
    return RAN_OUT;
}

/* Nobody is accepted: the program does that. */
static int share_listener(const struct door *door, struct addr *peer)
{
    bool is_unix = door->listener->address.family == AF_UNIX;
    *peer = (struct addr){.family = is_unix ? AF_UNIX : AF_INET};
    return fcntl(door->watch.fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
}

static int accept_one(const struct door *door, struct addr *peer)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
    socklen_t length = sizeof storage;
    int fd = accept4(door->watch.fd, (struct sockaddr *)&storage, &length, door->flags);
    if (fd >= 0)
        addr_from_sockaddr(peer, &storage);
    return fd;
}

static enum outcome accept_failed(struct acceptor *acceptor, int errnum)
{
    if (errnum == EAGAIN)
        return NOBODY_THERE;
    return is_passing(errnum) ? GOES_ON : ran_out(acceptor, errnum);
}

/* Peers that say nothing wake nobody: their queue is taken when it has waited, or is half full. */
static void kick_due(struct timer *timer, uint64_t now)
{
    struct worker *worker = container_of(timer, struct worker, kick);
    (void)now;
    if (queue_length(&worker->queue) > 0)
        loop_wake(&worker->loop);
}

static void see_to_it_that_it_is_taken(struct acceptor *acceptor, struct worker *worker)
{
    if (queue_length(&worker->queue) > worker->queue.size / 2)
        loop_wake(&worker->loop);
    else if (!worker->kick.fifo)
        timer_start(&worker->kick,
                    timers_fifo(&acceptor->loop->timers, acceptor->kick_after, kick_due),
                    acceptor->loop->now);
}

/* Counted before it is handed over: the worker may have closed it before that call returns. */
static enum outcome hand_over(struct acceptor *acceptor, struct worker *worker,
                              const struct handover *handover)
{
    const struct pool_shared *shared = acceptor->setup.shared;
    const struct service *service = shared->listeners[handover->listener].service;
    struct counters *counters = &acceptor->slot->services[service->index];
    counter_add(&counters->accepted, 1);
    __atomic_add_fetch(&worker->load, 1, __ATOMIC_RELAXED);
    queue_put(&worker->queue, handover);
    if (loop_offer(&worker->loop, handover->fd, conn_first_events(service)) == 0) {
        queue_settle(&worker->queue);
        see_to_it_that_it_is_taken(acceptor, worker);
        return GOES_ON;
    }
    int errnum = errno;
    queue_cancel(&worker->queue);
    close(handover->fd);
    counter_add(&counters->closed[CLOSE_ERROR], 1);
    __atomic_sub_fetch(&worker->load, 1, __ATOMIC_RELAXED);
    if (!service_has_handshake(service))
        admission_give(shared, service, &handover->peer);
    admission_close(shared, service);
    return ran_out(acceptor, errnum);
}

/* Behind proxies it is not known before the header has come who it is. */
static bool depends_on_who_it_is(const struct door *door)
{
    const struct service *service = door->listener->service;
    return !service_has_handshake(service) &&
           (service->access ||
            verdict_counts_addresses(&door->acceptor->setup.shared->house, service));
}

static bool may_come_in(const struct door *door, const struct handover *handover,
                        struct verdict at_door)
{
    struct admission *admission = &door->acceptor->admission;
    bool depends = depends_on_who_it_is(door);
    if (!depends && verdict_is_clear(at_door))
        return true;
    struct newcomer newcomer = {.service = door->listener->service,
                                .fd = handover->fd,
                                .peer = &handover->peer,
                                .now = handover->accepted,
                                .at_door = at_door};
    bool admitted =
        depends ? admission_ask(admission, &newcomer) : admission_defer(admission, &newcomer);
    if (!admitted)
        sock_reset(handover->fd);
    return admitted;
}

/* The door has not left it in the kernel's queue. */
static enum outcome accept_next(struct door *door, struct worker *worker, struct verdict at_door)
{
    struct acceptor *acceptor = door->acceptor;
    bool has_place = at_door.decision == DECISION_ADMITTED;
    struct handover handover = {.listener = (unsigned)(door - acceptor->doors),
                                .accepted = acceptor->loop->now};
    handover.fd = door->gives_listener ? share_listener(door, &handover.peer)
                                       : accept_one(door, &handover.peer);
    int errnum = errno;
    bool comes_in = handover.fd >= 0 && may_come_in(door, &handover, at_door);
    if (has_place)
        admission_settle(acceptor->setup.shared, door->listener->service, comes_in);
    if (comes_in) {
        counter_add(&acceptor->score->accepted, 1);
        handover.number = acceptor->score->accepted;
        return hand_over(acceptor, worker, &handover);
    }
    return handover.fd >= 0 ? GOES_ON : accept_failed(acceptor, errnum);
}

static enum outcome next_one(struct door *door)
{
    struct acceptor *acceptor = door->acceptor;
    struct worker *worker = choose_worker(acceptor);
    const struct room room = room_of(acceptor, worker);
    struct verdict verdict =
        admission_open(&acceptor->admission, door->listener->service, &room, acceptor->loop->now);
    if (verdict.decision == DECISION_QUEUED)
        return NO_ROOM;
    enum outcome outcome = accept_next(door, worker, verdict);
    bool late = verdict.rule == RULE_QUEUE_DELAY && outcome == GOES_ON;
    return late && others_are_in_time(acceptor) ? NO_ROOM : outcome;
}

static void adapt_burst(struct door *door, unsigned accepted, enum outcome outcome)
{
    if (outcome == NOBODY_THERE) {
        door->burst = accepted > 0 ? accepted : 1;
        door->full = 0;
    } else if (outcome == GOES_ON && ++door->full == FULL_BURSTS) {
        door->burst = door->burst * 2 < BURST_MAX ? door->burst * 2 : BURST_MAX;
        door->full = 0;
    }
}

static unsigned burst_of(const struct door *door)
{
    bool counted = door->last_call == LAST_CALL_QUEUED && door->queued < BURST_MAX;
    return counted ? door->queued : door->burst;
}

/*
 * To find out that nobody is there any more costs a system call, which is
 * wasted where connections come one by one: a burst is as long as the last
 * ones were, and tries for more only now and then.
 */
static void door_ready(struct watch *watch, uint32_t events)
{
    struct door *door = (struct door *)watch;
    enum outcome outcome = GOES_ON;
    unsigned accepted = 0;
    (void)events;
    while (accepted < burst_of(door) && (outcome = next_one(door)) == GOES_ON)
        accepted++;
    adapt_burst(door, accepted, outcome);
    if (door->last_call && last_call_was_answered(door, accepted, outcome == NOBODY_THERE))
        last_call_shut(door);
    else if (outcome == NO_ROOM)
        wait_for_room(door);
}

/* Beginning and end. */

/* Silence of peers must not look as if a worker were late. */
static uint64_t kick_after(uint64_t queue_delay)
{
    return queue_delay && queue_delay / 2 < KICK_AFTER ? queue_delay / 2 : KICK_AFTER;
}

/* A program expects its standard input to block; tcpd itself never lets a call wait. */
static struct door make_door(struct acceptor *acceptor, const struct listener *listener)
{
    const struct service *service = listener->service;
    return (struct door){.watch = {door_ready, listener->fd, 0},
                         .acceptor = acceptor,
                         .listener = listener,
                         .flags = SOCK_CLOEXEC | (service->ops->gives_away ? 0 : SOCK_NONBLOCK),
                         .gives_listener = service->program && service->program->takes_listener,
                         .burst = 1};
}

struct acceptor *acceptor_new(const struct acceptor_setup *setup, struct loop *loop,
                              struct error *error)
{
    const struct pool_shared *shared = setup->shared;
    struct acceptor *acceptor = calloc(1, sizeof *acceptor);
    struct door *doors = calloc(setup->listener_count, sizeof *doors);
    if (!acceptor || !doors) {
        free(acceptor);
        free(doors);
        error_set(error, ENOMEM, "cannot make room for the listeners");
        return NULL;
    }
    *acceptor = (struct acceptor){.setup = *setup, .loop = loop, .doors = doors};
    acceptor->kick_after = kick_after(shared->house.limits.queue_delay);
    acceptor->slot = board_thread(shared->board, shared->child, setup->worker_count);
    acceptor->admission = (struct admission){.shared = shared, .slot = acceptor->slot};
    acceptor->score = &shared->board->children[shared->child];
    acceptor->room = (struct watch){room_again, shared->board->scoreboard->room, EPOLLIN | EPOLLET};
    for (unsigned i = 0; i < setup->listener_count; i++) {
        doors[i] = make_door(acceptor, &shared->listeners[i]);
        if (shared->board->last_calls[i])
            last_call_shut(&doors[i]);
        open_door(&doors[i]);
    }
    beat_start(&acceptor->beat, loop, &acceptor->slot->beat, shared->beat_every);
    if (loop_add(loop, &acceptor->room) == 0)
        return acceptor;
    error_set(error, errno, "cannot watch for room");
    acceptor_free(acceptor);
    return NULL;
}

void acceptor_free(struct acceptor *acceptor)
{
    free(acceptor->doors);
    free(acceptor);
}
