/* SPDX-License-Identifier: MIT */
/* The targets: they come and go while it runs, and are told of. */
#include "traffic/fleet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define SPREAD (SECOND / 20)

static struct target *find_target(struct fleet *fleet, const char *text)
{
    for (unsigned i = 0; i < fleet->target_count; i++)
        if (!strcmp(fleet->targets[i].text, text))
            return &fleet->targets[i];
    return NULL;
}

/* --- Reports --- */

static void print_targets(const struct fleet *fleet)
{
    printf(",\"targets\":[");
    for (unsigned i = 0; i < fleet->target_count; i++) {
        const struct target *target = &fleet->targets[i];
        printf("%s{\"target\":\"%s\",", i ? "," : "", target->text);
        counts_print(&target->counts, &target->counts);
        printf("}");
    }
    printf("]");
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

void fleet_report(struct fleet *fleet, const char *name, const char *value)
{
    printf("{\"%s\":\"%s\",", name, value);
    tally_print(&fleet->tally, fleet_clock());
    print_targets(fleet);
    printf(",\"cpu_seconds\":%.3f}\n", cpu_seconds());
    fflush(stdout);
}

static bool has_ended(const struct target *target)
{
    return counts_open(&target->counts, KIND_SHORT) == 0 &&
           counts_open(&target->counts, KIND_LONG) == 0;
}

static void tell(const char *what, const struct target *target)
{
    printf("{\"%s\":\"%s\",", what, target->text);
    counts_print(&target->counts, &target->counts);
    printf("}\n");
    fflush(stdout);
}

void fleet_announce(struct fleet *fleet, struct target *target)
{
    (void)fleet;
    if (target->is_new && target->unsettled == 0) {
        target->is_new = false;
        tell("added", target);
    }
    if (target->is_removed && !target->is_gone && has_ended(target)) {
        target->is_gone = true;
        tell("removed", target);
    }
}

void fleet_announce_ready(struct fleet *fleet)
{
    if (fleet->is_ready)
        return;
    for (unsigned i = 0; i < fleet->target_count; i++)
        if (fleet->targets[i].unsettled > 0)
            return;
    fleet->is_ready = true;
    fleet_report(fleet, "mark", "ready");
}

/* --- They come and go --- */

/* The share of a target: what does not divide goes to the first ones. */
static unsigned long_share(const struct plan *plan, unsigned index)
{
    return plan->longs / plan->target_count + (index < plan->longs % plan->target_count);
}

/* Opened at once, but not in one heap; so they are spread from then on. */
static int init_longs(struct fleet *fleet, struct target *target, unsigned count)
{
    uint64_t spread = fleet->plan->interval < SPREAD ? fleet->plan->interval : SPREAD;
    target->longs = calloc(count ? count : 1, sizeof *target->longs);
    if (!target->longs)
        return -1;
    target->long_count = target->unsettled = count;
    for (unsigned i = 0; i < count; i++) {
        struct conn *conn = &target->longs[i];
        *conn = (struct conn){.kind = KIND_LONG, .target = target, .fd = -1};
        conn->due_at = fleet->now + spread * i / count;
        list_append(&fleet->due, &conn->due);
    }
    return 0;
}

/* A target that was there before goes on counting. */
static const char *add(struct fleet *fleet, const char *text)
{
    struct target new, *target = find_target(fleet, text);
    if (target_parse(&new, text))
        return "not a target: SERVICE:ADDRESS";
    if (target && !target->is_gone)
        return "is there already";
    if (!target && fleet->target_count == TARGETS_MAX)
        return "too many targets";
    unsigned index = target ? (unsigned)(target - fleet->targets) : fleet->target_count++;
    target = &fleet->targets[index];
    free(target->longs);
    new.counts = target->counts;
    new.opened = target->opened;
    *target = new;
    return init_longs(fleet, target, long_share(fleet->plan, index)) ? "no memory" : NULL;
}

const char *fleet_add(struct fleet *fleet, const char *text)
{
    const char *wrong = add(fleet, text);
    if (wrong)
        return wrong;
    struct target *target = find_target(fleet, text);
    target->is_new = true;
    fleet_announce(fleet, target);
    return NULL;
}

static void leave_all(struct fleet *fleet, struct target *target)
{
    for (unsigned i = 0; i < target->long_count; i++)
        fleet_leave(fleet, &target->longs[i]);
    fleet_announce(fleet, target);
}

const char *fleet_remove(struct fleet *fleet, const char *text)
{
    struct target *target = find_target(fleet, text);
    if (!target || target->is_removed)
        return "is not there";
    target->is_removed = true;
    leave_all(fleet, target);
    return NULL;
}

void fleet_stop(struct fleet *fleet)
{
    if (fleet->is_stopping)
        return;
    fleet->is_stopping = true;
    tally_stop(&fleet->tally, fleet_clock());
    for (unsigned i = 0; i < fleet->target_count; i++)
        leave_all(fleet, &fleet->targets[i]);
}

bool fleet_has_stopped(const struct fleet *fleet)
{
    const struct counts *all = &fleet->tally.all;
    return fleet->is_stopping && counts_open(all, KIND_SHORT) == 0 &&
           counts_open(all, KIND_LONG) == 0;
}

/* --- Begin and end --- */

static void init_shorts(struct fleet *fleet)
{
    for (unsigned i = 0; i < SHORT_MAX; i++) {
        struct conn *conn = &fleet->shorts[i];
        *conn = (struct conn){.kind = KIND_SHORT, .fd = -1};
        list_append(&fleet->idle, &conn->due);
    }
}

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "traffic: %s: %s\n", what, why);
    return -1;
}

int fleet_init(struct fleet *fleet, const struct plan *plan)
{
    *fleet = (struct fleet){.plan = plan, .began = fleet_clock()};
    fleet->now = fleet->next_short = fleet->began;
    tally_init(&fleet->tally, fleet->began);
    list_init(&fleet->idle);
    list_init(&fleet->waiting);
    list_init(&fleet->due);
    list_init(&fleet->again);
    fleet->shorts = calloc(SHORT_MAX, sizeof *fleet->shorts);
    fleet->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!fleet->shorts || fleet->epoll < 0)
        return complain("cannot begin", strerrordesc_np(errno));
    init_shorts(fleet);
    for (unsigned i = 0; i < plan->target_count; i++) {
        const char *wrong = add(fleet, plan->targets[i]);
        if (wrong)
            return complain(plan->targets[i], wrong);
    }
    return 0;
}

void fleet_fini(struct fleet *fleet)
{
    for (unsigned i = 0; i < fleet->target_count; i++)
        free(fleet->targets[i].longs);
    free(fleet->shorts);
    if (fleet->epoll >= 0)
        close(fleet->epoll);
}
