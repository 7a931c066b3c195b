/* SPDX-License-Identifier: MIT */
/* Time-outs: never early, at most a 64th late, and what a callback may do meanwhile. */
#include "io/timer.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define MS UINT64_C(1000000)

struct owner {
    struct timer timer;
    uint64_t touched, expired_at;
    unsigned count;
};

static struct timers timers;

static void set_up(void)
{
    timers_init(&timers);
}

static void tear_down(void)
{
    timers_fini(&timers);
}

TestSuite(timer, .init = set_up, .fini = tear_down);

static void note(struct timer *timer, uint64_t now)
{
    struct owner *owner = (struct owner *)timer;
    owner->expired_at = now;
    owner->count++;
}

static void other_note(struct timer *timer, uint64_t now)
{
    note(timer, now);
}

Test(timer, fifos_are_shared_by_duration_and_callback)
{
    struct fifo *fifo = timers_fifo(&timers, 5 * MS, note);
    cr_assert_eq(timers_fifo(&timers, 5 * MS, note), fifo);
    cr_assert_neq(timers_fifo(&timers, 6 * MS, note), fifo);
    cr_assert_neq(timers_fifo(&timers, 5 * MS, other_note), fifo);
    cr_assert_eq(timers.next, TIMER_NEVER, "nothing runs");
}

/* The loop runs the timers when timers.next has come: each call is at that moment. */
static void run_until_none(void)
{
    for (int i = 0; timers.next != TIMER_NEVER; i++) {
        cr_assert_lt(i, 100000);
        timers_run(&timers, timers.next);
    }
}

static unsigned expired_count;

static void count_one(struct timer *timer, uint64_t now)
{
    (void)timer;
    (void)now;
    expired_count++;
}

/* Who is due together does not all come in one turn, and the loop does not wait between them. */
Test(timer, a_burst_is_bounded)
{
    enum { COUNT = 3 * TIMER_BURST + 1 };
    static struct timer many[COUNT];
    struct fifo *fifo = timers_fifo(&timers, 5 * MS, count_one);
    for (unsigned i = 0; i < COUNT; i++)
        timer_start(&many[i], fifo, 0);
    for (unsigned turn = 1; turn <= 3; turn++) {
        timers_run(&timers, 7 * MS);
        cr_assert_eq(expired_count, turn * TIMER_BURST);
        cr_assert_leq(timers.next, 7 * MS);
    }
    timers_run(&timers, 7 * MS);
    cr_assert_eq(expired_count, COUNT);
    cr_assert_eq(timers.next, TIMER_NEVER);
}

Test(timer, comes_once_and_in_time)
{
    struct owner owner = {0};
    timer_start(&owner.timer, timers_fifo(&timers, 640 * MS, note), 1000 * MS);
    timers_run(&timers, 1639 * MS);
    cr_assert_eq(owner.count, 0);
    run_until_none();
    cr_assert_eq(owner.count, 1);
    cr_assert_geq(owner.expired_at, 1640 * MS);
    cr_assert_leq(owner.expired_at, 1650 * MS);
    timers_run(&timers, 9999 * MS);
    cr_assert_eq(owner.count, 1);
}

Test(timer, stopped_never_comes)
{
    struct owner owner = {0};
    timer_start(&owner.timer, timers_fifo(&timers, 10 * MS, note), 0);
    timer_stop(&owner.timer);
    timer_stop(&owner.timer);
    timer_touch(&owner.timer, 5 * MS);
    timers_run(&timers, 1000 * MS);
    cr_assert_eq(owner.count, 0);
    timer_start(&owner.timer, NULL, 0);
    timers_run(&timers, 2000 * MS);
    cr_assert_eq(owner.count, 0);
}

Test(timer, started_again_counts_anew)
{
    struct owner owner = {0};
    struct fifo *fast = timers_fifo(&timers, 10 * MS, note);
    struct fifo *slow = timers_fifo(&timers, 100 * MS, note);
    timer_start(&owner.timer, fast, 0);
    timer_start(&owner.timer, slow, 5 * MS);
    timers_run(&timers, 104 * MS);
    cr_assert_eq(owner.count, 0);
    timer_start(&owner.timer, fast, 104 * MS);
    cr_assert_leq(timers.next, 115 * MS, "the shorter one is not overlooked");
    run_until_none();
    cr_assert_eq(owner.count, 1);
    cr_assert_geq(owner.expired_at, 114 * MS);
}

/* Touched at any moments: it expires duration after the last one, at most a 64th later. */
Test(timer, touching_postpones)
{
    srand(1);
    for (int round = 0; round < 200; round++) {
        struct owner owner = {0};
        uint64_t now = (uint64_t)rand();
        timer_start(&owner.timer, timers_fifo(&timers, 6400, note), now);
        owner.touched = now;
        for (int i = 0; i < 50; i++) {
            now += (uint64_t)(rand() % (round + 1));
            timer_touch(&owner.timer, now);
            owner.touched = now;
            timers_run(&timers, now);
        }
        cr_assert_eq(owner.count, 0);
        run_until_none();
        cr_assert_eq(owner.count, 1);
        cr_assert_geq(owner.expired_at, owner.touched + 6400, "early");
        cr_assert_leq(owner.expired_at, owner.touched + 6400 + 100, "late");
    }
}

Test(timer, many_timers_against_a_model)
{
    static struct owner owners[200];
    static const uint64_t durations[] = {640, 6400, 64000};
    uint64_t now = 0;
    srand(2);
    for (int i = 0; i < 20000; i++) {
        struct owner *owner = &owners[rand() % 200];
        now += (uint64_t)(rand() % 10);
        timers_run(&timers, now);
        if (owner->timer.fifo && rand() % 2) {
            timer_touch(&owner->timer, now);
            owner->touched = now;
        } else if (!owner->timer.fifo) {
            timer_start(&owner->timer, timers_fifo(&timers, durations[rand() % 3], note), now);
            owner->touched = now;
        }
        for (int j = 0; j < 200; j++) {
            const struct fifo *fifo = owners[j].timer.fifo;
            cr_assert(!fifo || now < owners[j].touched + fifo->duration + fifo->slack, "forgotten");
        }
    }
}

Test(timer, oldest_first)
{
    struct owner owners[3] = {0};
    struct fifo *fifo = timers_fifo(&timers, 64, note);
    for (uint64_t i = 0; i < 3; i++)
        timer_start(&owners[i].timer, fifo, i * 10);
    timers_run(&timers, 76);
    cr_assert(owners[0].count == 1 && owners[1].count == 1 && owners[2].count == 0);
}

static struct owner victim;
static struct fifo *again;

static void stop_the_other(struct timer *timer, uint64_t now)
{
    note(timer, now);
    timer_stop(&victim.timer);
}

Test(timer, a_callback_may_stop_the_next_one)
{
    struct owner first = {0};
    struct fifo *fifo = timers_fifo(&timers, 64, stop_the_other);
    timer_start(&first.timer, fifo, 0);
    timer_start(&victim.timer, fifo, 0);
    timers_run(&timers, 1000);
    cr_assert_eq(first.count, 1);
    cr_assert_eq(victim.count, 0);
}

static void start_again(struct timer *timer, uint64_t now)
{
    note(timer, now);
    timer_start(timer, again, now);
}

Test(timer, a_callback_may_start_itself_again)
{
    struct owner owner = {0};
    again = timers_fifo(&timers, 64, start_again);
    timer_start(&owner.timer, again, 0);
    for (uint64_t now = 0; now <= 650; now++)
        timers_run(&timers, now);
    cr_assert_eq(owner.count, 10);
}

static void make_a_fifo(struct timer *timer, uint64_t now)
{
    note(timer, now);
    timer_start(&victim.timer, timers_fifo(&timers, 7, note), now);
}

Test(timer, a_callback_may_make_a_fifo)
{
    struct owner owner = {0};
    timer_start(&owner.timer, timers_fifo(&timers, 64, make_a_fifo), 0);
    run_until_none();
    cr_assert_eq(owner.count, 1);
    cr_assert_eq(victim.count, 1);
    cr_assert_geq(victim.expired_at, owner.expired_at + 7);
}

Test(timer, very_long_durations_never_come)
{
    struct owner owner = {0};
    timer_start(&owner.timer, timers_fifo(&timers, UINT64_MAX / 2, note), UINT64_MAX - 5);
    cr_assert_eq(timers.next, TIMER_NEVER);
    timers_run(&timers, UINT64_MAX - 1);
    cr_assert_eq(owner.count, 0);
}
