/* SPDX-License-Identifier: MIT */
#include "master/master.h"

#include "base/clock.h"
#include "base/container.h"
#include "base/log.h"
#include "base/places.h"
#include "base/tally.h"
#include "base/title.h"
#include "io/loop.h"
#include "master/daemon.h"
#include "master/generation.h"
#include "master/listeners.h"
#include "master/notify.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#define KILL_AFTER  (2 * CLOCK_S)    /* what a child gets beyond the drain before it is ended */
#define FLUSH_AGAIN (100 * CLOCK_MS) /* the log did not take everything */

struct master {
    const struct master_options *options;
    struct conf *conf;
    struct pid_file pid_file;
    struct loop loop;
    struct watch signals; /* a signalfd */
    struct listeners listeners;
    struct scoreboard *scoreboard;
    struct generation generation;
    struct timer deadline; /* of a stop */
    struct timer flush;
    bool stopping;
    bool log_is_on_stderr;
    int status; /* to leave with */
};

/* Before the daemon is up, the user who started it listens on stderr, wherever the log goes. */
static int fail_to_start(const struct master *master, int status, const struct error *error)
{
    log_say(LOG_ERR, "cannot start: %s", error->text);
    if (!master->log_is_on_stderr)
        daemon_complain(error->text);
    return status;
}

static int status_of(const struct error *error)
{
    return error->errnum == EACCES || error->errnum == EPERM ? EX_NOPERM : EX_OSERR;
}

/* Descriptors: all that the system allows, and the limit on connections cut down to that. */

static uint32_t own_descriptors(const struct master *master)
{
    return 16 + master->listeners.count + 2 * (master->conf->pool.threads + 1);
}

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

static int fit_connections(struct master *master, struct error *error)
{
    uint32_t wanted = master->conf->limits.connections;
    rlim_t allowed = raise_descriptor_limit();
    uint32_t own = own_descriptors(master);
    if (allowed <= own)
        return error_set(error, 0, "RLIMIT_NOFILE is %llu, and tcpd itself needs %u descriptors",
                         (unsigned long long)allowed, own);
    uint64_t fit = (uint64_t)(allowed - own) * master->conf->pool.processes;
    master->generation.connections =
        wanted == 0 || wanted > fit ? (uint32_t)(fit < UINT32_MAX ? fit : UINT32_MAX) : wanted;
    if (wanted > fit)
        log_say(LOG_NOTICE,
                "limits.connections is cut from %u to %u: RLIMIT_NOFILE is %llu, %u of them are "
                "tcpd's own",
                wanted, master->generation.connections, (unsigned long long)allowed, own);
    return 0;
}

/* Stopping. */

static void leave(struct master *master)
{
    master->loop.stop = true;
}

static void deadline_over(struct timer *timer, uint64_t now)
{
    struct master *master = container_of(timer, struct master, deadline);
    (void)now;
    log_say(LOG_ERR, "a child did not leave in time and is ended");
    generation_kill(&master->generation);
}

static void stop(struct master *master)
{
    master->stopping = true;
    log_say(LOG_NOTICE, "stopping open=%u", places_held_by_all(master->scoreboard));
    notify_stopping("Finishing what is open");
    if (master->conf->drain)
        timer_start(
            &master->deadline,
            timers_fifo(&master->loop.timers, master->conf->drain + KILL_AFTER, deadline_over),
            clock_now());
    generation_drain(&master->generation, master->conf->drain);
    listeners_close(&master->listeners);
}

static void stop_at_once(struct master *master)
{
    log_say(LOG_NOTICE, "stopping at once open=%u", places_held_by_all(master->scoreboard));
    generation_kill(&master->generation);
}

static void take_signal(struct master *master, int signal)
{
    if (signal == SIGCHLD)
        generation_reap(&master->generation);
    else if (master->stopping)
        stop_at_once(master);
    else
        stop(master);
}

static void signals_ready(struct watch *watch, uint32_t events)
{
    struct master *master = container_of(watch, struct master, signals);
    struct signalfd_siginfo info;
    (void)events;
    while (read(watch->fd, &info, sizeof info) == sizeof info)
        take_signal(master, (int)info.ssi_signo);
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
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGCHLD);
    /* Ignored by whoever started us, no child would ever be seen to end. */
    signal(SIGCHLD, SIG_DFL);
    master->signals =
        (struct watch){signals_ready, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), EPOLLIN};
    if (master->signals.fd >= 0 && loop_add(&master->loop, &master->signals) == 0)
        return 0;
    return error_set(error, errno, "cannot watch for signals");
}

/* The log: after each turn, and again while its target is slow. */

static void flush_log(struct master *master);

static void flush_due(struct timer *timer, uint64_t now)
{
    (void)now;
    flush_log(container_of(timer, struct master, flush));
}

static void flush_log(struct master *master)
{
    if (log_flush())
        return;
    if (!master->flush.fifo)
        timer_start(&master->flush, timers_fifo(&master->loop.timers, FLUSH_AGAIN, flush_due),
                    clock_now());
}

static void turn_end(struct loop *loop)
{
    flush_log(loop->owner);
}

/* What the generation tells. */

static void log_listeners(const struct master *master)
{
    char text[ADDR_TEXT_MAX];
    for (unsigned i = 0; i < master->listeners.count; i++) {
        struct log_line line;
        log_begin(&line, "listening");
        log_add(&line, "service", master->listeners.list[i].service->name);
        log_add(&line, "address", addr_format(&master->listeners.list[i].address, text));
        log_end(&line, LOG_NOTICE);
    }
}

static void generation_ready(struct generation *generation)
{
    struct master *master = generation->owner;
    const struct conf *conf = master->conf;
    char status[160];
    snprintf(
        status, sizeof status, "%zu services on %u addresses; processes: %u, threads in each: %u",
        conf->service_count, master->listeners.count, conf->pool.processes, conf->pool.threads);
    log_listeners(master);
    log_say(LOG_NOTICE,
            "started version=%s pid=%d generation=%u services=%zu processes=%u threads=%u",
            master->options->version, getpid(), generation->number, conf->service_count,
            conf->pool.processes, conf->pool.threads);
    flush_log(master);
    notify_ready(status);
    daemon_ready(EX_OK);
}

/* The child has said why. */
static void generation_failed(struct generation *generation)
{
    struct master *master = generation->owner;
    if (!master->stopping)
        fail_to_start(master, EX_OSERR,
                      &(struct error){.text = "a child ended before it was ready"});
    master->status = EX_OSERR;
    master->stopping = true;
    generation->draining = true;
    generation_kill(generation);
    generation_drain(generation, 0);
}

static void generation_ended(struct generation *generation)
{
    leave(generation->owner);
}

/* The account at the end: what came in has gone out. */
static void log_stopped(const struct master *master)
{
    const struct scoreboard *scoreboard = master->scoreboard;
    char name[SCOREBOARD_NAME];
    uint64_t accepted = 0, closed = 0, rejected = 0;
    for (unsigned id = 0; id < SCOREBOARD_SERVICES && tally_name(scoreboard, id, name); id++) {
        struct counters sum;
        tally_service(scoreboard, id, &sum);
        accepted += sum.accepted;
        for (int i = 0; i < CLOSE_REASON_COUNT; i++)
            closed += sum.closed[i];
        for (int i = 0; i < REJECT_REASON_COUNT; i++)
            rejected += sum.rejected[i];
    }
    struct log_line line;
    log_begin(&line, "stopped");
    log_add_number(&line, "accepted", accepted);
    log_add_number(&line, "closed", closed);
    log_add_number(&line, "lost", master->generation.lost);
    log_add_number(&line, "rejected", rejected);
    log_add_number(&line, "active", places_held_by_all(scoreboard));
    log_end(&line, LOG_NOTICE);
}

/* The whole story. */

static int begin(struct master *master, struct error *error)
{
    struct generation *generation = &master->generation;
    master->scoreboard = scoreboard_new(error);
    if (!master->scoreboard)
        return -1;
    *generation = (struct generation){.number = 1,
                                      .scoreboard = master->scoreboard,
                                      .conf = master->conf,
                                      .listeners = &master->listeners,
                                      .loop = &master->loop,
                                      .owner = master,
                                      .ready = generation_ready,
                                      .failed = generation_failed,
                                      .ended = generation_ended};
    master->loop.owner = master;
    master->loop.turn_end = turn_end;
    if (fit_connections(master, error) || watch_signals(master, error))
        return -1;
    return generation_start(generation, error);
}

static int serve(struct master *master)
{
    struct error error = {0};
    if (listeners_open(&master->listeners, master->conf, &error))
        return fail_to_start(master, status_of(&error), &error);
    if (loop_init(&master->loop, &error) == 0 && begin(master, &error) == 0) {
        loop_run(&master->loop);
        log_stopped(master);
    } else {
        master->status = fail_to_start(master, EX_OSERR, &error);
    }
    generation_fini(&master->generation);
    scoreboard_free(master->scoreboard);
    listeners_close(&master->listeners);
    if (master->signals.fd > 0)
        close(master->signals.fd);
    loop_fini(&master->loop);
    return master->status;
}

static int open_log(struct master *master, struct error *error)
{
    struct log_settings log = master->conf->log;
    log.tee =
        log.target == LOG_TARGET_SYSLOG && master->options->foreground && isatty(STDERR_FILENO);
    master->log_is_on_stderr = log.target == LOG_TARGET_STDERR || log.tee;
    return log_open(&log, error);
}

/* Before the log is open, what goes wrong is said on stderr and nowhere else. */
static int prepare(struct master *master, struct error *error)
{
    const struct master_options *options = master->options;
    master->log_is_on_stderr = true;
    if (options->pid_file && daemon_lock_pid_file(&master->pid_file, options->pid_file, error))
        return -1;
    if (!options->foreground) {
        master->log_is_on_stderr = master->conf->log.target == LOG_TARGET_STDERR;
        if (daemon_detach(master->log_is_on_stderr, error))
            return -1;
    }
    if (options->pid_file && daemon_write_pid_file(&master->pid_file, error))
        return -1;
    title_set("tcpd: master");
    return open_log(master, error);
}

int master_run(const struct master_options *options)
{
    struct master master = {.options = options, .conf = options->conf, .pid_file = {.fd = -1}};
    struct error error = {0};
    block_signals();
    int status = prepare(&master, &error) ? fail_to_start(&master, status_of(&error), &error)
                                          : serve(&master);
    log_close();
    daemon_remove_pid_file(&master.pid_file);
    daemon_ready(status);
    return status;
}
