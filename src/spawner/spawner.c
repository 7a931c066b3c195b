/* SPDX-License-Identifier: MIT */
#include "spawner/spawner.h"

#include "base/clock.h"
#include "base/container.h"
#include "base/log.h"
#include "base/title.h"
#include "child/channel.h"
#include "child/privileges.h"
#include "spawner/diagnosis.h"
#include "spawner/state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define FLUSH_AGAIN (100 * CLOCK_MS) /* the log did not take everything */

/* The log: as in the master, after each turn. */

static void flush_log(struct spawner *spawner);

static void flush_due(struct timer *timer, uint64_t now)
{
    (void)now;
    flush_log(container_of(timer, struct spawner, flush));
}

static void flush_log(struct spawner *spawner)
{
    if (!log_flush() && !spawner->flush.fifo)
        timer_start(&spawner->flush, timers_fifo(&spawner->loop.timers, FLUSH_AGAIN, flush_due),
                    clock_now());
}

static void turn_end(struct loop *loop)
{
    struct spawner *spawner = loop->owner;
    flush_log(spawner);
    timers_tidy(&loop->timers);
}

/* The end: when nobody can ask any more, and nothing runs. */

void spawner_may_leave(struct spawner *spawner)
{
    bool alone = spawner->leaving || spawner->channel.fd < 0;
    if (alone && !spawner->links && spawner->running == 0)
        spawner->loop.stop = true;
}

static void leave_at_once(struct spawner *spawner)
{
    spawner->leaving = true;
    while (spawner->links)
        link_close(spawner->links);
    programs_end(spawner, true);
    spawner_may_leave(spawner);
}

/* Orders. */

static void orphan_ended(struct spawner *spawner, const struct message *message)
{
    bool known = message->order == SPAWNER_ORPHAN_ENDED;
    struct spawn_answer answer = {.order = known ? SPAWN_ORPHAN_ENDED : SPAWN_ORPHAN_GONE,
                                  .pid = (int32_t)message->value,
                                  .status = (int32_t)(message->value >> 32),
                                  .cpu_us = message->request,
                                  .maxrss_kb = (uint32_t)message->spare};
    for (struct link *link = spawner->links; link; link = link->next)
        link_tell(link, &answer, -1);
}

static void obey(struct spawner *spawner, const struct message *message, int descriptor)
{
    struct error error = {0};
    if (message->order == SPAWNER_LINK && descriptor >= 0) {
        if (link_open(spawner, descriptor, false, &error) == 0)
            return;
        log_say(LOG_ERR, "%s", error.text);
    }
    if (descriptor >= 0)
        close(descriptor);
    if (message->order == SPAWNER_ORPHAN_ENDED || message->order == SPAWNER_ORPHAN_GONE)
        orphan_ended(spawner, message);
    else if (message->order == SPAWNER_KILL)
        leave_at_once(spawner);
    else if (message->order == CHILD_LOG)
        log_set_level((int)message->value);
    spawner->leaving = spawner->leaving || message->order == SPAWNER_LEAVE;
    spawner_may_leave(spawner);
}

/* Its children finish what is open, and as long as they do we are needed. */
static void outlive_master(struct spawner *spawner)
{
    loop_remove(&spawner->loop, &spawner->channel);
    close(spawner->channel.fd);
    spawner->channel.fd = -1;
    spawner_may_leave(spawner);
}

static void channel_ready(struct watch *watch, uint32_t events)
{
    struct spawner *spawner = container_of(watch, struct spawner, channel);
    struct message message;
    int descriptor;
    (void)events;
    enum received received = channel_receive(watch->fd, &message, &descriptor);
    if (received == CHANNEL_MESSAGE)
        obey(spawner, &message, descriptor);
    else if (received == CHANNEL_ENDED)
        outlive_master(spawner);
}

static void signals_ready(struct watch *watch, uint32_t events)
{
    struct spawner *spawner = container_of(watch, struct spawner, signals);
    struct signalfd_siginfo info;
    (void)events;
    ssize_t length = read(watch->fd, &info, sizeof info); /* one stands for all that have ended */
    (void)length;
    programs_reap(spawner);
}

/* The beginning. */

/* Programs begin with what they inherit: no signal that somebody before tcpd has ignored, and not
 * the terminal that tcpd was started from. */
static int prepare_process(struct error *error)
{
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    if (setsid() < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) || chdir("/"))
        return error_set(error, errno, "cannot prepare for programs");
    return 0;
}

static int watch_signals(struct spawner *spawner, struct error *error)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    spawner->signals =
        (struct watch){signals_ready, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), EPOLLIN};
    if (spawner->signals.fd >= 0 && loop_add(&spawner->loop, &spawner->signals) == 0)
        return 0;
    return error_set(error, errno, "cannot watch for signals");
}

static int make_recipes(struct spawner *spawner, struct error *error)
{
    const struct conf *conf = spawner->setup->conf;
    spawner->recipes = calloc(conf->service_count, sizeof *spawner->recipes);
    if (!spawner->recipes)
        return error_set(error, ENOMEM, "cannot make room for services");
    for (size_t i = 0; i < conf->service_count; i++)
        if (conf->services[i].service.program &&
            recipe_init(&spawner->recipes[i], &conf->services[i], error))
            return -1;
    return 0;
}

/* Only where a time-out asks for it. */
static void open_diagnosis(struct spawner *spawner)
{
    const struct conf *conf = spawner->setup->conf;
    spawner->diagnosis = -1;
    for (size_t i = 0; i < conf->service_count && spawner->diagnosis < 0; i++) {
        const struct service *service = &conf->services[i].service;
        if (!service->program || !service->timeouts.idle)
            continue;
        spawner->diagnosis = diagnosis_open();
        if (spawner->diagnosis >= 0)
            return;
        log_say(LOG_NOTICE, "timeouts.idle does not hold for programs: no netlink socket: %s",
                strerrordesc_np(errno));
        return;
    }
}

static int open_links(struct spawner *spawner, struct error *error)
{
    const struct spawner_setup *setup = spawner->setup;
    for (unsigned i = 0; i < setup->link_count; i++)
        if (link_open(spawner, setup->links[i].fd, true, error))
            return -1;
    return 0;
}

static int listen_to_master(struct spawner *spawner, struct error *error)
{
    struct message ready = {.order = CHILD_READY};
    spawner->channel = (struct watch){channel_ready, spawner->setup->channel, EPOLLIN};
    if (loop_add(&spawner->loop, &spawner->channel) ||
        channel_send(spawner->setup->channel, &ready, -1))
        return error_set(error, errno, "cannot reach the master");
    return 0;
}

static int start(struct spawner *spawner, struct error *error)
{
    if (prepare_process(error) || loop_init(&spawner->loop, error))
        return -1;
    spawner->loop.owner = spawner;
    spawner->loop.turn_end = turn_end;
    if (make_recipes(spawner, error) || privileges_reduce(error))
        return -1;
    open_diagnosis(spawner);
    beat_start(&spawner->beat, &spawner->loop, spawner->setup->beat, spawner->setup->beat_every);
    if (watch_signals(spawner, error) || open_links(spawner, error))
        return -1;
    return listen_to_master(spawner, error);
}

static void stop(struct spawner *spawner)
{
    const struct conf *conf = spawner->setup->conf;
    while (spawner->links)
        link_close(spawner->links);
    for (size_t i = 0; spawner->recipes && i < conf->service_count; i++)
        if (spawner->recipes[i].service)
            recipe_fini(&spawner->recipes[i]);
    free(spawner->recipes);
    if (spawner->loop.epoll > 0)
        loop_fini(&spawner->loop);
}

int spawner_run(const struct spawner_setup *setup)
{
    struct spawner spawner = {.setup = setup};
    struct error error = {0};
    title_set("tcpd: spawner %u", setup->generation);
    log_show_dropped(NULL);
    int failed = start(&spawner, &error);
    if (failed)
        log_say(LOG_ERR, "the spawner cannot start: %s", error.text);
    else
        loop_run(&spawner.loop);
    stop(&spawner);
    log_close();
    return failed ? EX_OSERR : EX_OK;
}
