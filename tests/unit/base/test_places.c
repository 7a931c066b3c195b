/* SPDX-License-Identifier: MIT */
/* Places are exact, over processes, generations and deaths. */
#include "base/places.h"
#include "base/tally.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN = 4, THREADS = 3, SERVICES = 2 };

static struct scoreboard *scoreboard;
static struct board *board;

static void set_up(void)
{
    static const char *const names[] = {"first", "second"};
    scoreboard = scoreboard_new(16, NULL);
    cr_assert_not_null(scoreboard);
    board =
        board_new(scoreboard, &(struct board_plan){1, CHILDREN, THREADS, SERVICES, 1, names}, NULL);
    cr_assert_not_null(board);
    cr_assert_eq(board->ids[0], 0);
    cr_assert_eq(board->ids[1], 1);
}

static void tear_down(void)
{
    board_free(board);
    scoreboard_free(scoreboard);
}

/* As an acceptor does; limits: of the service and of the daemon. */
static enum places take(const struct board *of, unsigned child, unsigned id,
                        struct place_limits limits)
{
    places_lock(scoreboard);
    enum places places = places_look(scoreboard, id, &limits);
    if (places == PLACES_FREE)
        places_add(of, child, id, limits.before_service > 0);
    places_unlock(scoreboard);
    return places;
}

static enum places look(unsigned id, uint32_t service, uint32_t daemon)
{
    return places_look(scoreboard, id, &(struct place_limits){service, daemon, 0, 0});
}

TestSuite(places, .init = set_up, .fini = tear_down, .timeout = 60);

Test(places, limits_of_a_service_and_of_the_daemon)
{
    cr_assert_eq(take(board, 0, 0, (struct place_limits){2, 3, 0, 0}), PLACES_FREE);
    cr_assert_eq(take(board, 1, 0, (struct place_limits){2, 3, 0, 0}), PLACES_FREE);
    cr_assert_eq(take(board, 2, 0, (struct place_limits){2, 3, 0, 0}), PLACES_NONE_IN_SERVICE);
    cr_assert_eq(take(board, 2, 1, (struct place_limits){0, 3, 0, 0}), PLACES_FREE);
    cr_assert_eq(take(board, 3, 1, (struct place_limits){0, 3, 0, 0}), PLACES_NONE_IN_DAEMON);
    cr_assert_eq(look(1, 0, 3), PLACES_NONE_IN_DAEMON);
    cr_assert_eq(look(1, 0, 0), PLACES_FREE, "0 is no limit");
    cr_assert_eq(places_held(scoreboard, 0), 2);
    cr_assert_eq(places_held(scoreboard, 1), 1);
    cr_assert_eq(places_held_by_all(scoreboard), 3);
    places_give(board, 1, 0);
    cr_assert_eq(look(0, 2, 3), PLACES_FREE);
    cr_assert_eq(take(board, 3, 0, (struct place_limits){2, 3, 0, 0}), PLACES_FREE);
}

Test(places, the_machines_limit_holds_whatever_the_others_say)
{
    struct place_limits limits = {.machine = 2};
    cr_assert_eq(take(board, 0, 0, limits), PLACES_FREE);
    cr_assert_eq(take(board, 1, 1, limits), PLACES_FREE);
    cr_assert_eq(take(board, 2, 1, limits), PLACES_NONE_ON_MACHINE);
    limits.daemon = 2;
    cr_assert_eq(take(board, 2, 1, limits), PLACES_NONE_IN_DAEMON, "the nearer one is told of");
}

Test(places, handshakes_are_of_all_services_and_children)
{
    struct place_limits limits = {.before_service = 2};
    cr_assert_eq(take(board, 0, 0, limits), PLACES_FREE);
    cr_assert_eq(take(board, 1, 1, limits), PLACES_FREE);
    cr_assert_eq(take(board, 2, 1, limits), PLACES_NONE_BEFORE_SERVICE);
    cr_assert_eq(look(1, 0, 0), PLACES_FREE, "without a handshake");
    places_reach_service(board, 0);
    cr_assert_eq(places_held_before_service(scoreboard), 1);
    cr_assert_eq(places_held_by_all(scoreboard), 2, "its place is still held");
    cr_assert_eq(take(board, 2, 1, limits), PLACES_FREE);
    places_clear_child(board, 1);
    places_clear_child(board, 2);
    cr_assert_eq(places_held_before_service(scoreboard), 0);
}

Test(places, one_that_is_not_settled_counts_in_its_columns)
{
    places_add(board, 0, 0, true);
    places_settle(board, 0);
    places_add(board, 1, 1, true);
    cr_assert_eq(places_held(scoreboard, 1), 1);
    cr_assert_eq(places_settled(scoreboard, 0), 1);
    cr_assert_eq(places_settled(scoreboard, 1), 0);
    cr_assert_eq(places_settled(scoreboard, SCOREBOARD_ALL), 1);
    cr_assert_eq(places_settled(scoreboard, SCOREBOARD_BEFORE_SERVICE), 1);
    places_settle(board, 1);
    places_add(board, 2, 1, false);
    cr_assert_eq(places_settled(scoreboard, 1), 1);
    cr_assert_eq(places_settled(scoreboard, SCOREBOARD_BEFORE_SERVICE), 2);
    places_give(board, 2, 1);
    cr_assert_eq(places_settled(scoreboard, 1), 0, "in doubt, less");
    places_give(board, 1, 1);
    cr_assert_eq(places_settled(scoreboard, 1), 0, "and never below 0");
    places_clear_child(board, 2);
    cr_assert_eq(places_settled(scoreboard, SCOREBOARD_ALL), 1);
}

Test(places, a_refused_place_is_not_held)
{
    for (int i = 0; i < 10; i++)
        take(board, 0, 0, (struct place_limits){1, 0, 0, 0});
    cr_assert_eq(places_held_by_all(scoreboard), 1);
}

/* A second generation has other services, and one of the same name. */
static struct board *second_generation(void)
{
    static const char *const names[] = {"third", "second"};
    struct board *second =
        board_new(scoreboard, &(struct board_plan){2, 2, 1, SERVICES, 1, names}, NULL);
    cr_assert_not_null(second);
    return second;
}

Test(places, hold_over_generations_by_the_name_of_the_service)
{
    struct board *second = second_generation();
    cr_assert_eq(second->ids[1], board->ids[1]);
    cr_assert_neq(second->ids[0], board->ids[0]);
    cr_assert_eq(take(board, 3, 1, (struct place_limits){2, 0, 0, 0}), PLACES_FREE);
    cr_assert_eq(take(second, 0, 1, (struct place_limits){2, 0, 0, 0}), PLACES_FREE);
    cr_assert_eq(take(second, 1, 1, (struct place_limits){2, 0, 0, 0}), PLACES_NONE_IN_SERVICE);
    cr_assert_eq(take(second, 1, second->ids[0], (struct place_limits){2, 2, 0, 0}),
                 PLACES_NONE_IN_DAEMON);
    places_give(board, 3, 1);
    cr_assert_eq(take(second, 1, 1, (struct place_limits){2, 0, 0, 0}), PLACES_FREE);
    cr_assert_eq(places_held_by_child(second, 1), 1);
    cr_assert_eq(places_held_by_child(board, 3), 0);
    places_clear_child(second, 0);
    places_clear_child(second, 1);
    cr_assert_eq(places_held_by_all(scoreboard), 0);
    board_free(second);
}

Test(places, what_a_dead_child_held_is_counted_as_lost)
{
    struct counters sum;
    take(board, 1, 1, (struct place_limits){0, 0, 0, 0});
    take(board, 1, 1, (struct place_limits){0, 0, 0, 0});
    cr_assert_eq(places_clear_child(board, 1), 2);
    tally_service(scoreboard, 1, &sum);
    cr_assert_eq(sum.lost, 2);
    tally_service(scoreboard, 0, &sum);
    cr_assert_eq(sum.lost, 0);
}

Test(places, what_a_dead_child_held_is_free)
{
    take(board, 1, 0, (struct place_limits){0, 0, 0, 0});
    take(board, 1, 1, (struct place_limits){0, 0, 0, 0});
    take(board, 2, 1, (struct place_limits){0, 0, 0, 0});
    places_clear_child(board, 1);
    cr_assert_eq(places_held(scoreboard, 0), 0);
    cr_assert_eq(places_held(scoreboard, 1), 1);
    cr_assert_eq(places_held_by_all(scoreboard), 1);
}

static bool was_told(void)
{
    struct pollfd room = {.fd = scoreboard->room, .events = POLLIN};
    eventfd_t count;
    return poll(&room, 1, 0) == 1 && eventfd_read(scoreboard->room, &count) == 0;
}

Test(places, room_is_told_once_and_only_to_who_waits)
{
    take(board, 0, 0, (struct place_limits){0, 0, 0, 0});
    take(board, 0, 0, (struct place_limits){0, 0, 0, 0});
    take(board, 0, 0, (struct place_limits){0, 0, 0, 0});
    places_give(board, 0, 0);
    cr_assert_not(was_told(), "nobody waits");
    places_wait_for_room(scoreboard);
    places_give(board, 0, 0);
    cr_assert(was_told());
    places_give(board, 0, 0);
    cr_assert_not(was_told(), "told already");
    places_wait_for_room(scoreboard);
    places_tell_room(scoreboard);
    cr_assert(was_told());
    places_wait_for_room(scoreboard);
    places_reach_service(board, 0);
    cr_assert(was_told());
    places_wait_for_room(scoreboard);
    places_settle(board, 0);
    cr_assert(was_told());
    places_wait_for_room(scoreboard);
    places_clear_child(board, 0);
    cr_assert(was_told());
}

/* Takes and gives places as fast as it can; leaves with 1 when it sees one too many. */
static _Noreturn void compete(unsigned child, uint32_t limit)
{
    for (int i = 0; i < 20000; i++) {
        if (take(board, child, 0, (struct place_limits){0, limit, 0, 0}) != PLACES_FREE)
            continue;
        if (places_held_by_all(scoreboard) > limit)
            _exit(1);
        counter_add(&board_thread(board, child, 0)->services[0].accepted, 1);
        places_give(board, child, 0);
    }
    _exit(0);
}

static int status_of(pid_t pid)
{
    int status = -1;
    waitpid(pid, &status, 0);
    return status;
}

Test(places, never_one_too_many)
{
    pid_t pids[CHILDREN];
    for (unsigned child = 0; child < CHILDREN; child++)
        if ((pids[child] = fork()) == 0)
            compete(child, 2);
    for (unsigned child = 0; child < CHILDREN; child++)
        cr_assert_eq(status_of(pids[child]), 0);
    struct counters sum;
    tally_service(scoreboard, 0, &sum);
    cr_assert_gt(sum.accepted, 0);
    cr_assert_eq(places_held_by_all(scoreboard), 0);
}

Test(places, a_child_killed_with_the_lock_in_hand)
{
    int ready[2];
    char byte;
    cr_assert_eq(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        pthread_mutex_lock(&scoreboard->head->lock);
        if (write(ready[1], "", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    cr_assert_eq(read(ready[0], &byte, 1), 1);
    kill(pid, SIGKILL);
    status_of(pid);
    for (int i = 0; i < 2; i++) /* the first sees that the owner died, the second nothing of it */
        cr_assert_eq(take(board, 0, 0, (struct place_limits){0, 0, 0, 0}), PLACES_FREE);
    cr_assert_eq(places_held_by_all(scoreboard), 2);
}
