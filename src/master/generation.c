/* SPDX-License-Identifier: MIT */
#include "master/generation.h"

#include "base/addresses.h"
#include "base/clock.h"
#include "base/container.h"
#include "base/log.h"
#include "base/places.h"
#include "child/sandbox.h"
#include "master/descriptors.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define YOUNG          (5 * CLOCK_S) /* a death before that age is an early one */
#define BACK_OFF       (100 * CLOCK_MS)
#define BACK_OFF_STEPS 6              /* it doubles until then: 100 ms to 3.2 s */
#define START_TIME     (10 * CLOCK_S) /* of a child that another binary has forked */
#define KILL_AFTER     (2 * CLOCK_S)  /* what a child gets beyond the drain before it is ended */

static void fork_child(struct child_slot *child);

static bool all_are(const struct generation *generation, enum child_state state)
{
    for (unsigned i = 0; i < generation->count; i++)
        if (generation->children[i].state != state)
            return false;
    return true;
}

/* In the new process: everything but what a child is given is closed. */

static void close_what_is_not_ours(const struct generation *generation, int channel)
{
    unsigned count = 0;
    int *keep = malloc((generation->listeners.count + 2) * sizeof *keep);
    if (!keep)
        abort();
    for (unsigned i = 0; i < generation->listeners.count; i++)
        if (generation->listeners.list[i].fd >= 0) /* not drained */
            keep[count++] = generation->listeners.list[i].fd;
    keep[count++] = generation->scoreboard->room;
    keep[count++] = channel;
    descriptors_close_all_but(keep, count);
    free(keep);
}

static _Noreturn void become_child(const struct child_slot *slot, int channel)
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
    };
    log_forked();
    close_what_is_not_ours(generation, channel);
    exit(child_run(&setup));
}

/* Death. */

static void restart_due(struct timer *timer, uint64_t now)
{
    (void)now;
    fork_child(container_of(timer, struct child_slot, timer));
}

/* The first early death is made good at once; from the second in a row on it takes longer each
 * time. */
static void plan_restart(struct child_slot *child)
{
    uint64_t now = clock_now();
    unsigned step = child->early_deaths < BACK_OFF_STEPS ? child->early_deaths : BACK_OFF_STEPS;
    child->early_deaths = now - child->born < YOUNG ? child->early_deaths + 1 : 0;
    counter_add(&child->generation->scoreboard->head->daemon.child_restarts, 1);
    if (step == 0 || child->early_deaths == 0) {
        fork_child(child);
        return;
    }
    uint64_t wait = BACK_OFF << (step - 1);
    log_say(LOG_WARNING, "child %u.%u dies again and again: the next one starts in %llu ms",
            child->generation->number, child->index, (unsigned long long)(wait / CLOCK_MS));
    timer_start(&child->timer, timers_fifo(&child->generation->loop->timers, wait, restart_due),
                now);
}

/* What the sandbox has ended it for; the next one in its place begins anew. */
static void add_refused(struct log_line *line, const struct child_slot *child)
{
    char name[SANDBOX_CALL_MAX];
    uint64_t *refused = &child->generation->board->children[child->index].refused;
    uint64_t number = __atomic_exchange_n(refused, 0, __ATOMIC_ACQUIRE);
    if (number == 0)
        return;
    sandbox_call_name(number, name);
    log_add(line, "syscall", name);
}

static void log_death(const struct child_slot *child, const siginfo_t *info, uint32_t held)
{
    const struct generation *generation = child->generation;
    struct log_line line;
    bool left = generation->state == GENERATION_DRAINING && info->si_code == CLD_EXITED &&
                info->si_status == 0;
    bool in_order = left || (generation->killed && info->si_status == SIGKILL);
    log_begin(&line, left ? "child_left" : in_order ? "child_killed" : "child_died");
    log_add_number(&line, "generation", generation->number);
    log_add_number(&line, "child", child->index);
    log_add_number(&line, "pid", (uint64_t)child->pid);
    log_add_number(&line, info->si_code == CLD_EXITED ? "exit" : "signal",
                   (uint64_t)info->si_status);
    log_add_number(&line, "lost", held);
    add_refused(&line, child);
    log_end(&line, in_order ? LOG_INFO : LOG_ERR);
}

static void forget_process(struct child_slot *child)
{
    timer_stop(&child->timer);
    if (child->channel.fd >= 0) {
        loop_remove(child->generation->loop, &child->channel);
        close(child->channel.fd);
    }
    child->channel.fd = -1;
    child->state = CHILD_ABSENT;
    child->accepts = false;
    child->generation->events->child_gone(child);
}

/* A filter that it was started with; its own has let all that a start takes through. */
static const char *advice_on(const siginfo_t *info)
{
    return info->si_code != CLD_EXITED && info->si_status == SIGSYS
               ? "SystemCallFilter= of the unit has to let seccomp through, and capset where there "
                 "are capabilities to give up"
               : "the log may tell why";
}

static void say_why(struct child_slot *child, const siginfo_t *info)
{
    struct generation *generation = child->generation;
    if (generation->why.text[0])
        return;
    if (child->late)
        error_set(&generation->why, 0, "child %u.%u was not ready within pool.start_timeout",
                  generation->number, child->index);
    else
        error_set(&generation->why, 0, "child %u.%u ended before it was ready (%s %d); %s",
                  generation->number, child->index,
                  info->si_code == CLD_EXITED ? "status" : "signal", info->si_status,
                  advice_on(info));
}

static void see_whether_closed(struct generation *generation)
{
    for (unsigned i = 0; i < generation->count; i++)
        if (generation->children[i].accepts)
            return;
    generation->events->closed(generation);
}

static void see_whether_over(struct generation *generation)
{
    if (generation->state != GENERATION_DRAINING || !all_are(generation, CHILD_ABSENT))
        return;
    timer_stop(&generation->deadline);
    generation->state = GENERATION_OVER;
    generation->events->over(generation);
}

static void fail(struct generation *generation)
{
    generation_kill(generation);
    generation->state = GENERATION_DRAINING;
    generation->events->failed(generation);
}

/* There is no process any more: what that means depends on what the generation is doing. */
static void lost(struct child_slot *child)
{
    struct generation *generation = child->generation;
    if (generation->state == GENERATION_SERVING && generation->conf)
        plan_restart(child);
    else if (generation->state == GENERATION_STARTING)
        fail(generation);
    else if (generation->state == GENERATION_DRAINING)
        see_whether_closed(generation);
    see_whether_over(generation);
}

static void reap(struct child_slot *child)
{
    siginfo_t info = {0};
    if (child->state == CHILD_ABSENT || waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG) ||
        info.si_pid == 0)
        return;
    uint32_t held = places_clear_child(child->generation->board, child->index);
    addresses_clear_child(child->generation->board, child->index);
    log_death(child, &info, held);
    say_why(child, &info);
    forget_process(child);
    lost(child);
}

void generation_reap(struct generation *generation)
{
    for (unsigned i = 0; i < generation->count; i++)
        reap(&generation->children[i]);
}

/* What a child says. */

static void child_ready(struct child_slot *child)
{
    struct generation *generation = child->generation;
    timer_stop(&child->timer);
    child->state = CHILD_SERVING;
    child->accepts = true;
    if (generation->state == GENERATION_STARTING && all_are(generation, CHILD_SERVING)) {
        generation->state = GENERATION_SERVING;
        generation->events->ready(generation);
    }
}

static void child_stopped(struct child_slot *child)
{
    child->accepts = false;
    if (child->generation->state == GENERATION_DRAINING)
        see_whether_closed(child->generation);
}

static void channel_ready(struct watch *watch, uint32_t events)
{
    struct child_slot *child = container_of(watch, struct child_slot, channel);
    struct message message;
    (void)events;
    ssize_t length = recv(watch->fd, &message, sizeof message, MSG_DONTWAIT);
    if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
        loop_remove(child->generation->loop, watch); /* it is about to die: SIGCHLD tells */
    if (length != sizeof message)
        return;
    if (message.order == CHILD_READY)
        child_ready(child);
    else if (message.order == CHILD_STOPPED)
        child_stopped(child);
    else
        child->generation->events->answer(child, &message);
}

/* Birth. */

static void too_late(struct timer *timer, uint64_t now)
{
    struct child_slot *child = container_of(timer, struct child_slot, timer);
    (void)now;
    log_say(LOG_ERR, "child %u.%u is not ready in time and is ended", child->generation->number,
            child->index);
    child->late = true;
    kill(child->pid, SIGKILL);
}

static void give_up_birth(struct child_slot *child)
{
    struct generation *generation = child->generation;
    log_say(LOG_ERR, "cannot start a child: %s", strerrordesc_np(errno));
    error_set(&generation->why, errno, "cannot start a child");
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
    struct generation *generation = child->generation;
    int ends[2];
    child->born = clock_now();
    child->pid = -1;
    child->channel.fd = -1;
    child->late = false;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) {
        give_up_birth(child);
        return;
    }
    child->pid = fork();
    if (child->pid == 0)
        become_child(child, ends[1]);
    close(ends[1]);
    child->channel = (struct watch){channel_ready, ends[0], EPOLLIN};
    if (child->pid < 0 || loop_add(generation->loop, &child->channel)) {
        give_up_birth(child);
        return;
    }
    child->state = CHILD_STARTING;
    timer_start(
        &child->timer,
        timers_fifo(&generation->loop->timers, generation->conf->pool.start_timeout, too_late),
        child->born);
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
                              .children = conf->pool.processes,
                              .threads = conf->pool.threads,
                              .services = (uint32_t)conf->service_count,
                              .listeners = generation->listeners.count,
                              .names = names};
    struct board *board = board_new(generation->scoreboard, &plan, error);
    for (size_t i = 0; board && i < conf->service_count; i++)
        conf->services[i].service.id = board->ids[i];
    free(names);
    return board;
}

/* With the board of a generation that another binary has made, or a new one for its conf. */
struct generation *generation_new(unsigned number, struct conf *conf, struct listeners *listeners,
                                  const struct scoreboard *scoreboard, struct loop *loop,
                                  struct error *error)
{
    struct generation *generation = calloc(1, sizeof *generation);
    if (!generation) {
        error_set(error, ENOMEM, "cannot make room for a generation");
        return NULL;
    }
    *generation = (struct generation){.number = number,
                                      .conf = conf,
                                      .listeners = *listeners,
                                      .loop = loop,
                                      .scoreboard = scoreboard,
                                      .born = clock_now()};
    generation->board = conf ? make_board(generation, error) : board_find(scoreboard, number);
    if (generation->board)
        generation->count = generation->board->entry.children;
    generation->children = calloc(generation->count + 1, sizeof *generation->children);
    if (!generation->board || !generation->children) {
        if (generation->board && conf)
            board_fold(generation->board);
        free(generation->children);
        free(generation);
        if (!error->text[0])
            error_set(error, 0, "the scoreboard does not know generation %u", number);
        return NULL;
    }
    for (unsigned i = 0; i < generation->count; i++)
        generation->children[i] =
            (struct child_slot){.generation = generation, .index = i, .channel = {.fd = -1}};
    return generation;
}

void generation_start(struct generation *generation)
{
    for (unsigned i = 0; i < generation->count && generation->state == GENERATION_STARTING; i++)
        fork_child(&generation->children[i]);
}

int generation_adopt_child(struct generation *generation, unsigned index, pid_t pid, int channel,
                           enum child_state state, bool accepts)
{
    struct child_slot *child = &generation->children[index];
    child->pid = pid;
    child->channel = (struct watch){channel_ready, channel, EPOLLIN};
    child->born = clock_now();
    child->state = state;
    child->accepts = accepts;
    if (state == CHILD_STARTING)
        timer_start(&child->timer, timers_fifo(&generation->loop->timers, START_TIME, too_late),
                    child->born);
    return loop_add(generation->loop, &child->channel);
}

void generation_tell(struct generation *generation, const struct message *message)
{
    for (unsigned i = 0; i < generation->count; i++)
        if (generation->children[i].state != CHILD_ABSENT)
            send(generation->children[i].channel.fd, message, sizeof *message,
                 MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The drain. */

static void drain_over(struct timer *timer, uint64_t now)
{
    struct generation *generation = container_of(timer, struct generation, deadline);
    (void)now;
    log_say(LOG_ERR, "a child of generation %u did not leave in time and is ended",
            generation->number);
    generation_kill(generation);
}

static void set_deadline(struct generation *generation, uint64_t duration)
{
    uint64_t now = clock_now();
    if (duration == 0 || (generation->cut_at && generation->cut_at <= now + duration))
        return;
    generation->cut_at = now + duration;
    timer_start(&generation->deadline,
                timers_fifo(&generation->loop->timers, duration + KILL_AFTER, drain_over), now);
}

void generation_drain(struct generation *generation, uint64_t duration)
{
    generation->state = GENERATION_DRAINING;
    for (unsigned i = 0; i < generation->count; i++)
        if (generation->children[i].state == CHILD_ABSENT)
            timer_stop(&generation->children[i].timer);
    set_deadline(generation, duration);
    generation_tell(generation, &(struct message){.order = CHILD_DRAIN, .value = duration});
    see_whether_closed(generation);
    see_whether_over(generation);
}

void generation_kill(struct generation *generation)
{
    generation->killed = true;
    for (unsigned i = 0; i < generation->count; i++)
        if (generation->children[i].state != CHILD_ABSENT)
            kill(generation->children[i].pid, SIGKILL);
}

void generation_kill_child(struct child_slot *child)
{
    kill(child->pid, SIGKILL);
}

uint32_t generation_open(const struct generation *generation)
{
    uint32_t open = 0;
    for (unsigned i = 0; i < generation->count; i++)
        open += places_held_by_child(generation->board, i);
    return open;
}

void generation_free(struct generation *generation)
{
    board_fold(generation->board);
    listeners_free(&generation->listeners);
    conf_free(generation->conf);
    free(generation->children);
    free(generation);
}
