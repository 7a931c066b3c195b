/* SPDX-License-Identifier: MIT */
#include "base/addresses.h"
#include "base/clock.h"
#include "base/container.h"
#include "base/log.h"
#include "base/places.h"
#include "child/channel.h"
#include "child/sandbox.h"
#include "master/descriptors.h"
#include "master/generation_state.h"
#include "spawner/spawner.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define YOUNG          (5 * CLOCK_S) /* a death before that age is an early one */
#define BACK_OFF       (100 * CLOCK_MS)
#define BACK_OFF_STEPS 6              /* it doubles until then: 100 ms to 3.2 s */
#define START_TIME     (10 * CLOCK_S) /* of a child that another binary has forked */
#define LEAVE_TIME     (2 * CLOCK_S)  /* of a spawner that is to end everything at once */

#define NAME_MAX_LENGTH 32

/* "child 7.0" or "spawner 7". */
static const char *name_of(const struct child_slot *slot, char name[static NAME_MAX_LENGTH])
{
    unsigned number = slot->generation->number;
    if (slot->spawns)
        snprintf(name, NAME_MAX_LENGTH, "spawner %u", number);
    else
        snprintf(name, NAME_MAX_LENGTH, "child %u.%u", number, slot->index);
    return name;
}

/* The channels between a child's workers and the spawner. */

static unsigned link_count(const struct child_slot *slot)
{
    const struct generation *generation = slot->generation;
    return slot->spawns || !generation->spawner ? 0 : generation->board->entry.threads;
}

static void close_all(int *fds, unsigned count)
{
    for (unsigned i = 0; fds && i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    free(fds);
}

static void close_links(struct child_slot *slot)
{
    close_all(slot->links, slot->links ? link_count(slot) : 0);
    slot->links = NULL;
}

/*
 * The spawner's ends stay with the master too: what a spawner that dies has not read yet is read by
 * the next one.  Returns the workers' ends; NULL: no memory, or no descriptors.
 */
static int *make_links(struct child_slot *slot)
{
    unsigned count = link_count(slot);
    int *near = malloc((count + 1) * sizeof *near);
    slot->links = malloc((count + 1) * sizeof *slot->links);
    for (unsigned i = 0; i < count && near && slot->links; i++)
        near[i] = slot->links[i] = -1;
    for (unsigned i = 0; i < count && near && slot->links; i++) {
        int ends[2];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
            close_all(near, count);
            close_links(slot);
            return NULL;
        }
        near[i] = ends[0];
        slot->links[i] = ends[1];
    }
    if (near && slot->links)
        return near;
    free(near);
    return NULL;
}

/* One that is not there will inherit them; one that does not take them is replaced by such a one.
 */
static void pass_links(const struct child_slot *slot)
{
    const struct child_slot *spawner = slot->generation->spawner;
    struct message message = {.order = SPAWNER_LINK, .value = slot->index};
    for (unsigned i = 0; spawner && spawner->state != CHILD_ABSENT && i < link_count(slot); i++)
        if (channel_send(spawner->channel.fd, &message, slot->links[i])) {
            kill(spawner->pid, SIGKILL);
            return;
        }
}

/* In the new process: everything but what it is given is closed. */

struct kept {
    int *list;
    unsigned count;
};

static struct kept keep_at_most(unsigned most)
{
    struct kept kept = {.list = malloc(most * sizeof *kept.list)};
    if (!kept.list)
        abort();
    return kept;
}

static void keep(struct kept *kept, int fd)
{
    if (fd >= 0)
        kept->list[kept->count++] = fd;
}

static void close_the_rest(struct kept *kept)
{
    descriptors_close_all_but(kept->list, kept->count);
    free(kept->list);
}

static void keep_of_child(const struct child_slot *slot, int channel, const int *near)
{
    const struct generation *generation = slot->generation;
    struct kept kept = keep_at_most(generation->listeners.count + link_count(slot) + 2);
    for (unsigned i = 0; i < generation->listeners.count; i++)
        keep(&kept, generation->listeners.list[i].fd); /* -1: drained */
    for (unsigned i = 0; i < link_count(slot); i++)
        keep(&kept, near[i]);
    keep(&kept, generation->scoreboard->room);
    keep(&kept, channel);
    close_the_rest(&kept);
}

static _Noreturn void become_child(const struct child_slot *slot, int channel, const int *near)
{
    const struct generation *generation = slot->generation;
    struct child_setup setup = {
        .conf = generation->conf,
        .listeners = generation->listeners.list,
        .listener_count = generation->listeners.count,
        .board = generation->board,
        .index = slot->index,
        .connections = generation->connections,
        .machine = generation->machine,
        .beat_every = generation->beat_every,
        .channel = channel,
        .spawner = link_count(slot) > 0 ? near : NULL,
    };
    log_forked();
    keep_of_child(slot, channel, near);
    exit(child_run(&setup));
}

static _Noreturn void become_spawner(const struct child_slot *slot, int channel)
{
    const struct generation *generation = slot->generation;
    unsigned most = generation->count * generation->board->entry.threads;
    struct spawner_link *links = calloc(most + 1, sizeof *links);
    struct spawner_setup setup = {.conf = generation->conf,
                                  .listeners = generation->listeners.list,
                                  .listener_count = generation->listeners.count,
                                  .generation = generation->number,
                                  .beat = &generation->board->children[0].spawner_beat,
                                  .beat_every = generation->beat_every,
                                  .channel = channel,
                                  .links = links};
    struct kept kept = keep_at_most(most + 1);
    if (!links)
        abort();
    for (unsigned i = 0; i < generation->count; i++) {
        const struct child_slot *child = &generation->children[i];
        for (unsigned thread = 0; child->links && thread < link_count(child); thread++) {
            links[setup.link_count++] = (struct spawner_link){child->links[thread], i};
            keep(&kept, child->links[thread]);
        }
    }
    keep(&kept, channel);
    log_forked();
    close_the_rest(&kept);
    exit(spawner_run(&setup));
}

/* Death. */

static void restart_due(struct timer *timer, uint64_t now)
{
    (void)now;
    slot_fork(container_of(timer, struct child_slot, timer));
}

/* The first early death is made good at once; from the second in a row on it takes longer each
 * time. */
void slot_plan_restart(struct child_slot *slot)
{
    char name[NAME_MAX_LENGTH];
    uint64_t now = clock_now();
    unsigned step = slot->early_deaths < BACK_OFF_STEPS ? slot->early_deaths : BACK_OFF_STEPS;
    slot->early_deaths = now - slot->born < YOUNG ? slot->early_deaths + 1 : 0;
    counter_add(&slot->generation->scoreboard->head->daemon.child_restarts, 1);
    if (step == 0 || slot->early_deaths == 0) {
        slot_fork(slot);
        return;
    }
    uint64_t wait = BACK_OFF << (step - 1);
    log_say(LOG_WARNING, "%s dies again and again: the next one starts in %llu ms",
            name_of(slot, name), (unsigned long long)(wait / CLOCK_MS));
    timer_start(&slot->timer, timers_fifo(&slot->generation->loop->timers, wait, restart_due), now);
}

/* What the sandbox has ended it for; the next one in its place begins anew. */
static void add_refused(struct log_line *line, const struct child_slot *slot)
{
    char name[SANDBOX_CALL_MAX];
    uint64_t *refused = &slot->generation->board->children[slot->index].refused;
    uint64_t number = __atomic_exchange_n(refused, 0, __ATOMIC_ACQUIRE);
    if (number == 0)
        return;
    sandbox_call_name(number, name);
    log_add(line, "syscall", name);
}

static void log_death(const struct child_slot *slot, const siginfo_t *info, uint32_t held)
{
    static const char *const events[2][3] = {
        {"child_left", "child_killed", "child_died"},
        {"spawner_left", "spawner_killed", "spawner_died"},
    };
    const struct generation *generation = slot->generation;
    struct log_line line;
    bool left = generation->state == GENERATION_DRAINING && info->si_code == CLD_EXITED &&
                info->si_status == 0;
    bool in_order = left || (generation->killed && info->si_status == SIGKILL);
    log_begin(&line, events[slot->spawns][left ? 0 : in_order ? 1 : 2]);
    log_add_number(&line, "generation", generation->number);
    if (!slot->spawns)
        log_add_number(&line, "child", slot->index);
    log_add_number(&line, "pid", (uint64_t)slot->pid);
    log_add_number(&line, info->si_code == CLD_EXITED ? "exit" : "signal",
                   (uint64_t)info->si_status);
    if (!slot->spawns) {
        log_add_number(&line, "lost", held);
        add_refused(&line, slot);
    }
    log_end(&line, in_order ? LOG_INFO : LOG_ERR);
}

static void forget_process(struct child_slot *slot)
{
    timer_stop(&slot->timer);
    if (slot->channel.fd >= 0) {
        loop_remove(slot->generation->loop, &slot->channel);
        close(slot->channel.fd);
    }
    slot->channel.fd = -1;
    close_links(slot);
    slot->state = CHILD_ABSENT;
    slot->accepts = false;
    slot->generation->events->child_gone(slot);
}

/* A filter that it was started with; its own has let all that a start takes through. */
static const char *advice_on(const siginfo_t *info)
{
    return info->si_code != CLD_EXITED && info->si_status == SIGSYS
               ? "SystemCallFilter= of the unit has to let seccomp through, and capset where there "
                 "are capabilities to give up"
               : "the log may tell why";
}

static void say_why(struct child_slot *slot, const siginfo_t *info)
{
    struct generation *generation = slot->generation;
    char name[NAME_MAX_LENGTH];
    if (generation->why.text[0])
        return;
    if (slot->late)
        error_set(&generation->why, 0, "%s was not ready within pool.start_timeout",
                  name_of(slot, name));
    else
        error_set(&generation->why, 0, "%s ended before it was ready (%s %d); %s",
                  name_of(slot, name), info->si_code == CLD_EXITED ? "status" : "signal",
                  info->si_status, advice_on(info));
}

/* What it held, as a child. */
static uint32_t clear(const struct child_slot *slot)
{
    const struct board *board = slot->generation->board;
    if (slot->spawns)
        return 0;
    uint32_t held = places_clear_child(board, slot->index);
    addresses_clear_child(board, slot->index);
    board_clear_programs(board, slot->index);
    return held;
}

void slot_reap(struct child_slot *slot)
{
    siginfo_t info = {0};
    if (slot->state == CHILD_ABSENT || waitid(P_PID, (id_t)slot->pid, &info, WEXITED | WNOHANG) ||
        info.si_pid == 0)
        return;
    log_death(slot, &info, clear(slot));
    say_why(slot, &info);
    forget_process(slot);
    generation_slot_lost(slot);
}

static void leave_due(struct timer *timer, uint64_t now)
{
    (void)now;
    kill(container_of(timer, struct child_slot, timer)->pid, SIGKILL);
}

void slot_dismiss(struct child_slot *spawner, bool at_once)
{
    struct message message = {.order = at_once ? SPAWNER_KILL : SPAWNER_LEAVE};
    if (channel_send(spawner->channel.fd, &message, -1))
        kill(spawner->pid, SIGKILL);
    else if (at_once)
        timer_start(&spawner->timer,
                    timers_fifo(&spawner->generation->loop->timers, LEAVE_TIME, leave_due),
                    clock_now());
}

/* What it says. */

static void channel_ready(struct watch *watch, uint32_t events)
{
    struct child_slot *slot = container_of(watch, struct child_slot, channel);
    struct message message;
    (void)events;
    ssize_t length = recv(watch->fd, &message, sizeof message, MSG_DONTWAIT);
    if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
        loop_remove(slot->generation->loop, watch); /* it is about to die: SIGCHLD tells */
    if (length != sizeof message)
        return;
    if (message.order == CHILD_READY)
        generation_slot_ready(slot);
    else if (message.order == CHILD_STOPPED)
        generation_slot_stopped(slot);
    else
        slot->generation->events->answer(slot, &message);
}

/* Birth. */

static void too_late(struct timer *timer, uint64_t now)
{
    struct child_slot *slot = container_of(timer, struct child_slot, timer);
    char name[NAME_MAX_LENGTH];
    (void)now;
    log_say(LOG_ERR, "%s is not ready in time and is ended", name_of(slot, name));
    slot->late = true;
    kill(slot->pid, SIGKILL);
}

static void give_up_birth(struct child_slot *slot)
{
    struct generation *generation = slot->generation;
    log_say(LOG_ERR, "cannot start a child: %s", strerrordesc_np(errno));
    error_set(&generation->why, errno, "cannot start a child");
    if (slot->pid > 0) {
        kill(slot->pid, SIGKILL);
        waitpid(slot->pid, NULL, 0);
    }
    if (slot->channel.fd >= 0)
        close(slot->channel.fd); /* it was never watched */
    slot->channel.fd = -1;
    close_links(slot);
    slot->state = CHILD_ABSENT;
    slot->early_deaths++;
    generation_slot_lost(slot);
}

/* The two ends of its channel, and those of its workers: what is not the new process's is closed
 * there.  Returns -1 with errno. */
static int make_process(struct child_slot *slot)
{
    int ends[2], *near = NULL;
    if (!slot->spawns && !(near = make_links(slot)))
        return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
        close_all(near, link_count(slot));
        return -1;
    }
    slot->pid = fork();
    if (slot->pid == 0 && slot->spawns)
        become_spawner(slot, ends[1]);
    if (slot->pid == 0)
        become_child(slot, ends[1], near);
    close(ends[1]);
    close_all(near, link_count(slot));
    slot->channel = (struct watch){channel_ready, ends[0], EPOLLIN};
    return slot->pid < 0 ? -1 : 0;
}

void slot_fork(struct child_slot *slot)
{
    struct generation *generation = slot->generation;
    slot->born = clock_now();
    slot->pid = -1;
    slot->channel.fd = -1;
    slot->late = false;
    if (make_process(slot) || loop_add(generation->loop, &slot->channel)) {
        give_up_birth(slot);
        return;
    }
    slot->state = CHILD_STARTING;
    pass_links(slot);
    timer_start(
        &slot->timer,
        timers_fifo(&generation->loop->timers, generation->conf->pool.start_timeout, too_late),
        slot->born);
}

int slot_adopt(struct child_slot *slot, pid_t pid, int channel, enum child_state state,
               bool accepts)
{
    slot->pid = pid;
    slot->channel = (struct watch){channel_ready, channel, EPOLLIN};
    slot->born = clock_now();
    slot->state = state;
    slot->accepts = accepts;
    if (state == CHILD_STARTING)
        timer_start(&slot->timer,
                    timers_fifo(&slot->generation->loop->timers, START_TIME, too_late), slot->born);
    return loop_add(slot->generation->loop, &slot->channel);
}
