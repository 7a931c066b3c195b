/* SPDX-License-Identifier: MIT */
/*
 * Programs whose spawner has died.  They go on, and are the master's from then on: it waits for
 * them, tells those spawners that are there, and ends one when a spawner passes that wish on.
 */
#include "base/container.h"
#include "base/log.h"
#include "child/channel.h"
#include "master/state.h"
#include "spawner/launch.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* One that was sent SIGTERM. */
struct orphan {
    struct timer kill;
    struct orphan *next;
    pid_t pid;
};

#define TOLD_MAX 1024

/* The last ones that have ended: a spawner that is told may die before it has passed it on. */
static struct {
    struct message messages[TOLD_MAX];
    unsigned count;
} told;

static bool is_of_generation(const struct generation *generation, pid_t pid)
{
    for (unsigned i = 0; i <= generation->count; i++)
        if (generation->children[i].state != CHILD_ABSENT && generation->children[i].pid == pid)
            return true;
    return false;
}

/* Whether somebody else waits for it. */
static bool is_known(const struct master *master, pid_t pid)
{
    for (const struct generation *generation = master->generations; generation;
         generation = generation->next)
        if (is_of_generation(generation, pid))
            return true;
    return master->changes.trial.pid == pid;
}

/*
 * The programs of a spawner that dies become ours before it is our turn to wait for it; but its
 * descriptors are closed by then.
 */
static bool is_there(const struct child_slot *spawner)
{
    struct pollfd channel = {.fd = spawner->channel.fd};
    return spawner->state == CHILD_SERVING && poll(&channel, 1, 0) == 0;
}

/* Whose records they are, cannot be told before every spawner that is to come is there. */
static bool is_too_early(const struct master *master)
{
    for (const struct generation *generation = master->generations; generation;
         generation = generation->next) {
        const struct child_slot *spawner = generation->spawner;
        if (spawner && generation->conf && generation->state != GENERATION_OVER &&
            !is_there(spawner) && generation_has_children(generation))
            return true;
    }
    return false;
}

static void forget(struct master *master, pid_t pid)
{
    struct orphan **at = &master->orphans;
    while (*at && (*at)->pid != pid)
        at = &(*at)->next;
    struct orphan *orphan = *at;
    if (!orphan)
        return;
    *at = orphan->next;
    timer_stop(&orphan->kill);
    free(orphan);
}

static void tell(const struct master *master, pid_t pid, int status, const struct rusage *usage)
{
    struct message message = {.order = SPAWNER_ORPHAN_ENDED,
                              .value = (uint32_t)pid | (uint64_t)(unsigned)status << 32,
                              .spare = (uint64_t)usage->ru_maxrss};
    message.request = ((uint64_t)usage->ru_utime.tv_sec + (uint64_t)usage->ru_stime.tv_sec) *
                          (CLOCK_S / CLOCK_US) +
                      (uint64_t)usage->ru_utime.tv_usec + (uint64_t)usage->ru_stime.tv_usec;
    told.messages[told.count++ % TOLD_MAX] = message;
    for (const struct generation *generation = master->generations; generation;
         generation = generation->next)
        if (generation->spawner && generation->spawner->state == CHILD_SERVING)
            channel_send(generation->spawner->channel.fd, &message, -1);
}

void orphans_reap(struct master *master)
{
    siginfo_t info = {0};
    while (!is_too_early(master) && waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid > 0 && !is_known(master, info.si_pid)) {
        int status;
        struct rusage usage;
        if (wait4(info.si_pid, &status, WNOHANG, &usage) != info.si_pid)
            return;
        forget(master, info.si_pid);
        tell(master, info.si_pid, status, &usage);
        info.si_pid = 0;
    }
}

/* A process of ours that nobody knows: what a child says is not trusted further. */
static bool is_ours(const struct master *master, pid_t pid)
{
    siginfo_t info = {0};
    return pid > 1 && !is_known(master, pid) &&
           waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* The latest of that pid. */
static const struct message *find_told(pid_t pid)
{
    unsigned kept = told.count < TOLD_MAX ? told.count : TOLD_MAX;
    for (unsigned i = 1; i <= kept; i++) {
        const struct message *message = &told.messages[(told.count - i) % TOLD_MAX];
        if ((pid_t)message->value == pid)
            return message;
    }
    return NULL;
}

void orphans_check(const struct master *master, const struct child_slot *spawner, pid_t pid)
{
    struct message gone = {.order = SPAWNER_ORPHAN_GONE, .value = (uint64_t)pid};
    const struct message *known = find_told(pid);
    if (!is_ours(master, pid))
        channel_send(spawner->channel.fd, known ? known : &gone, -1);
}

static void kill_due(struct timer *timer, uint64_t now)
{
    const struct orphan *orphan = container_of(timer, struct orphan, kill);
    (void)now;
    launch_signal(orphan->pid, SIGKILL); /* ours until we have waited for it */
}

void orphans_end(struct master *master, pid_t pid, uint64_t grace)
{
    if (grace == 0 || !is_ours(master, pid))
        return;
    forget(master, pid);
    struct orphan *orphan = calloc(1, sizeof *orphan);
    if (!orphan)
        return;
    orphan->pid = pid;
    orphan->next = master->orphans;
    master->orphans = orphan;
    launch_signal(pid, SIGTERM);
    launch_signal(pid, SIGCONT);
    timer_start(&orphan->kill, timers_fifo(&master->loop.timers, grace, kill_due), clock_now());
}

void orphans_forget_all(struct master *master)
{
    while (master->orphans)
        forget(master, master->orphans->pid);
}
