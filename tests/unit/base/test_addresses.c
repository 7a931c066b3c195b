/* SPDX-License-Identifier: MIT */
/* Limits for each client address are exact, over processes, generations and deaths. */
#include "base/addresses.h"

#include "base/clock.h"
#include "base/places.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILDREN = 4 };

static struct scoreboard *scoreboard;
static struct board *board, *older;

static struct board *make_board(uint32_t generation)
{
    static const char *const names[] = {"echo"};
    struct board_plan plan = {generation, CHILDREN, 1, 1, 1, names};
    struct board *made = board_new(scoreboard, &plan, NULL);
    cr_assert_not_null(made);
    return made;
}

static void set_up(void)
{
    scoreboard = scoreboard_new(2 * CHILDREN, NULL);
    cr_assert_not_null(scoreboard);
    older = make_board(1);
    board = make_board(2);
}

static void tear_down(void)
{
    board_free(board);
    board_free(older);
    scoreboard_free(scoreboard);
}

TestSuite(addresses, .init = set_up, .fini = tear_down, .timeout = 60);

static struct address_key key_of(uint32_t number, uint32_t scope)
{
    struct address_key key;
    uint8_t bytes[16] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                         (uint8_t)number};
    address_key(&key, AF_INET, bytes, 32, scope);
    return key;
}

/* As an acceptor does. */
static bool take_all(const struct board *of, unsigned child, struct address_demand *demands,
                     unsigned count, uint64_t now)
{
    places_lock(scoreboard);
    bool admitted = addresses_judge(scoreboard, demands, count, now);
    if (admitted)
        addresses_add(of, child, demands, count, now);
    places_unlock(scoreboard);
    return admitted;
}

static enum address_verdict take_key(const struct board *of, unsigned child,
                                     const struct address_key *key, struct address_limits limits,
                                     uint64_t now)
{
    struct address_demand demand = {.key = *key, .limits = limits};
    bool taken = take_all(of, child, &demand, 1, now);
    cr_assert_eq(taken, demand.verdict == ADDRESS_ADMITTED);
    return demand.verdict;
}

static enum address_verdict take(unsigned child, uint32_t number, struct address_limits limits,
                                 uint64_t now)
{
    struct address_key key = key_of(number, 1);
    return take_key(board, child, &key, limits, now);
}

static void give(unsigned child, uint32_t number)
{
    struct address_key key = key_of(number, 1);
    addresses_give(board, child, &key);
}

Test(addresses, a_key_is_cut_to_its_prefix)
{
    struct address_key a, b;
    uint8_t one[16] = {0x20, 1, 0x0d, 0xb8, 1, 2, 3, 0xff, 9, 9, 9, 9, 9, 9, 9, 9};
    uint8_t two[16] = {0x20, 1, 0x0d, 0xb8, 1, 2, 3, 0xf0, 1, 2, 3, 4, 5, 6, 7, 8};
    address_key(&a, AF_INET6, one, 60, 1);
    address_key(&b, AF_INET6, two, 60, 1);
    cr_assert_eq(memcmp(&a, &b, sizeof a), 0);
    address_key(&a, AF_INET6, one, 64, 1);
    address_key(&b, AF_INET6, two, 64, 1);
    cr_assert_neq(memcmp(&a, &b, sizeof a), 0);
    address_key(&a, AF_INET6, one, 0, 1);
    address_key(&b, AF_INET6, one, 0, 2);
    cr_assert_neq(memcmp(&a, &b, sizeof a), 0, "another service");
}

Test(addresses, never_one_too_many_over_children_and_generations)
{
    struct address_limits limits = {.connections = 10};
    struct address_key key = key_of(7, 1);
    for (unsigned i = 0; i < 10; i++)
        cr_assert_eq(take_key(i % 2 ? board : older, i % CHILDREN, &key, limits, 1),
                     ADDRESS_ADMITTED);
    cr_assert_eq(take(0, 7, limits, 1), ADDRESS_CONNECTIONS);
    cr_assert_eq(take(0, 8, limits, 1), ADDRESS_ADMITTED, "another address");
    cr_assert_eq(addresses_held(scoreboard, &key), 10);
    give(1, 7);
    cr_assert_eq(take(3, 7, limits, 1), ADDRESS_ADMITTED);
    cr_assert_eq(take(3, 7, limits, 1), ADDRESS_CONNECTIONS);
}

Test(addresses, what_a_dead_child_held_comes_back)
{
    struct address_limits limits = {.connections = 3};
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(take(i, 7, limits, 1), ADDRESS_ADMITTED);
    addresses_clear_child(board, 1);
    cr_assert_eq(take(0, 7, limits, 1), ADDRESS_ADMITTED);
    cr_assert_eq(take(0, 7, limits, 1), ADDRESS_CONNECTIONS);
}

Test(addresses, a_burst_and_then_the_rate)
{
    struct address_limits limits = {.interval = CLOCK_S / 20, .burst = 4};
    uint64_t now = 1000 * CLOCK_S;
    for (int i = 0; i < 4; i++)
        cr_assert_eq(take(0, 7, limits, now), ADDRESS_ADMITTED);
    cr_assert_eq(take(0, 7, limits, now), ADDRESS_RATE);
    cr_assert_eq(take(0, 7, limits, now + CLOCK_S / 20 - 1), ADDRESS_RATE);
    cr_assert_eq(take(1, 7, limits, now + CLOCK_S / 20), ADDRESS_ADMITTED);
    cr_assert_eq(take(0, 7, limits, now + CLOCK_S / 20), ADDRESS_RATE, "refusing takes nothing");
    now += 10 * CLOCK_S;
    for (int i = 0; i < 4; i++)
        cr_assert_eq(take(2, 7, limits, now), ADDRESS_ADMITTED, "no more than the burst is saved");
    cr_assert_eq(take(2, 7, limits, now), ADDRESS_RATE);
}

/* Over a long time as many come as the rate says, however they are spread. */
Test(addresses, the_rate_is_kept_over_time)
{
    struct address_limits limits = {.interval = CLOCK_S / 50, .burst = 10};
    unsigned admitted = 0;
    for (uint64_t now = CLOCK_S; now < 101 * CLOCK_S; now += 3 * CLOCK_MS + now % 977)
        admitted += take(0, 9, limits, now) == ADDRESS_ADMITTED;
    cr_assert_geq(admitted, 4990);
    cr_assert_leq(admitted, 5011);
}

Test(addresses, an_entry_is_gone_when_nothing_is_left_of_it)
{
    struct address_limits limits = {.connections = 5, .interval = CLOCK_S, .burst = 5};
    cr_assert_eq(addresses_count(scoreboard, CLOCK_S), 0);
    cr_assert_eq(take(0, 7, limits, CLOCK_S), ADDRESS_ADMITTED);
    cr_assert_eq(addresses_count(scoreboard, CLOCK_S), 1);
    give(0, 7);
    cr_assert_eq(addresses_count(scoreboard, CLOCK_S), 1, "its rate is not as before");
    cr_assert_eq(addresses_count(scoreboard, 2 * CLOCK_S), 0);
}

Test(addresses, many_addresses_come_and_go)
{
    struct address_limits limits = {.connections = 1};
    for (uint32_t i = 0; i < 100000; i++) {
        cr_assert_eq(take(i % CHILDREN, i, limits, i), ADDRESS_ADMITTED);
        give(i % CHILDREN, i);
    }
    cr_assert_eq(addresses_count(scoreboard, 100000), 0);
    cr_assert_eq(scoreboard->head->daemon.addresses_forgotten, 0, "none that meant anything");
}

/* More than there is room for: those without a connection go first, then nobody is forgotten. */
Test(addresses, a_full_table)
{
    struct address_limits rate = {.interval = 3600 * CLOCK_S, .burst = 2};
    uint32_t all = ADDRESS_SETS * ADDRESS_WAYS;
    for (uint32_t i = 0; i < all; i++) {
        cr_assert_eq(take(0, i, rate, CLOCK_S + i), ADDRESS_ADMITTED);
    }
    cr_assert_gt(scoreboard->head->daemon.addresses_forgotten, 0);
    struct address_limits one = {.connections = 1};
    uint32_t full = 0, admitted = 0;
    for (uint32_t i = all; i < 3 * all; i++) {
        struct address_key key = {.family = AF_INET6, .prefix = 64, .scope = 1};
        memcpy(key.bytes, &i, sizeof i);
        enum address_verdict verdict = take_key(board, 0, &key, one, CLOCK_S);
        admitted += verdict == ADDRESS_ADMITTED;
        full += verdict == ADDRESS_TABLE_FULL;
    }
    cr_assert_gt(full, 0);
    cr_assert_eq(full + admitted, 2 * all);
    cr_assert_leq(admitted, all);
    cr_assert_eq(addresses_count(scoreboard, 8000 * CLOCK_S), admitted, "the rates are forgotten");
}

static uint32_t tokens(uint32_t number, struct address_limits limits, uint64_t now)
{
    struct address_key key = key_of(number, 1);
    return addresses_tokens(scoreboard, &key, &limits, now);
}

Test(addresses, tokens_are_the_connections_that_could_come_now)
{
    struct address_limits limits = {.interval = CLOCK_S, .burst = 5};
    uint64_t now = 1000 * CLOCK_S;
    cr_assert_eq(tokens(7, limits, now), 5);
    for (uint32_t left = 5; left-- > 0;) {
        cr_assert_eq(take(0, 7, limits, now), ADDRESS_ADMITTED);
        cr_assert_eq(tokens(7, limits, now), left);
    }
    cr_assert_eq(tokens(7, limits, now + CLOCK_S - 1), 0);
    cr_assert_eq(tokens(7, limits, now + CLOCK_S), 1);
    cr_assert_eq(tokens(7, limits, now + 3 * CLOCK_S), 3);
    cr_assert_eq(tokens(7, limits, now + 60 * CLOCK_S), 5);
}

/* The memory is the same, byte by byte, however often somebody has asked. */
Test(addresses, judging_changes_nothing)
{
    struct address_limits limits = {.connections = 2, .interval = CLOCK_S, .burst = 2};
    size_t size = scoreboard->head->boards_from;
    cr_assert_eq(take(0, 7, limits, CLOCK_S), ADDRESS_ADMITTED);
    char *before = malloc(size);
    memcpy(before, scoreboard->head, size);
    for (uint32_t number = 0; number < 1000; number++) {
        struct address_demand demand = {.key = key_of(number, 1), .limits = limits};
        cr_assert(addresses_judge(scoreboard, &demand, 1, 2 * CLOCK_S));
        tokens(number, limits, 2 * CLOCK_S);
    }
    cr_assert_eq(memcmp(before, scoreboard->head, size), 0);
    free(before);
}

/* One of the two refuses: the other has not lost anything. */
Test(addresses, both_demands_or_none)
{
    struct address_demand demands[2] = {
        {.key = key_of(7, ADDRESS_DAEMON),
         .limits = {.connections = 5, .interval = CLOCK_S, .burst = 5}},
        {.key = key_of(7, 1), .limits = {.connections = 1}},
    };
    cr_assert(take_all(board, 0, demands, 2, CLOCK_S));
    uint64_t full_at = 2 * CLOCK_S;
    for (int i = 0; i < 10; i++) {
        cr_assert_not(take_all(board, 0, demands, 2, CLOCK_S));
        cr_assert_eq(demands[0].verdict, ADDRESS_ADMITTED);
        cr_assert_eq(demands[1].verdict, ADDRESS_CONNECTIONS);
    }
    cr_assert_eq(addresses_held(scoreboard, &demands[0].key), 1);
    addresses_give(board, 0, &demands[0].key);
    addresses_give(board, 0, &demands[1].key);
    cr_assert_eq(addresses_count(scoreboard, full_at), 0, "no token was taken");
}

/* Takes and gives as fast as it can; leaves with 1 when it sees one too many. */
static _Noreturn void compete(unsigned child, uint32_t limit)
{
    struct address_limits limits = {.connections = limit};
    struct address_key key = key_of(7, 1);
    for (int i = 0; i < 20000; i++) {
        if (take_key(board, child, &key, limits, 1) != ADDRESS_ADMITTED)
            continue;
        if (addresses_held(scoreboard, &key) > limit)
            _exit(1);
        addresses_give(board, child, &key);
    }
    _exit(0);
}

Test(addresses, exact_while_processes_compete)
{
    struct address_key key = key_of(7, 1);
    pid_t pids[CHILDREN];
    for (unsigned child = 0; child < CHILDREN; child++)
        if ((pids[child] = fork()) == 0)
            compete(child, 2);
    for (unsigned child = 0; child < CHILDREN; child++) {
        int status = -1;
        waitpid(pids[child], &status, 0);
        cr_assert_eq(status, 0);
    }
    cr_assert_eq(addresses_held(scoreboard, &key), 0);
}
