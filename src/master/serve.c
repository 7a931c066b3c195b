/* SPDX-License-Identifier: MIT */
/* Which generation serves, and what becomes of the others. */
#include "base/container.h"
#include "base/log.h"
#include "master/drain.h"
#include "master/state.h"

#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#define CLOSE_RETIRED (1500 * CLOCK_MS) /* longer than the last call of any child */

/* Descriptors: all that the system allows, and the limit on connections cut down to that. */

static rlim_t raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit))
        return 1024;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

static int fit_connections(struct generation *generation, struct error *error)
{
    const struct conf *conf = generation->conf;
    uint32_t wanted = conf->limits.connections;
    rlim_t allowed = raise_descriptor_limit();
    uint32_t own = 16 + generation->listeners.count + 3 * (conf->pool.threads + 1);
    if (allowed <= own)
        return error_set(error, 0, "RLIMIT_NOFILE is %llu, and tcpd itself needs %u descriptors",
                         (unsigned long long)allowed, own);
    uint64_t fit = (uint64_t)(allowed - own) * conf->pool.processes;
    generation->machine = (uint32_t)(fit < UINT32_MAX ? fit : UINT32_MAX);
    generation->connections =
        wanted == 0 || wanted > generation->machine ? generation->machine : wanted;
    if (wanted > fit)
        log_say(LOG_NOTICE,
                "limits.connections is cut from %u to %u: RLIMIT_NOFILE is %llu, %u of them are "
                "tcpd's own",
                wanted, generation->connections, (unsigned long long)allowed, own);
    return 0;
}

/* Generations. */

static void remove_generation(struct master *master, const struct generation *generation)
{
    struct generation **at = &master->generations;
    while (*at != generation)
        at = &(*at)->next;
    *at = generation->next;
}

/* Their memory goes at the end of the turn: who told of the end may still look at it. */
void serve_sweep(struct master *master)
{
    for (struct generation *generation = master->generations, *next; generation;
         generation = next) {
        next = generation->next;
        if (generation->state != GENERATION_OVER)
            continue;
        remove_generation(master, generation);
        generation_free(generation);
    }
    if (master->stopping && !master->generations) {
        drain_stopped(master);
        master->loop.stop = true;
    }
}

static bool has_listener(const struct generation *generation, int fd)
{
    for (unsigned i = 0; i < generation->listeners.count; i++)
        if (generation->listeners.list[i].fd == fd)
            return true;
    return false;
}

/* Those that the generation before did not have; port 0 has become a number now. */
static void log_listeners(const struct generation *generation, const struct generation *before)
{
    char text[ADDR_TEXT_MAX];
    for (unsigned i = 0; i < generation->listeners.count; i++) {
        const struct listener *listener = &generation->listeners.list[i];
        struct log_line line;
        if (before && has_listener(before, listener->fd))
            continue;
        log_begin(&line, "listening");
        log_add(&line, "service", listener->service->name);
        log_add(&line, "address", addr_format(&listener->address, text));
        log_end(&line, LOG_NOTICE);
    }
}

static void first_ready(struct master *master, struct generation *generation)
{
    const struct conf *conf = generation->conf;
    serve_with(master, generation);
    log_listeners(generation, NULL);
    log_say(LOG_NOTICE,
            "started version=%s pid=%d generation=%u services=%zu processes=%u threads=%u",
            master->options->version, getpid(), generation->number, conf->service_count,
            conf->pool.processes, conf->pool.threads);
    master_flush_log(master);
    master_say_status(master);
    daemon_ready(EX_OK);
    change_begin_next(master); /* what was asked for meanwhile */
}

static void ready(struct generation *generation)
{
    struct master *master = generation->owner;
    if (master->changes.next == generation)
        change_ready(master);
    else
        first_ready(master, generation);
}

/* The child has said why. */
static void failed(struct generation *generation)
{
    struct master *master = generation->owner;
    if (master->changes.next == generation) {
        change_failed(master);
    } else if (!master->stopping) {
        master_fail_to_start(master, EX_OSERR, &generation->why);
        change_cancel_all(master);
        master->stopping = true;
    }
}

static bool some_old_one_accepts(const struct master *master)
{
    for (const struct generation *other = master->generations; other; other = other->next)
        for (unsigned i = 0; other->state == GENERATION_DRAINING && i < other->count; i++)
            if (other->children[i].accepts)
                return true;
    return false;
}

static void close_retired(struct master *master)
{
    timer_stop(&master->retired);
    sockets_close_retired(&master->sockets);
}

static void closed(struct generation *generation)
{
    struct master *master = generation->owner;
    if (!some_old_one_accepts(master))
        close_retired(master);
}

static void retired_due(struct timer *timer, uint64_t now)
{
    (void)now;
    close_retired(container_of(timer, struct master, retired));
}

static void over(struct generation *generation)
{
    struct master *master = generation->owner;
    change_over(master, generation);
}

static void answer(struct child_slot *child, const struct message *message)
{
    struct master *master = child->generation->owner;
    if (message->order == CHILD_DONE)
        inquiry_answered(master->inquiries, child, message);
    else if (message->order == SPAWNER_END_ORPHAN && child->spawns)
        orphans_end(master, (pid_t)message->value, message->request);
    else if (message->order == SPAWNER_CHECK_ORPHAN && child->spawns)
        orphans_check(master, child, (pid_t)message->value);
}

/* It is told of those programs of the one before that have ended meanwhile. */
static void spawner_ready(struct child_slot *spawner)
{
    orphans_reap(spawner->generation->owner);
}

/* One of another binary cannot be replaced, and its generation has to be. */
static void child_gone(struct child_slot *child)
{
    struct master *master = child->generation->owner;
    inquiry_child_gone(master->inquiries, child);
    if (child->generation == master->current && !master->current->conf && !master->stopping)
        change_ask(master, CHANGE_RELOAD, NULL);
}

static const struct generation_events events = {ready,  failed,     closed,       over,
                                                answer, child_gone, spawner_ready};

void serve_adopt(struct master *master, struct generation *generation)
{
    generation->owner = master;
    generation->events = &events;
    generation->next = master->generations;
    master->generations = generation;
}

static int check_identities(const struct conf *conf, struct error *error)
{
    if (conf_identity_check(&conf->identity, "children", error))
        return -1;
    for (size_t i = 0; i < conf->service_count; i++)
        if (conf->services[i].service.program &&
            conf_identity_check(&conf->services[i].program.identity, "programs", error))
            return -1;
    return 0;
}

struct generation *serve_new_generation(struct master *master, struct conf *conf,
                                        struct error *error)
{
    struct listeners listeners;
    if (check_identities(conf, error) || sockets_open(&master->sockets, conf, &listeners, error))
        return NULL;
    struct generation *generation = generation_new(master->number + 1, conf, &listeners,
                                                   master->scoreboard, &master->loop, error);
    if (!generation) {
        listeners_free(&listeners);
        sockets_drop_fresh(&master->sockets);
        return NULL;
    }
    generation->beat_every = supervise_beat(master, conf);
    if (fit_connections(generation, error)) {
        generation->conf = NULL; /* it stays the caller's */
        generation_free(generation);
        sockets_drop_fresh(&master->sockets);
        return NULL;
    }
    master->number++;
    serve_adopt(master, generation);
    return generation;
}

/*
 * Who is queued at a listener that nobody else has must get in before it goes.  A stop is not held
 * up by those who have only begun.
 */
static void mark_retired(const struct master *master, const struct generation *generation)
{
    enum last_call last_call = master->stopping ? LAST_CALL_QUEUED : LAST_CALL_BEGUN;
    for (unsigned i = 0; i < generation->listeners.count; i++)
        if (sockets_is_retired(&master->sockets, generation->listeners.list[i].fd))
            generation->board->last_calls[i] = last_call;
}

void serve_close_retired_later(struct master *master)
{
    timer_start(&master->retired, timers_fifo(&master->loop.timers, CLOSE_RETIRED, retired_due),
                clock_now());
}

static void retire(struct master *master, struct generation *generation, uint64_t duration)
{
    mark_retired(master, generation);
    serve_close_retired_later(master);
    generation_drain(generation, duration);
}

/* The oldest that has not been told yet to cut what is open; the list has the newest first. */
static struct generation *oldest_draining(const struct master *master, unsigned *alive)
{
    struct generation *oldest = NULL;
    *alive = 0;
    for (struct generation *other = master->generations; other; other = other->next) {
        if (other->state == GENERATION_OVER || (other->cut_at && other->cut_at <= clock_now()))
            continue;
        ++*alive;
        if (other->state == GENERATION_DRAINING)
            oldest = other;
    }
    return oldest;
}

/* What it still holds is lost. */
static void note_cut(const struct master *master, const struct generation *oldest, unsigned alive)
{
    struct log_line line;
    log_begin(&line, "generation_cut");
    log_add_number(&line, "generation", oldest->number);
    log_add_number(&line, "open", generation_open(oldest));
    log_add_number(&line, "generations", alive);
    log_end(&line, LOG_WARNING);
    counter_add(&master->scoreboard->head->daemon.generations_cut, 1);
}

/* One that holds nothing was about to leave, and has nothing to be cut. */
static void bound_generations(struct master *master, unsigned most)
{
    unsigned alive;
    struct generation *oldest;
    while ((oldest = oldest_draining(master, &alive)) && alive > most) {
        if (generation_open(oldest) > 0)
            note_cut(master, oldest, alive);
        generation_drain(oldest, 1);
    }
}

void serve_with(struct master *master, struct generation *generation)
{
    struct daemon_score *daemon = &master->scoreboard->head->daemon;
    struct generation *before = master->current;
    struct error error = {0};
    master->current = generation;
    sockets_keep(&master->sockets, &generation->listeners);
    counter_set(&daemon->generation, generation->number);
    counter_set(&daemon->limit, generation->connections);
    counter_set(&daemon->state, DAEMON_SERVING);
    supervise(master, generation->conf);
    if (!before)
        return;
    if (master_open_log(master, generation->conf, &error))
        log_say(LOG_ERR, "%s", error.text);
    log_listeners(generation, before);
    retire(master, before, generation->conf->retire);
    bound_generations(master, generation->conf->pool.generations);
}

void serve_nothing(struct master *master, uint64_t drain)
{
    sockets_keep(&master->sockets, &(struct listeners){0});
    for (struct generation *generation = master->generations; generation;
         generation = generation->next) {
        if (generation->state == GENERATION_STARTING)
            generation_kill(generation);
        retire(master, generation, drain);
    }
}
