/* SPDX-License-Identifier: MIT */
#include "tcpc/repeat.h"

#include "base/clock.h"
#include "base/container.h"
#include "io/loop.h"
#include "tcpc/happy.h"
#include "tcpc/header.h"
#include "tcpc/script_run.h"
#include "tcpc/signals.h"
#include "tcpc/tally.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define PROGRESS_EVERY (100 * CLOCK_MS)
#define SPARE_FILES    32 /* descriptors for all else */

enum phase { PHASE_IDLE, PHASE_CONNECTING, PHASE_SHAKING, PHASE_TALKING };

/* One of those that are at work at the same time; takes one connection after the other. */
struct slot {
    struct watch watch;
    struct timer timer;
    struct repeat *repeat;
    struct wire wire;
    enum phase phase;
    bool watched;
    size_t address;
    uint64_t begun; /* when this connection was begun */
    uint64_t until; /* what the timer was started for */
    struct script_run run;
};

struct repeat {
    struct loop loop;
    struct watch signals; /* what comes there ends it all */
    struct timer progress;
    const struct options *options;
    const struct address_list *list;
    const struct script *script;
    const struct tls_context *tls;
    size_t preferred; /* the address that answered last */
    uint64_t started;
    int signal;
    struct tally tally;
    struct slot *slots;
    unsigned slot_count;
};

static const struct story silent;

static struct slot *slot_of_timer(struct timer *timer)
{
    return container_of(timer, struct slot, timer);
}

/* --- the end of one connection --- */

static void slot_end(struct slot *slot)
{
    if (slot->watched)
        loop_remove(&slot->repeat->loop, &slot->watch);
    slot->watched = false;
    timer_stop(&slot->timer);
    slot->until = 0;
    wire_close(&slot->wire, false);
    slot->phase = PHASE_IDLE;
}

static void slot_failed(struct slot *slot, const char *reason)
{
    slot_end(slot);
    tally_fail(&slot->repeat->tally, reason);
}

static void slot_passed(struct slot *slot)
{
    struct tally *tally = &slot->repeat->tally;
    if (slot->run.answered)
        spread_add(&tally->answer, slot->run.answered - slot->run.asked);
    slot_end(slot);
    tally->ok++;
}

/* --- what it waits for --- */

static uint32_t epoll_events(short events)
{
    return (events & POLLIN ? EPOLLIN : 0u) | (events & POLLOUT ? EPOLLOUT : 0u);
}

/* One from which nothing is wanted leaves the epoll set, which would tell of its end for ever. */
static void slot_want(struct slot *slot, short events)
{
    struct loop *loop = &slot->repeat->loop;
    if (events && slot->watched) {
        loop_change(loop, &slot->watch, epoll_events(events));
    } else if (events) {
        slot->watch.events = epoll_events(events);
        slot->watched = loop_add(loop, &slot->watch) == 0;
        if (!slot->watched)
            slot_failed(slot, "it cannot be watched: there is not enough memory");
    } else if (slot->watched) {
        loop_remove(loop, &slot->watch);
        slot->watched = false;
    }
}

static void slot_expired(struct timer *timer, uint64_t now);

static void slot_limit(struct slot *slot, uint64_t duration, uint64_t until)
{
    struct repeat *repeat = slot->repeat;
    if (slot->until == until)
        return;
    slot->until = until;
    timer_start(&slot->timer,
                until ? timers_fifo(&repeat->loop.timers, duration, slot_expired) : NULL,
                clock_now());
}

/* --- its life --- */

static void slot_talk(struct slot *slot)
{
    struct error error;
    struct script_run *run = &slot->run;
    enum script_result result = script_run_turn(run, &error);
    if (result == SCRIPT_FAILED)
        slot_failed(slot, error.text);
    else if (result == SCRIPT_PASSED)
        slot_passed(slot);
    else {
        slot_limit(slot, run->script->steps[run->at].time, run->until);
        slot_want(slot, script_run_events(run));
    }
}

static void slot_established(struct slot *slot)
{
    spread_add(&slot->repeat->tally.connect, clock_now() - slot->begun);
    slot->phase = PHASE_TALKING;
    slot_limit(slot, 0, 0);
    script_run_begin(&slot->run, slot->repeat->script, &slot->wire, &silent);
    slot_talk(slot);
}

static void slot_shake(struct slot *slot)
{
    char reason[ERROR_TEXT_MAX];
    if (tls_handshake(slot->wire.tls) == 0) {
        slot_established(slot);
    } else if (errno == EAGAIN) {
        slot_want(slot, tls_receive_events(slot->wire.tls));
    } else {
        snprintf(reason, sizeof reason, "TLS: %.400s", tls_reason(slot->wire.tls));
        slot_failed(slot, reason);
    }
}

static void slot_connected(struct slot *slot)
{
    struct error error;
    struct repeat *repeat = slot->repeat;
    repeat->preferred = slot->address;
    if (header_send(repeat->options, slot->wire.fd, &error)) {
        slot_failed(slot, error.text);
        return;
    }
    if (!repeat->tls) {
        slot_established(slot);
        return;
    }
    slot->phase = PHASE_SHAKING;
    slot->wire.tls = tls_open(repeat->tls, slot->wire.fd, &error);
    if (slot->wire.tls)
        slot_shake(slot);
    else
        slot_failed(slot, error.text);
}

/* At the addresses one after the other, from the one that answered last; false: none is left. */
static bool slot_try(struct slot *slot)
{
    const struct address_list *list = slot->repeat->list;
    uint64_t begun; /* the slot's own counts the addresses before this one, too */
    slot->wire = (struct wire){.fd = happy_begin(&list->addrs[slot->address], NULL, &begun)};
    if (slot->wire.fd < 0)
        return false;
    slot->watch.fd = slot->wire.fd;
    slot_want(slot, POLLOUT);
    return true;
}

static void slot_try_next(struct slot *slot, int errnum)
{
    const struct address_list *list = slot->repeat->list;
    size_t first = slot->repeat->preferred;
    for (;;) {
        size_t next = (slot->address + 1) % list->count;
        if (next == first || slot->repeat->preferred != first) {
            slot_failed(slot, strerrordesc_np(errnum));
            return;
        }
        slot->address = next;
        if (slot_try(slot))
            return;
        errnum = errno;
    }
}

static void slot_check(struct slot *slot)
{
    int errnum = 0;
    socklen_t length = sizeof errnum;
    getsockopt(slot->wire.fd, SOL_SOCKET, SO_ERROR, &errnum, &length);
    if (errnum == 0) {
        slot_connected(slot);
        return;
    }
    slot_want(slot, 0);
    wire_close(&slot->wire, false);
    slot_try_next(slot, errnum);
}

static void slot_ready(struct watch *watch, uint32_t events)
{
    struct slot *slot = container_of(watch, struct slot, watch);
    (void)events;
    if (slot->phase == PHASE_CONNECTING)
        slot_check(slot);
    else if (slot->phase == PHASE_SHAKING)
        slot_shake(slot);
    else
        slot_talk(slot);
}

static void slot_expired(struct timer *timer, uint64_t now)
{
    struct slot *slot = slot_of_timer(timer);
    (void)now;
    slot->until = 0;
    if (slot->phase == PHASE_TALKING)
        slot_talk(slot);
    else
        slot_failed(slot, slot->phase == PHASE_CONNECTING
                              ? "not connected within the time of --timeout"
                              : "the TLS handshake was not done within the time of --timeout");
}

static void slot_begin(struct slot *slot)
{
    struct repeat *repeat = slot->repeat;
    uint64_t timeout = repeat->options->timeout;
    repeat->started++;
    slot->phase = PHASE_CONNECTING;
    slot->begun = clock_now();
    slot->address = repeat->preferred;
    slot_limit(slot, timeout, timeout ? slot->begun + timeout : 0);
    if (!slot_try(slot))
        slot_try_next(slot, errno);
}

/* --- all of them --- */

/* Each idle one takes one more.  What fails at once is taken up again in the next turn. */
static void turn_end(struct loop *loop)
{
    struct repeat *repeat = loop->owner;
    struct tally *tally = &repeat->tally;
    for (unsigned i = 0; i < repeat->slot_count && repeat->started < tally->wanted; i++) {
        if (repeat->slots[i].phase != PHASE_IDLE)
            continue;
        slot_begin(&repeat->slots[i]);
        if (repeat->slots[i].phase == PHASE_IDLE)
            loop_wake(loop);
    }
    if (tally->ok + tally->failed == tally->wanted)
        loop->stop = true;
}

static void signal_came(struct watch *watch, uint32_t events)
{
    struct repeat *repeat = container_of(watch, struct repeat, signals);
    (void)events;
    repeat->signal = signals_take(watch->fd);
    if (repeat->signal)
        repeat->loop.stop = true;
}

static void show_progress(struct timer *timer, uint64_t now)
{
    struct repeat *repeat = container_of(timer, struct repeat, progress);
    tally_progress(&repeat->tally, stderr);
    timer_start(timer, timers_fifo(&repeat->loop.timers, PROGRESS_EVERY, show_progress), now);
}

/* A descriptor for each, and some to spare. */
static int provide_files(unsigned wanted, struct error *error)
{
    struct rlimit limit;
    rlim_t needed = wanted + SPARE_FILES;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
        return 0;
    if (limit.rlim_max < needed)
        return error_set(error, 0,
                         "--parallel %u needs %ju open files, and %ju are allowed: see "
                         "ulimit -n",
                         wanted, (uintmax_t)needed, (uintmax_t)limit.rlim_max);
    limit.rlim_cur = needed;
    return setrlimit(RLIMIT_NOFILE, &limit) ? error_set(error, errno, "too many open files") : 0;
}

static int repeat_open(struct repeat *repeat, struct error *error)
{
    if (provide_files(repeat->slot_count, error) || loop_init(&repeat->loop, error))
        return -1;
    repeat->slots = calloc(repeat->slot_count, sizeof *repeat->slots);
    repeat->signals =
        (struct watch){.ready = signal_came, .fd = signals_open(false, error), .events = EPOLLIN};
    if (repeat->signals.fd < 0)
        return -1;
    if (!repeat->slots || loop_add(&repeat->loop, &repeat->signals))
        return error_set(error, ENOMEM, "--repeat");
    for (unsigned i = 0; i < repeat->slot_count; i++) {
        repeat->slots[i].watch.ready = slot_ready;
        repeat->slots[i].repeat = repeat;
        repeat->slots[i].wire.fd = -1;
    }
    repeat->loop.owner = repeat;
    repeat->loop.turn_end = turn_end;
    return 0;
}

static void repeat_close(struct repeat *repeat)
{
    for (unsigned i = 0; i < repeat->slot_count && repeat->slots; i++) {
        if (repeat->slots[i].phase != PHASE_IDLE)
            slot_end(&repeat->slots[i]);
    }
    if (repeat->signals.fd >= 0)
        close(repeat->signals.fd);
    free(repeat->slots);
    loop_fini(&repeat->loop);
}

static void work(struct repeat *repeat)
{
    bool shown = isatty(STDERR_FILENO);
    if (shown)
        show_progress(&repeat->progress, clock_now());
    loop_wake(&repeat->loop); /* the first turn has nothing to wait for */
    loop_run(&repeat->loop);
    repeat->tally.taken = clock_now() - repeat->tally.begun;
    if (shown)
        tally_progress_end(stderr);
}

int repeat_run(const struct options *options, const struct address_list *list,
               const struct script *script, const struct tls_context *tls, struct repeat_end *end,
               struct error *error)
{
    static struct repeat repeat; /* too big for the stack */
    char name[TARGET_TEXT_MAX];
    unsigned parallel = options->parallel ? options->parallel : 1;
    repeat = (struct repeat){.options = options,
                             .list = list,
                             .script = script,
                             .tls = tls,
                             .signals.fd = -1,
                             .loop = {.epoll = -1, .wake = -1}};
    repeat.slot_count = parallel < options->repeat ? parallel : options->repeat;
    repeat.tally.target = target_format(&options->target, name);
    repeat.tally.wanted = options->repeat;
    repeat.tally.parallel = repeat.slot_count;
    repeat.tally.begun = clock_now();
    int result = repeat_open(&repeat, error);
    if (result == 0) {
        work(&repeat);
        (options->json ? tally_print_json : tally_print)(&repeat.tally, stdout);
        fflush(stdout); /* a signal may end us before the C library does it */
    }
    *end = (struct repeat_end){.failed = repeat.tally.failed > 0, .signal = repeat.signal};
    repeat_close(&repeat);
    return result;
}
