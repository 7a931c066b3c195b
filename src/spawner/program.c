/* SPDX-License-Identifier: MIT */
/* The life of a program. */
#include "base/clock.h"
#include "base/container.h"
#include "base/log.h"
#include "io/sock.h"
#include "spawner/state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define HURRY CLOCK_S /* a drain is over: a program has so long, or its kill_timeout */

uint64_t program_grace(const struct conf_program *program, bool hurry)
{
    return hurry && program->kill_timeout > HURRY ? HURRY : program->kill_timeout;
}

/* The table. */

static struct running **bucket_of(struct spawner *spawner, pid_t pid)
{
    return &spawner->programs[(unsigned)pid % PID_BUCKETS];
}

static struct running *find_pid(struct spawner *spawner, pid_t pid)
{
    struct running *program = *bucket_of(spawner, pid);
    while (program && program->pid != pid)
        program = program->next_of_bucket;
    return program;
}

struct running *program_find(struct link *link, uint32_t slot, uint64_t number)
{
    struct running *program = link->programs;
    while (program && (program->request.slot != slot || program->request.number != number))
        program = program->next;
    return program;
}

static void enter(struct running *program)
{
    struct link *link = program->link;
    struct running **bucket = bucket_of(program->spawner, program->pid);
    program->next_of_bucket = *bucket;
    *bucket = program;
    program->next = link->programs;
    program->at = &link->programs;
    if (program->next)
        program->next->at = &program->next;
    link->programs = program;
    program->recipe->running++;
    program->spawner->running++;
}

static void leave(struct running *program)
{
    struct running **at = bucket_of(program->spawner, program->pid);
    while (*at != program)
        at = &(*at)->next_of_bucket;
    *at = program->next_of_bucket;
    if (program->link) {
        *program->at = program->next;
        if (program->next)
            program->next->at = program->at;
        program->recipe->running--;
    }
    program->spawner->running--;
}

/* The start. */

static struct spawn_answer answer_to(const struct spawn_request *request, enum spawn_order order)
{
    return (struct spawn_answer){.order = order, .slot = request->slot, .number = request->number};
}

/* Where its standard error goes; *to_close: to be closed when the program has it. */
static int open_errors(struct running *program, int socket, int *to_close)
{
    const struct recipe *recipe = program->recipe;
    *to_close = -1;
    if (recipe->program->errors == PROGRAM_STDERR_SOCKET)
        return socket;
    if (recipe->program->errors == PROGRAM_STDERR_NULL)
        return recipe->null;
    program->outlet = outlet_open(&program->spawner->loop, recipe->service->service.name, to_close);
    return *to_close;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* What is on trial is no bound. */
static uint32_t bound_of(const struct limits *limits)
{
    return limits->connections && limits->enforce ? limits->connections : UINT32_MAX;
}

/* Places see to that; but a child that has been taken over might ask for more. */
static bool is_one_too_many(const struct spawner *spawner, const struct recipe *recipe)
{
    const struct service *service = &recipe->service->service;
    uint32_t most = least(bound_of(&service->limits), bound_of(&spawner->setup->conf->limits));
    return recipe->running >= (service->program->most ? least(most, service->program->most) : most);
}

static pid_t start(struct running *program, int socket, struct error *error)
{
    struct spawner *spawner = program->spawner;
    struct recipe *recipe = &spawner->recipes[program->request.service];
    int to_close;
    if (is_one_too_many(spawner, recipe))
        return error_set(error, 0, "more are asked for than may run");
    int errors = open_errors(program, socket, &to_close);
    if (recipe->program->wait)
        fcntl(socket, F_SETFL, 0); /* as programs of inetd's know it; tcpd does not accept there */
    if (errors < 0)
        return error_set(error, errno, "there is no room for what it says on standard error");
    recipe_describe(recipe, &program->request,
                    &spawner->setup->listeners[program->request.listener]);
    program->pid = launch(recipe, socket, errors, error);
    if (to_close >= 0)
        close(to_close);
    return program->pid;
}

static void refuse(struct link *link, const struct spawn_request *request, int socket,
                   const char *why)
{
    const struct spawner *spawner = link->spawner;
    struct spawn_answer failed = answer_to(request, SPAWN_FAILED);
    struct log_line line;
    log_begin(&line, "program_failed");
    log_add(&line, "service", spawner->setup->conf->services[request->service].service.name);
    log_add(&line, "error", why);
    log_end(&line, LOG_ERR);
    link_tell(link, &failed, socket);
}

static void give_up(struct running *program)
{
    if (program->outlet)
        outlet_close(program->outlet);
    free(program);
}

/* Not those that the program is told: a proxy may have told others. */
static void note_ends(struct running *program, int socket)
{
    const struct spawner *spawner = program->spawner;
    if (spawner->diagnosis < 0 || !program->recipe->service->service.timeouts.idle)
        return;
    sock_local(socket, &program->local);
    sock_peer(socket, &program->peer);
}

void program_start(struct link *link, const struct spawn_request *request, int socket)
{
    struct spawner *spawner = link->spawner;
    struct spawn_answer started = answer_to(request, SPAWN_STARTED);
    struct error error = {0};
    struct running *program = calloc(1, sizeof *program);
    if (program)
        *program = (struct running){.spawner = spawner,
                                    .recipe = &spawner->recipes[request->service],
                                    .link = link,
                                    .request = *request,
                                    .born = spawner->loop.now};
    if (program)
        note_ends(program, socket);
    if (!program || start(program, socket, &error) < 0) {
        refuse(link, request, socket, program ? error.text : "out of memory");
        if (program)
            give_up(program);
        return;
    }
    close(socket);
    if (program->outlet)
        outlet_belongs_to(program->outlet, program->pid);
    enter(program);
    program_watch(program);
    started.pid = program->pid;
    link_tell(link, &started, -1);
}

/* The end. */

static void kill_due(struct timer *timer, uint64_t now)
{
    (void)now;
    launch_signal(container_of(timer, struct running, kill)->pid, SIGKILL);
}

void program_end(struct running *program, bool hurry)
{
    struct loop *loop = &program->spawner->loop;
    uint64_t grace = program_grace(program->recipe->program, hurry);
    if (program->ending && !hurry)
        return;
    program->ending = true;
    launch_signal(program->pid, SIGTERM);
    launch_signal(program->pid, SIGCONT); /* one that is stopped would not notice */
    timer_start(&program->kill, timers_fifo(&loop->timers, grace, kill_due), loop->now);
}

void programs_end(struct spawner *spawner, bool at_once)
{
    for (unsigned i = 0; i < PID_BUCKETS; i++)
        for (struct running *program = spawner->programs[i]; program;
             program = program->next_of_bucket) {
            program_end(program, true);
            if (at_once)
                launch_signal(program->pid, SIGKILL);
        }
}

static void ended(struct running *program, int status, const struct rusage *usage)
{
    struct spawn_answer answer = answer_to(&program->request, SPAWN_ENDED);
    answer.pid = program->pid;
    answer.status = status;
    answer.idle = program->is_idle;
    answer.cpu_us = ((uint64_t)usage->ru_utime.tv_sec + (uint64_t)usage->ru_stime.tv_sec) *
                        (CLOCK_S / CLOCK_US) +
                    (uint64_t)usage->ru_utime.tv_usec + (uint64_t)usage->ru_stime.tv_usec;
    answer.maxrss_kb = (uint32_t)usage->ru_maxrss;
    if (program->link)
        link_tell(program->link, &answer, -1);
    leave(program);
    timer_stop(&program->kill);
    timer_stop(&program->idle);
    give_up(program);
}

/*
 * Looks at one that has ended, and leaves it there: as long as nobody has waited for it, its pid
 * stands for its group as well; and should the spawner die now, the master finds it.  Not by way of
 * libc, which does not tell of the usage.  Returns 0 when there is none.
 */
static pid_t next_ended(int *status, struct rusage *usage)
{
    siginfo_t info = {0};
    if (syscall(SYS_waitid, P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT, usage))
        return 0;
    *status =
        info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0) : W_EXITCODE(0, info.si_status);
    return info.si_pid;
}

/* What is left of the group of one that was to end, ends with it.  Others than programs are what
 * these have left behind. */
void programs_reap(struct spawner *spawner)
{
    int status;
    pid_t pid;
    struct rusage usage;
    while ((pid = next_ended(&status, &usage)) > 0) {
        struct running *program = find_pid(spawner, pid);
        if (program && program->ending)
            kill(-pid, SIGKILL);
        if (program)
            ended(program, status, &usage);
        waitpid(pid, NULL, WNOHANG);
    }
    spawner_may_leave(spawner);
}
