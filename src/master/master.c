/* SPDX-License-Identifier: MIT */
#include "master/master.h"

#include "base/container.h"
#include "base/log.h"
#include "base/places.h"
#include "base/tally.h"
#include "base/title.h"
#include "master/notify.h"
#include "master/state.h"
#include "master/upgrade.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#define FLUSH_AGAIN  (100 * CLOCK_MS) /* the log did not take everything */
#define LEAVE_WITHIN (10 * CLOCK_S)   /* of the end of the drain, at the very most */

/* Before the daemon is up, the user who started it listens on stderr, wherever the log goes. */
int master_fail_to_start(struct master *master, int status, const struct error *error)
{
    log_say(LOG_ERR, "cannot start: %s", error->text);
    if (!master->log_is_on_stderr)
        daemon_complain(error->text);
    master->status = status;
    return status;
}

static int status_of(const struct error *error)
{
    return error->errnum == EACCES || error->errnum == EPERM ? EX_NOPERM : EX_OSERR;
}

/* The log: after each turn, and again while its target is slow. */

static void flush_due(struct timer *timer, uint64_t now)
{
    (void)now;
    master_flush_log(container_of(timer, struct master, flush));
}

void master_flush_log(struct master *master)
{
    if (log_flush())
        return;
    if (!master->flush.fifo)
        timer_start(&master->flush, timers_fifo(&master->loop.timers, FLUSH_AGAIN, flush_due),
                    clock_now());
}

int master_open_log(struct master *master, const struct conf *conf, struct error *error)
{
    struct log_settings log = conf->log;
    log.tee =
        log.target == LOG_TARGET_SYSLOG && master->options->foreground && isatty(STDERR_FILENO);
    master->log_is_on_stderr = log.target == LOG_TARGET_STDERR || log.tee;
    return log_open(&log, error);
}

int master_listen_control(struct master *master, const struct conf *conf, struct error *error)
{
    struct control_settings settings = {conf->control.socket, conf->control.mode, conf->control.gid,
                                        conf->control.has_group};
    if (control_listen(master->control, &settings, error) == 0)
        return 0;
    if (conf->control_file)
        return -1;
    /* It is where it is by default, and nobody has asked for it. */
    log_say(LOG_NOTICE, "no control socket: %s", error->text);
    *error = (struct error){0};
    return 0;
}

void master_say_status(struct master *master)
{
    char status[400];
    const struct generation *current = master->current;
    const struct change_outcome *last = &master->changes.last;
    if (!current || master->stopping)
        return;
    int length =
        snprintf(status, sizeof status, "Generation %u: %u services on %u addresses",
                 current->number, current->board->entry.services, current->listeners.count);
    if (last->any && !last->done && length > 0)
        snprintf(status + length, sizeof status - (size_t)length, "; the last %s failed: %s",
                 last->kind == CHANGE_RELOAD ? "reload" : "upgrade", last->error);
    notify_ready(status);
}

/* Stopping. */

void master_stop(struct master *master)
{
    uint64_t drain =
        master->current && master->current->conf ? master->current->conf->drain : 30 * CLOCK_S;
    master->stopping = true;
    log_say(LOG_NOTICE, "stopping open=%u", places_held_by_all(master->scoreboard));
    counter_set(&master->scoreboard->head->daemon.state, DAEMON_STOPPING);
    notify_stopping("Finishing what is open", drain ? drain + LEAVE_WITHIN : UINT64_MAX);
    change_cancel_all(master);
    serve_nothing(master, drain);
}

static void stop_at_once(struct master *master)
{
    log_say(LOG_NOTICE, "stopping at once open=%u", places_held_by_all(master->scoreboard));
    for (struct generation *generation = master->generations; generation;
         generation = generation->next)
        generation_kill(generation);
}

/* Signals. */

static void reap(struct master *master)
{
    trial_reap(&master->changes.trial);
    for (struct generation *generation = master->generations; generation;
         generation = generation->next)
        generation_reap(generation);
    orphans_reap(master);
}

static void take_signal(struct master *master, int signal)
{
    if (signal == SIGCHLD)
        reap(master);
    else if (signal == SIGHUP && !master->stopping)
        change_ask(master, CHANGE_RELOAD, NULL);
    else if (signal == SIGUSR2 && !master->stopping)
        change_ask(master, CHANGE_UPGRADE, NULL);
    else if (signal != SIGTERM && signal != SIGINT)
        return;
    else if (master->stopping)
        stop_at_once(master);
    else
        master_stop(master);
}

static void signals_ready(struct watch *watch, uint32_t events)
{
    struct master *master = container_of(watch, struct master, signals);
    struct signalfd_siginfo info;
    (void)events;
    while (read(watch->fd, &info, sizeof info) == sizeof info)
        take_signal(master, (int)info.ssi_signo);
}

void master_hold_changes(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

/* From the first moment on: one that comes before the loop runs waits for it. */
static void block_signals(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    static const int job_control[] = {SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT};
    sigset_t set;
    sigfillset(&set);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&set, faults[i]);
    for (size_t i = 0; i < sizeof job_control / sizeof *job_control; i++)
        sigdelset(&set, job_control[i]);
    sigprocmask(SIG_SETMASK, &set, NULL);
}

static int watch_signals(struct master *master, struct error *error)
{
    static const int answered[] = {SIGTERM, SIGINT, SIGCHLD, SIGHUP, SIGUSR2};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof answered / sizeof *answered; i++)
        sigaddset(&set, answered[i]);
    /* Ignored by whoever started us, no child would ever be seen to end. */
    signal(SIGCHLD, SIG_DFL);
    master->signals =
        (struct watch){signals_ready, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), EPOLLIN};
    if (master->signals.fd >= 0 && loop_add(&master->loop, &master->signals) == 0)
        return 0;
    return error_set(error, errno, "cannot watch for signals");
}

/* The account at the end: what came in has gone out. */
static void log_stopped(const struct master *master)
{
    const struct scoreboard *scoreboard = master->scoreboard;
    char name[SCOREBOARD_NAME];
    uint64_t accepted = 0, closed = 0, rejected = 0, lost = 0;
    for (unsigned id = 0; id < SCOREBOARD_SERVICES && tally_name(scoreboard, id, name); id++) {
        struct counters sum;
        tally_service(scoreboard, id, &sum);
        accepted += sum.accepted;
        lost += sum.lost;
        for (int i = 0; i < CLOSE_REASON_COUNT; i++)
            closed += sum.closed[i];
        for (int i = 0; i < REJECT_REASON_COUNT; i++)
            rejected += sum.rejected[i];
    }
    struct log_line line;
    log_begin(&line, "stopped");
    log_add_number(&line, "accepted", accepted);
    log_add_number(&line, "closed", closed);
    log_add_number(&line, "lost", lost);
    log_add_number(&line, "rejected", rejected);
    log_add_number(&line, "active", places_held_by_all(scoreboard));
    log_end(&line, LOG_NOTICE);
}

/* The whole story. */

static void turn_end(struct loop *loop)
{
    struct master *master = loop->owner;
    serve_sweep(master);
    master_flush_log(master);
    timers_tidy(&loop->timers);
}

static int make_loop(struct master *master, struct error *error)
{
    if (loop_init(&master->loop, error))
        return -1;
    master->loop.owner = master;
    master->loop.turn_end = turn_end;
    master->supervision.watchdog = notify_watchdog_time();
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    master->control = control_new(&master->loop, commands, master, error);
    return master->control ? watch_signals(master, error) : -1;
}

/* Children that may be alive at once, of this configuration, and some more after a reload. */
static unsigned rows_for(const struct conf *conf)
{
    unsigned rows = conf->pool.processes * (conf->pool.generations + 2);
    return rows > 64 ? rows : 64;
}

/* The first generation of a daemon that starts.  conf is freed when it comes to nothing. */
static int begin(struct master *master, struct conf *conf, struct error *error)
{
    struct generation *first = NULL;
    master->scoreboard = scoreboard_new(rows_for(conf), error);
    if (master->scoreboard)
        master->inquiries = inquiries_new(&master->loop, master->scoreboard, error);
    if (master->inquiries && sockets_init(&master->sockets, error) == 0 &&
        master_listen_control(master, conf, error) == 0)
        first = serve_new_generation(master, conf, error);
    if (!first) {
        conf_free(conf);
        return -1;
    }
    snprintf(master->scoreboard->head->daemon.version,
             sizeof master->scoreboard->head->daemon.version, "%s", master->options->version);
    log_show_dropped(&master->scoreboard->head->daemon.log_dropped);
    generation_start(first);
    return 0;
}

static void end(struct master *master)
{
    while (master->generations) {
        struct generation *generation = master->generations;
        master->generations = generation->next;
        generation_free(generation);
    }
    if (master->control)
        control_close(master->control, true);
    control_free(master->control);
    inquiries_free(master->inquiries);
    orphans_forget_all(master);
    sockets_fini(&master->sockets);
    log_show_dropped(NULL);
    scoreboard_free(master->scoreboard);
    if (master->signals.fd > 0)
        close(master->signals.fd);
    if (master->loop.epoll > 0)
        loop_fini(&master->loop);
    free(master->binary);
    free(master->config);
}

static int serve(struct master *master, struct conf *conf)
{
    struct error error = {0};
    if (make_loop(master, &error)) {
        conf_free(conf);
        return master_fail_to_start(master, EX_OSERR, &error);
    }
    if (begin(master, conf, &error))
        return master_fail_to_start(master, status_of(&error), &error);
    serve_sweep(master); /* it may be over before its first turn */
    loop_run(&master->loop);
    log_stopped(master);
    return master->status;
}

/* Before the log is open, what goes wrong is said on stderr and nowhere else. */
static int prepare(struct master *master, const struct conf *conf, struct error *error)
{
    const struct master_options *options = master->options;
    master->log_is_on_stderr = true;
    if (options->pid_file && daemon_lock_pid_file(&master->pid_file, options->pid_file, error))
        return -1;
    if (!options->foreground) {
        master->log_is_on_stderr = conf->log.target == LOG_TARGET_STDERR;
        if (daemon_detach(master->log_is_on_stderr, error))
            return -1;
    }
    if (options->pid_file && daemon_write_pid_file(&master->pid_file, error))
        return -1;
    title_set("tcpd: master");
    return master_open_log(master, conf, error);
}

static int leave(struct master *master, int status)
{
    end(master);
    log_close();
    daemon_remove_pid_file(&master->pid_file);
    daemon_ready(status);
    return status;
}

int master_run(const struct master_options *options, struct conf *conf)
{
    struct master master = {.options = options, .pid_file = {.fd = -1}, .changes.text = -1};
    struct error error = {0};
    block_signals();
    master.binary = upgrade_find_binary(options->argv[0]);
    master.config = daemon_absolute_path(options->config);
    if (prepare(&master, conf, &error)) {
        int status = master_fail_to_start(&master, status_of(&error), &error);
        conf_free(conf);
        return leave(&master, status);
    }
    return leave(&master, serve(&master, conf));
}

/* After an upgrade. */

static int take_over(struct master *master, struct error *error)
{
    if (make_loop(master, error))
        return -1;
    struct conf *conf = upgrade_adopt(master, error);
    if (!conf)
        return -1;
    log_show_dropped(&master->scoreboard->head->daemon.log_dropped);
    title_set("tcpd: master");
    if (master_open_log(master, conf, error)) {
        conf_free(conf);
        return -1;
    }
    upgrade_go_on(master, conf);
    return 0;
}

int master_inherit(const struct master_options *options)
{
    struct master master = {.options = options, .pid_file = {.fd = -1}, .changes.text = -1};
    struct error error = {0};
    block_signals();
    master.log_is_on_stderr = true;
    if (take_over(&master, &error))
        return master_fail_to_start(&master, EX_OSERR, &error);
    loop_run(&master.loop);
    log_stopped(&master);
    return leave(&master, master.status);
}
