/* SPDX-License-Identifier: MIT */
/* Counters add up and places are exact, over processes and over deaths. */
#include "base/scoreboard.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN = 4, THREADS = 3, SERVICES = 2 };

static struct scoreboard *board;

static void set_up(void)
{
    board = scoreboard_new(CHILDREN, THREADS, SERVICES, NULL);
    cr_assert_not_null(board);
}

static void tear_down(void)
{
    scoreboard_free(board);
}

TestSuite(scoreboard, .init = set_up, .fini = tear_down, .timeout = 60);

Test(scoreboard, slots_add_up)
{
    uint64_t accepted = 0;
    for (unsigned child = 0; child < CHILDREN; child++)
        for (unsigned thread = 0; thread <= THREADS; thread++) {
            struct counters *slot = scoreboard_slot(board, child, thread);
            cr_assert_eq((uintptr_t)slot % 64, 0, "no two threads write to one cache line");
            counter_add(&slot[1].accepted, 1 + child * 10 + thread);
            counter_add(&slot[1].closed[CLOSE_REASON_COUNT - 1], 2);
            counter_add(&slot[0].sent, 1);
            accepted += 1 + child * 10 + thread;
        }
    struct counters sum;
    scoreboard_sum(board, 1, &sum);
    cr_assert_eq(sum.accepted, accepted);
    cr_assert_eq(sum.closed[CLOSE_REASON_COUNT - 1], 2 * CHILDREN * (THREADS + 1));
    cr_assert_eq(sum.sent, 0);
    scoreboard_sum(board, 0, &sum);
    cr_assert_eq(sum.sent, CHILDREN * (THREADS + 1));
    cr_assert_eq(sum.accepted, 0);
}

Test(scoreboard, limits_of_a_service_and_of_the_daemon)
{
    cr_assert_eq(scoreboard_take_place(board, 0, 0, 2, 3), PLACES_TAKEN);
    cr_assert_eq(scoreboard_take_place(board, 1, 0, 2, 3), PLACES_TAKEN);
    cr_assert_eq(scoreboard_take_place(board, 2, 0, 2, 3), PLACES_NONE_IN_SERVICE);
    cr_assert_eq(scoreboard_take_place(board, 2, 1, 0, 3), PLACES_TAKEN);
    cr_assert_eq(scoreboard_take_place(board, 3, 1, 0, 3), PLACES_NONE_IN_DAEMON);
    cr_assert_eq(scoreboard_look_for_place(board, 1, 0, 3), PLACES_NONE_IN_DAEMON);
    cr_assert_eq(scoreboard_look_for_place(board, 1, 0, 0), PLACES_TAKEN, "0 is no limit");
    cr_assert_eq(scoreboard_held(board, 0), 2);
    cr_assert_eq(scoreboard_held(board, 1), 1);
    cr_assert_eq(scoreboard_held_by_all(board), 3);
    scoreboard_give_place(board, 1, 0);
    cr_assert_eq(scoreboard_look_for_place(board, 0, 2, 3), PLACES_TAKEN);
    cr_assert_eq(scoreboard_take_place(board, 3, 0, 2, 3), PLACES_TAKEN);
}

Test(scoreboard, a_refused_place_is_not_held)
{
    for (int i = 0; i < 10; i++)
        scoreboard_take_place(board, 0, 0, 1, 0);
    cr_assert_eq(scoreboard_held_by_all(board), 1);
}

Test(scoreboard, what_a_dead_child_held_is_free)
{
    scoreboard_take_place(board, 1, 0, 0, 0);
    scoreboard_take_place(board, 1, 1, 0, 0);
    scoreboard_take_place(board, 2, 1, 0, 0);
    scoreboard_clear_child(board, 1);
    cr_assert_eq(scoreboard_held(board, 0), 0);
    cr_assert_eq(scoreboard_held(board, 1), 1);
    cr_assert_eq(scoreboard_held_by_all(board), 1);
}

static bool was_told(void)
{
    struct pollfd room = {.fd = board->room, .events = POLLIN};
    eventfd_t count;
    return poll(&room, 1, 0) == 1 && eventfd_read(board->room, &count) == 0;
}

Test(scoreboard, room_is_told_once_and_only_to_who_waits)
{
    scoreboard_take_place(board, 0, 0, 0, 0);
    scoreboard_take_place(board, 0, 0, 0, 0);
    scoreboard_take_place(board, 0, 0, 0, 0);
    scoreboard_give_place(board, 0, 0);
    cr_assert_not(was_told(), "nobody waits");
    scoreboard_wait_for_room(board);
    scoreboard_give_place(board, 0, 0);
    cr_assert(was_told());
    scoreboard_give_place(board, 0, 0);
    cr_assert_not(was_told(), "told already");
    scoreboard_wait_for_room(board);
    scoreboard_tell_room(board);
    cr_assert(was_told());
    scoreboard_wait_for_room(board);
    scoreboard_clear_child(board, 0);
    cr_assert(was_told());
}

/* Takes and gives places as fast as it can; leaves with 1 when it sees one too many. */
static _Noreturn void compete(unsigned child, uint32_t limit)
{
    for (int i = 0; i < 20000; i++) {
        if (scoreboard_take_place(board, child, 0, 0, limit) != PLACES_TAKEN)
            continue;
        if (scoreboard_held_by_all(board) > limit)
            _exit(1);
        counter_add(&scoreboard_slot(board, child, 0)[0].accepted, 1);
        scoreboard_give_place(board, child, 0);
    }
    _exit(0);
}

static int status_of(pid_t pid)
{
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}

Test(scoreboard, never_one_too_many)
{
    pid_t pids[CHILDREN];
    for (unsigned child = 0; child < CHILDREN; child++)
        if ((pids[child] = fork()) == 0)
            compete(child, 2);
    for (unsigned child = 0; child < CHILDREN; child++)
        cr_assert_eq(status_of(pids[child]), 0);
    struct counters sum;
    scoreboard_sum(board, 0, &sum);
    cr_assert_gt(sum.accepted, 0);
    cr_assert_eq(scoreboard_held_by_all(board), 0);
}

Test(scoreboard, a_child_killed_with_the_lock_in_hand)
{
    int ready[2];
    char byte;
    cr_assert_eq(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        pthread_mutex_lock(&board->lock);
        if (write(ready[1], "", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    kill(pid, SIGKILL);
    status_of(pid);
    for (int i = 0; i < 2; i++) /* the first sees that the owner died, the second nothing of it */
        cr_assert_eq(scoreboard_take_place(board, 0, 0, 0, 0), PLACES_TAKEN);
    cr_assert_eq(scoreboard_held_by_all(board), 2);
}
