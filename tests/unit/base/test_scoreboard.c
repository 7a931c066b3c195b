/* SPDX-License-Identifier: MIT */
/* Counters add up over threads, children and generations, and never go back. */
#include "base/tally.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CHILDREN = 4, THREADS = 3, SERVICES = 2 };

static struct scoreboard *scoreboard;

static void set_up(void)
{
    scoreboard = scoreboard_new(CHILDREN * SCOREBOARD_BOARDS, NULL);
    cr_assert_not_null(scoreboard);
}

static void tear_down(void)
{
    scoreboard_free(scoreboard);
}

TestSuite(scoreboard, .init = set_up, .fini = tear_down, .timeout = 60);

static struct board *make_board(uint32_t generation, const char *first, const char *second)
{
    const char *const names[] = {first, second};
    struct board_plan plan = {generation, CHILDREN, THREADS, SERVICES, 2, names};
    return board_new(scoreboard, &plan, NULL);
}

static uint64_t accepted(const char *name)
{
    struct counters sum;
    int id = tally_find(scoreboard, name);
    cr_assert_geq(id, 0);
    tally_service(scoreboard, (unsigned)id, &sum);
    return sum.accepted;
}

Test(scoreboard, slots_add_up)
{
    struct board *board = make_board(1, "echo", "greet");
    uint64_t expected = 0;
    for (unsigned child = 0; child < CHILDREN; child++)
        for (unsigned thread = 0; thread <= THREADS; thread++) {
            struct thread_slot *slot = board_thread(board, child, thread);
            cr_assert_eq((uintptr_t)slot % 64, 0, "no two threads write to one cache line");
            counter_add(&slot->services[1].accepted, 1 + child * 10 + thread);
            counter_add(&slot->services[1].closed[CLOSE_REASON_COUNT - 1], 2);
            counter_add(&slot->services[0].sent, 1);
            expected += 1 + child * 10 + thread;
        }
    struct counters sum;
    tally_service(scoreboard, board->ids[1], &sum);
    cr_assert_eq(sum.accepted, expected);
    cr_assert_eq(sum.closed[CLOSE_REASON_COUNT - 1], 2 * CHILDREN * (THREADS + 1));
    cr_assert_eq(sum.sent, 0);
    tally_service(scoreboard, board->ids[0], &sum);
    cr_assert_eq(sum.sent, CHILDREN * (THREADS + 1));
    cr_assert_eq(sum.accepted, 0);
    board_free(board);
}

Test(scoreboard, generations_add_up_by_name_and_the_ended_ones_too)
{
    struct board *first = make_board(1, "echo", "greet"), *second = make_board(2, "greet", "time");
    board_thread(first, 0, 0)->services[1].accepted = 5;
    board_thread(second, 3, THREADS)->services[0].accepted = 7;
    board_thread(second, 3, 1)->services[1].accepted = 100;
    cr_assert_eq(accepted("greet"), 12);
    cr_assert_eq(accepted("echo"), 0);
    board_fold(first);
    cr_assert_eq(accepted("greet"), 12);
    struct board *third = make_board(3, "echo", "greet");
    cr_assert_eq(board_thread(third, 0, 0)->services[1].accepted, 0, "memory is used again, empty");
    board_thread(third, 0, 0)->services[1].accepted = 1;
    cr_assert_eq(accepted("greet"), 13);
    board_fold(second);
    board_fold(third);
    cr_assert_eq(accepted("greet"), 13);
    cr_assert_eq(accepted("time"), 100);
    cr_assert_eq(tally_find(scoreboard, "daytime"), -1);
}

Test(scoreboard, threads_and_lines_add_up)
{
    struct board *board = make_board(1, "echo", "greet");
    struct tally sum;
    board_thread(board, 1, 1)->queue_length = 3;
    board_thread(board, 2, 0)->queue_length = 4;
    histogram_add(&board_thread(board, 1, 1)->wait, histogram_waits, 15000);
    histogram_add(&board_thread(board, 2, 1)->wait, histogram_waits, UINT64_MAX / 2);
    board->children[2].log_dropped = 9;
    for (int folded = 0; folded < 2; folded++) {
        tally_daemon(scoreboard, &sum);
        cr_assert_eq(sum.queue_length, folded ? 0 : 7);
        cr_assert_eq(sum.wait.bucket[1], 1);
        cr_assert_eq(sum.wait.bucket[8], 1, "above the last bound");
        cr_assert_eq(histogram_count(&sum.wait), 2);
        cr_assert_eq(sum.wait.sum, 15000 + UINT64_MAX / 2);
        cr_assert_eq(sum.log_dropped, 9);
        if (!folded)
            board_fold(board);
    }
}

Test(scoreboard, a_value_on_a_bound_is_not_above_it)
{
    struct histogram histogram = {{0}, 0};
    for (unsigned i = 0; histogram_durations[i] != UINT64_MAX; i++) {
        histogram_add(&histogram, histogram_durations, histogram_durations[i]);
        cr_assert_eq(histogram.bucket[i], 1);
        histogram_add(&histogram, histogram_durations, histogram_durations[i] + 1);
        cr_assert_eq(histogram.bucket[i + 1], 1);
        histogram.bucket[i + 1] = 0;
    }
}

Test(scoreboard, is_found_again_by_its_descriptors)
{
    struct board *board = make_board(7, "echo", "greet");
    struct error error = {0};
    board_thread(board, 3, 2)->services[0].accepted = 77;
    int memory = fcntl(scoreboard->memory, F_DUPFD_CLOEXEC, 0);
    int room = fcntl(scoreboard->room, F_DUPFD_CLOEXEC, 0);
    struct scoreboard *again = scoreboard_adopt(memory, room, &error);
    cr_assert_not_null(again, "%s", error.text);
    struct board *same = board_find(again, 7);
    cr_assert_not_null(same);
    cr_assert_eq(board_thread(same, 3, 2)->services[0].accepted, 77);
    cr_assert_eq(same->ids[1], board->ids[1]);
    cr_assert_eq(board_row(same, 3), board_row(board, 3));
    cr_assert_null(board_find(again, 8));
    again->head->layout++;
    int other_memory = fcntl(memory, F_DUPFD_CLOEXEC, 0);
    cr_assert_null(scoreboard_adopt(other_memory, room, &error));
    close(other_memory);
    board_free(same);
    scoreboard_free(again);
    board_free(board);
}

Test(scoreboard, rows_and_boards_are_bounded_and_come_back)
{
    struct board *boards[SCOREBOARD_BOARDS + 1];
    unsigned count = 0;
    while (count <= SCOREBOARD_BOARDS && (boards[count] = make_board(count + 1, "echo", "greet")))
        count++;
    cr_assert_eq(count, SCOREBOARD_BOARDS);
    for (unsigned i = 0; i < count; i++)
        for (unsigned j = 0; j < i; j++)
            cr_assert_geq(abs((int)board_row(boards[i], 0) - (int)board_row(boards[j], 0)),
                          CHILDREN);
    cr_assert_eq(scoreboard->head->rows, CHILDREN * SCOREBOARD_BOARDS);
    while (count-- > 1)
        board_fold(boards[count]);
    cr_assert_eq(scoreboard->head->rows, CHILDREN);
    board_fold(boards[0]);
    cr_assert_eq(scoreboard->head->rows, 0);
    struct board_plan large = {1, SCOREBOARD_ROWS + 1, 1, 0, 0, NULL};
    cr_assert_null(board_new(scoreboard, &large, NULL));
    large = (struct board_plan){1, 64, 4000, 1024, 0, NULL};
    cr_assert_null(board_new(scoreboard, &large, NULL), "more than there is memory for");
    cr_assert_eq(scoreboard->head->rows, 0);
}

/* Names are for ever, until there are too many: then those go that no generation has. */
Test(scoreboard, names_of_services_that_have_gone_make_room)
{
    char first[32], second[32];
    struct board *kept = make_board(1, "kept", "kept-too");
    board_thread(kept, 0, 0)->services[0].accepted = 3;
    for (uint32_t i = 0; i < SCOREBOARD_SERVICES; i++) {
        snprintf(first, sizeof first, "a%u", i);
        snprintf(second, sizeof second, "b%u", i);
        struct board *board = make_board(2, first, second);
        cr_assert_not_null(board);
        board_thread(board, 0, 0)->services[1].accepted = 5;
        cr_assert_eq(accepted(second), 5, "it begins with nothing");
        board_fold(board);
    }
    cr_assert_eq(accepted("kept"), 3);
    board_free(kept);
}

/* A reader sees no sum go back while generations come and go. */

static bool stop;

static void *reload(void *unused)
{
    struct board *old = make_board(1, "echo", "greet");
    for (uint32_t i = 2; i < 3000; i++) {
        struct board *next = make_board(i, "greet", "echo");
        counter_add(&board_thread(next, 0, 0)->services[1].accepted, 1);
        board_fold(old);
        old = next;
    }
    board_free(old);
    __atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
    return unused;
}

Test(scoreboard, sums_never_go_back)
{
    pthread_t master;
    struct board *board = make_board(5000, "echo", "greet");
    uint64_t last = 0, looks = 0;
    cr_assert_eq(pthread_create(&master, NULL, reload, NULL), 0);
    while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
        uint64_t now = accepted("echo");
        cr_assert_geq(now, last);
        last = now;
        looks++;
    }
    pthread_join(master, NULL);
    cr_assert_eq(accepted("echo"), 2998);
    cr_assert_gt(looks, 10);
    board_free(board);
}
