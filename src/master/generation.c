/* SPDX-License-Identifier: MIT */
#include "master/generation.h"

#include "base/clock.h"
#include "base/container.h"
#include "base/log.h"
#include "base/places.h"
#include "child/child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define YOUNG          (5 * CLOCK_S) /* a death before that age is an early one */
#define BACK_OFF       (100 * CLOCK_MS)
#define BACK_OFF_STEPS 6 /* it doubles until then: 100 ms to 3.2 s */

static void fork_child(struct child_slot *child);

/* In the new process: everything but what a child is given is closed. */

static int compare_fds(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void close_all_but(int *keep, unsigned count)
{
    unsigned from = STDERR_FILENO + 1;
    qsort(keep, count, sizeof *keep, compare_fds);
    for (unsigned i = 0; i < count; i++) {
        if ((unsigned)keep[i] > from)
            close_range(from, (unsigned)keep[i] - 1, 0);
        from = (unsigned)keep[i] + 1;
    }
    close_range(from, ~0U, 0);
}

static void close_what_is_not_ours(const struct generation *generation, int channel)
{
    unsigned count = 0;
    int *keep = malloc((generation->listeners->count + 3) * sizeof *keep);
    if (!keep)
        abort();
    for (unsigned i = 0; i < generation->listeners->count; i++)
        keep[count++] = generation->listeners->list[i].fd;
    keep[count++] = generation->scoreboard->room;
    keep[count++] = generation->scoreboard->memory;
    keep[count++] = channel;
    close_all_but(keep, count);
    free(keep);
}

static _Noreturn void become_child(const struct child_slot *slot, int channel)
{
    const struct generation *generation = slot->generation;
    struct child_setup setup = {
        .conf = generation->conf,
        .listeners = generation->listeners->list,
        .listener_count = generation->listeners->count,
        .board = generation->board,
        .index = slot->index,
        .connections = generation->connections,
        .channel = channel,
    };
    log_forked();
    close_what_is_not_ours(generation, channel);
    exit(child_run(&setup));
}

/* Death and birth. */

static void restart_due(struct timer *timer, uint64_t now)
{
    (void)now;
    fork_child(container_of(timer, struct child_slot, restart));
}

/* The first early death is made good at once; from the second in a row on it takes longer each
 * time. */
static void plan_restart(struct child_slot *child)
{
    uint64_t now = clock_now();
    unsigned step = child->early_deaths < BACK_OFF_STEPS ? child->early_deaths : BACK_OFF_STEPS;
    child->early_deaths = now - child->born < YOUNG ? child->early_deaths + 1 : 0;
    if (step == 0 || child->early_deaths == 0) {
        fork_child(child);
        return;
    }
    uint64_t wait = BACK_OFF << (step - 1);
    log_say(LOG_WARNING, "child %u.%u dies again and again: the next one starts in %llu ms",
            child->generation->number, child->index, (unsigned long long)(wait / CLOCK_MS));
    timer_start(&child->restart, timers_fifo(&child->generation->loop->timers, wait, restart_due),
                now);
}

static void log_death(const struct child_slot *child, const siginfo_t *info, uint32_t held)
{
    const struct generation *generation = child->generation;
    struct log_line line;
    bool left = generation->draining && info->si_code == CLD_EXITED && info->si_status == 0;
    bool in_order = left || (generation->killed && info->si_status == SIGKILL);
    log_begin(&line, left ? "child_left" : in_order ? "child_killed" : "child_died");
    log_add_number(&line, "generation", generation->number);
    log_add_number(&line, "child", child->index);
    log_add_number(&line, "pid", (uint64_t)child->pid);
    log_add_number(&line, info->si_code == CLD_EXITED ? "exit" : "signal",
                   (uint64_t)info->si_status);
    log_add_number(&line, "lost", held);
    log_end(&line, in_order ? LOG_INFO : LOG_ERR);
}

static void forget_process(struct child_slot *child)
{
    if (child->channel.fd >= 0) {
        loop_remove(child->generation->loop, &child->channel);
        close(child->channel.fd);
    }
    child->channel.fd = -1;
    child->state = CHILD_ABSENT;
}

static bool all_are(const struct generation *generation, enum child_state state)
{
    for (unsigned i = 0; i < generation->count; i++)
        if (generation->children[i].state != state)
            return false;
    return true;
}

/* There is no process any more: what that means depends on what the generation is doing. */
static void lost(struct child_slot *child)
{
    struct generation *generation = child->generation;
    if (!generation->draining && generation->was_ready)
        plan_restart(child);
    else if (!generation->draining)
        generation->failed(generation);
    else if (all_are(generation, CHILD_ABSENT))
        generation->ended(generation);
}

static void reap(struct child_slot *child)
{
    siginfo_t info = {0};
    if (child->state == CHILD_ABSENT || waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG) ||
        info.si_pid == 0)
        return;
    uint32_t held = places_clear_child(child->generation->board, child->index);
    child->generation->lost += held;
    log_death(child, &info, held);
    forget_process(child);
    lost(child);
}

void generation_reap(struct generation *generation)
{
    for (unsigned i = 0; i < generation->count; i++)
        reap(&generation->children[i]);
}

static void channel_ready(struct watch *watch, uint32_t events)
{
    struct child_slot *child = container_of(watch, struct child_slot, channel);
    struct generation *generation = child->generation;
    struct message message;
    (void)events;
    ssize_t length = recv(watch->fd, &message, sizeof message, MSG_DONTWAIT);
    if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
        loop_remove(generation->loop, watch); /* it is about to die: SIGCHLD tells */
    if (length != sizeof message || message.order != CHILD_READY)
        return;
    child->state = CHILD_SERVING;
    if (!generation->was_ready && !generation->draining && all_are(generation, CHILD_SERVING)) {
        generation->was_ready = true;
        generation->ready(generation);
    }
}

static void give_up_birth(struct child_slot *child)
{
    log_say(LOG_ERR, "cannot start a child: %s", strerrordesc_np(errno));
    if (child->pid > 0) {
        kill(child->pid, SIGKILL);
        waitpid(child->pid, NULL, 0);
    }
    if (child->channel.fd >= 0)
        close(child->channel.fd); /* it was never watched */
    child->channel.fd = -1;
    child->state = CHILD_ABSENT;
    child->early_deaths++;
    lost(child);
}

static void fork_child(struct child_slot *child)
{
    int ends[2];
    child->born = clock_now();
    child->pid = -1;
    child->channel.fd = -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
        give_up_birth(child);
        return;
    }
    child->pid = fork();
    if (child->pid == 0)
        become_child(child, ends[1]);
    close(ends[1]);
    child->channel = (struct watch){channel_ready, ends[0], EPOLLIN};
    if (child->pid < 0 || loop_add(child->generation->loop, &child->channel))
        give_up_birth(child);
    else
        child->state = CHILD_STARTING;
}

/* The whole set. */

static struct board *make_board(const struct generation *generation, struct error *error)
{
    struct conf *conf = generation->conf;
    const char **names = calloc(conf->service_count, sizeof *names);
    if (!names) {
        error_set(error, ENOMEM, "cannot make room for the names of services");
        return NULL;
    }
    for (size_t i = 0; i < conf->service_count; i++)
        names[i] = conf->services[i].service.name;
    struct board_plan plan = {.generation = generation->number,
                              .children = generation->count,
                              .threads = conf->pool.threads,
                              .services = (uint32_t)conf->service_count,
                              .listeners = generation->listeners->count,
                              .names = names};
    struct board *board = board_new(generation->scoreboard, &plan, error);
    for (size_t i = 0; board && i < conf->service_count; i++)
        conf->services[i].service.id = board->ids[i];
    free(names);
    return board;
}

int generation_start(struct generation *generation, struct error *error)
{
    generation->count = generation->conf->pool.processes;
    generation->children = calloc(generation->count, sizeof *generation->children);
    if (!generation->children)
        return error_set(error, ENOMEM, "cannot make room for the children");
    generation->board = make_board(generation, error);
    if (!generation->board)
        return -1;
    for (unsigned i = 0; i < generation->count && !generation->draining; i++) {
        generation->children[i] = (struct child_slot){.generation = generation, .index = i};
        fork_child(&generation->children[i]);
    }
    return 0;
}

void generation_drain(struct generation *generation, uint64_t duration)
{
    struct message drain = {.order = CHILD_DRAIN, .value = duration};
    generation->draining = true;
    for (unsigned i = 0; i < generation->count; i++) {
        struct child_slot *child = &generation->children[i];
        timer_stop(&child->restart);
        if (child->state != CHILD_ABSENT)
            send(child->channel.fd, &drain, sizeof drain, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    if (all_are(generation, CHILD_ABSENT))
        generation->ended(generation);
}

void generation_kill(struct generation *generation)
{
    generation->killed = true;
    for (unsigned i = 0; i < generation->count; i++)
        if (generation->children[i].state != CHILD_ABSENT)
            kill(generation->children[i].pid, SIGKILL);
}

void generation_fini(struct generation *generation)
{
    if (generation->board)
        board_fold(generation->board);
    free(generation->children);
    generation->board = NULL;
    generation->children = NULL;
}
