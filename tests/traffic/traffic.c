/* SPDX-License-Identifier: MIT */
/*
 * Traffic that notices what it loses.  Short connections are opened by the clock, long ones stay
 * and go on talking, and every byte and every end is held against what is right.  For the tests
 * that reload, upgrade and crash the daemon meanwhile; of its code nothing is used here.
 */
#include "traffic/control.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define EVENTS_MAX  256
#define TIMEOUT     (5 * SECOND)
#define RATE_LEAST  0.001 /* less is none */
#define STATUS_GOOD 0
#define STATUS_BAD  1  /* the server has failed */
#define STATUS_OWN  2  /* only the generator has */
#define STATUS_USE  64 /* sysexits.h */

static const char help[] =
    "usage: traffic [--rate N] [--long N] [--interval MS] [--time SECONDS] [--survivors]\n"
    "               TARGET...\n"
    "  TARGET         SERVICE:ADDRESS; echo or greet; 127.0.0.1:7, [::1]:7 or unix:/path\n"
    "  --rate N       short connections a second over all targets (2000)\n"
    "  --long N       long connections over all targets (200)\n"
    "  --interval MS  between two messages of a long one (50)\n"
    "  --time SECONDS ends it; else the line stop, or the end, of standard input\n"
    "  --survivors    a connection that breaks is counted and is no failure\n"
    "Standard input: mark NAME, add TARGET, remove TARGET, stop.\n";

enum option_id { OPTION_RATE = 1, OPTION_LONG, OPTION_INTERVAL, OPTION_TIME, OPTION_SURVIVORS };

static const struct option options[] = {
    {"rate", required_argument, NULL, OPTION_RATE},
    {"long", required_argument, NULL, OPTION_LONG},
    {"interval", required_argument, NULL, OPTION_INTERVAL},
    {"time", required_argument, NULL, OPTION_TIME},
    {"survivors", no_argument, NULL, OPTION_SURVIVORS},
    {0},
};

static int parse_number(const char *text, double least, double most, double *number)
{
    char *end;
    *number = strtod(text, &end);
    return end == text || *end || !(*number >= least && *number <= most) ? -1 : 0;
}

static int parse_option(struct plan *plan, int option)
{
    double number;
    if (option == OPTION_SURVIVORS) {
        plan->survivors = true;
        return 0;
    }
    if (option == '?' || parse_number(optarg, 0, 100000, &number))
        return -1;
    if (option == OPTION_RATE)
        plan->rate = number < RATE_LEAST ? 0 : number;
    else if (option == OPTION_LONG)
        plan->longs = (unsigned)number;
    else if (option == OPTION_INTERVAL)
        plan->interval = (uint64_t)(number * 1e6);
    else
        plan->time = (uint64_t)(number * 1e9);
    return 0;
}

/* The time-outs of a machine that is slow on purpose. */
static double slowness(void)
{
    const char *text = getenv("TCPD_TEST_SLOW");
    double slow;
    return text && !parse_number(text, 0.001, 1000, &slow) ? slow : 1;
}

static int parse(struct plan *plan, int argc, char **argv)
{
    int option;
    *plan = (struct plan){.rate = 2000, .longs = 200, .interval = 50 * (SECOND / 1000)};
    plan->timeout = (uint64_t)((double)TIMEOUT * slowness());
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        if (parse_option(plan, option))
            return -1;
    plan->target_count = (unsigned)(argc - optind);
    plan->targets = argv + optind;
    return plan->target_count > 0 && plan->interval > 0 ? 0 : -1;
}

/* A file has no readiness to wait for: it is read at once, and its end comes with it. */
static int watch_input(const struct fleet *fleet, struct control *control)
{
    struct epoll_event event = {.events = EPOLLIN};
    if (!epoll_ctl(fleet->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event))
        return 0;
    if (errno != EPERM)
        return -1;
    control->end = "eof";
    return 0;
}

/*
 * Only when epoll had no more to tell is it known who has waited for too long.  Commands come last:
 * what they free may have stood among the events.
 */
static void turn(struct fleet *fleet, struct control *control)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(fleet->epoll, events, EVENTS_MAX, fleet_pause(fleet));
    bool has_input = false;
    fleet->now = fleet_clock();
    for (int i = 0; i < count; i++) {
        struct conn *conn = events[i].data.ptr;
        if (!conn)
            has_input = true;
        else if (conn->fd >= 0)
            fleet_ready(fleet, conn, events[i].events);
    }
    if (has_input)
        control_read(control, fleet);
    if (count < EVENTS_MAX)
        fleet_expire(fleet);
    fleet_work(fleet);
}

/* Why it ends; NULL: it does not. */
static const char *find_end(const struct fleet *fleet, const struct control *control)
{
    uint64_t time = fleet->plan->time;
    return time && fleet->now - fleet->began >= time ? "time" : control->end;
}

static const char *run(struct fleet *fleet, struct control *control)
{
    const char *end = NULL;
    while (!fleet_has_stopped(fleet)) {
        turn(fleet, control);
        fleet_announce_ready(fleet);
        end = end ? end : find_end(fleet, control);
        if (end && !fleet->is_stopping) {
            epoll_ctl(fleet->epoll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
            fleet_stop(fleet);
        }
    }
    return end;
}

static int status(const struct fleet *fleet)
{
    const struct counts *all = &fleet->tally.all;
    if (counts_failed(all) > 0)
        return STATUS_BAD;
    if (all->of[KIND_SHORT][WHAT_LOCAL] + all->of[KIND_LONG][WHAT_LOCAL] > 0)
        return STATUS_OWN;
    return STATUS_GOOD;
}

static void raise_descriptors(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    static struct fleet fleet;
    static struct control control;
    struct plan plan;
    int result = STATUS_USE;
    raise_descriptors();
    if (parse(&plan, argc, argv)) {
        fputs(help, stderr);
        return STATUS_USE;
    }
    if (!fleet_init(&fleet, &plan) && !watch_input(&fleet, &control)) {
        const char *end = run(&fleet, &control);
        fleet_report(&fleet, "end", end);
        result = status(&fleet);
    }
    fleet_fini(&fleet);
    return result;
}
