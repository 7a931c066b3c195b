/* SPDX-License-Identifier: MIT */
/* The event loop: watches, strangers, wake-ups, and what a callback may do to others. */
#include "io/loop.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

static struct loop loop;

/* One end of a socket pair that the loop watches. */
struct end {
    struct watch watch;
    int other;
    unsigned called;
    uint32_t events;
};

static struct end ends[3];
static unsigned turns;

static void stop_after_turn(struct loop *turning)
{
    turns++;
    turning->stop = true;
}

static void set_up(void)
{
    cr_assert_eq(loop_init(&loop, NULL), 0);
    loop.turn_end = stop_after_turn;
}

static void tear_down(void)
{
    loop_fini(&loop);
}

TestSuite(loop, .init = set_up, .fini = tear_down, .timeout = 30);

static void turn(void)
{
    loop.stop = false;
    loop_run(&loop);
}

static void note(struct watch *watch, uint32_t events)
{
    struct end *end = (struct end *)watch;
    end->called++;
    end->events = events;
}

static struct end *open_end(unsigned i, uint32_t events)
{
    int fds[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ends[i] = (struct end){.watch = {note, fds[0], events}, .other = fds[1]};
    return &ends[i];
}

static void say(const struct end *end)
{
    cr_assert_eq(write(end->other, "x", 1), 1);
}

Test(loop, a_watch_gets_its_events)
{
    struct end *end = open_end(0, EPOLLIN);
    cr_assert_eq(loop_add(&loop, &end->watch), 0);
    say(end);
    turn();
    cr_assert(end->called == 1 && end->events == EPOLLIN);
    turn();
    cr_assert_eq(end->called, 2, "level-triggered: nothing was read");
    close(end->other);
    turn();
    cr_assert(end->events & EPOLLHUP);
}

Test(loop, other_events)
{
    struct end *end = open_end(0, EPOLLIN);
    loop_add(&loop, &end->watch);
    say(end);
    loop_change(&loop, &end->watch, EPOLLOUT);
    turn();
    cr_assert_eq(end->events, EPOLLOUT);
    loop_change(&loop, &end->watch, EPOLLOUT | EPOLLIN);
    turn();
    cr_assert_eq(end->events, EPOLLOUT | EPOLLIN);
}

Test(loop, a_removed_watch_hears_nothing)
{
    struct end *end = open_end(0, EPOLLIN), *other = open_end(1, EPOLLIN);
    loop_add(&loop, &end->watch);
    loop_add(&loop, &other->watch);
    loop_remove(&loop, &end->watch);
    say(end);
    say(other);
    turn();
    cr_assert(end->called == 0 && other->called == 1);
    cr_assert_eq(loop_add(&loop, &end->watch), 0, "it may come back");
    turn();
    cr_assert_eq(end->called, 1);
}

static void forget_the_others(struct watch *watch, uint32_t events)
{
    note(watch, events);
    for (unsigned i = 0; i < 3; i++)
        if (&ends[i].watch != watch)
            loop_forget(&loop, &ends[i].watch);
}

Test(loop, no_callback_after_forget_in_the_same_turn)
{
    for (unsigned i = 0; i < 3; i++) {
        struct end *end = open_end(i, EPOLLIN);
        end->watch.ready = forget_the_others;
        loop_add(&loop, &end->watch);
        say(end);
    }
    turn();
    cr_assert_eq(ends[0].called + ends[1].called + ends[2].called, 1);
}

Test(loop, a_descriptor_that_cannot_be_watched)
{
    struct end end = {.watch = {note, open("/dev/null", O_RDONLY), EPOLLIN}};
    cr_assert_eq(loop_add(&loop, &end.watch), -1);
    cr_assert_eq(errno, EPERM);
    end.watch.fd = 12345;
    cr_assert_eq(loop_add(&loop, &end.watch), -1);
    cr_assert_eq(errno, EBADF);
}

Test(loop, a_high_descriptor_makes_the_table_grow)
{
    struct end *end = open_end(0, EPOLLIN);
    int high = fcntl(end->watch.fd, F_DUPFD, 900);
    cr_assert_geq(high, 900);
    struct end copy = {.watch = {note, high, EPOLLIN}};
    cr_assert_eq(loop_add(&loop, &end->watch), 0);
    cr_assert_eq(loop_add(&loop, &copy.watch), 0);
    say(end);
    turn();
    cr_assert(end->called == 1 && copy.called == 1);
}

static int stranger_fd = -1;

static void adopt(struct loop *strange_loop, int fd)
{
    stranger_fd = fd;
    cr_assert_eq(loop_adopt(strange_loop, &ends[0].watch), 0);
}

static void ignore(struct loop *strange_loop, int fd)
{
    (void)strange_loop;
    stranger_fd = fd;
}

Test(loop, the_first_event_of_a_stranger_reaches_who_adopts_it)
{
    struct end *end = open_end(0, EPOLLIN | EPOLLOUT);
    loop.stranger = adopt;
    cr_assert_eq(loop_offer(&loop, end->watch.fd, EPOLLIN | EPOLLOUT), 0);
    turn();
    cr_assert_eq(stranger_fd, end->watch.fd);
    cr_assert(end->called == 1 && end->events == EPOLLOUT);
    stranger_fd = -1;
    turn();
    cr_assert(end->called == 2 && stranger_fd == -1);
}

Test(loop, a_stranger_that_nobody_knows_does_no_harm)
{
    struct end *end = open_end(0, EPOLLIN);
    loop_offer(&loop, end->watch.fd, EPOLLOUT);
    turn();
    loop.stranger = ignore;
    turn();
    cr_assert(stranger_fd == end->watch.fd && end->called == 0);
}

static unsigned woken_count;

static void woken(struct loop *woken_loop)
{
    (void)woken_loop;
    woken_count++;
}

Test(loop, wake_ups_become_one)
{
    loop.woken = woken;
    for (int i = 0; i < 100; i++)
        loop_wake(&loop);
    turn();
    cr_assert_eq(woken_count, 1);
    loop_wake(&loop);
    turn();
    cr_assert_eq(woken_count, 2, "the next one is not lost");
}

static void *wake_from_afar(void *unused)
{
    (void)unused;
    loop_wake(&loop);
    return NULL;
}

Test(loop, another_thread_wakes_it)
{
    pthread_t thread;
    loop.woken = woken;
    pthread_create(&thread, NULL, wake_from_afar, NULL);
    turn();
    pthread_join(thread, NULL);
    cr_assert_eq(woken_count, 1);
}

static uint64_t expired_at;

static void expired(struct timer *timer, uint64_t now)
{
    (void)timer;
    expired_at = now;
}

Test(loop, timers_come_in_time_and_cost_few_turns)
{
    struct timer timer = {0};
    uint64_t begun = loop.now;
    timer_start(&timer, timers_fifo(&loop.timers, 100 * CLOCK_MS, expired), begun);
    while (!expired_at)
        turn();
    cr_assert_geq(expired_at, begun + 100 * CLOCK_MS);
    cr_assert_leq(turns, 4, "it slept until then");
}

Test(loop, now_is_the_moment_of_the_turn)
{
    struct end *end = open_end(0, EPOLLOUT);
    loop_add(&loop, &end->watch);
    uint64_t before = clock_now();
    turn();
    cr_assert_geq(loop.now, before);
    cr_assert_leq(loop.now, clock_now());
}
