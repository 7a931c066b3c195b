/* SPDX-License-Identifier: MIT */
/* Who may come in, of every configuration and counter alone. */
#include "child/verdict.h"

#include "base/clock.h"
#include "base/places.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define NOW (1000 * CLOCK_S)

static struct scoreboard *scoreboard;
static struct board *board;
static struct house house;
static struct service service;
static struct access access_lists;
static struct access_rule rules[1];
static struct access_id ids[1];
static struct prefix_node nodes[PREFIX_SET_NODES(1)];
static struct addr peer;
static struct room room;

static void set_up(void)
{
    static const char *const names[] = {"echo"};
    struct board_plan plan = {1, 1, 1, 1, 1, names};
    scoreboard = scoreboard_new(16, NULL);
    cr_assert_not_null(scoreboard);
    board = board_new(scoreboard, &plan, NULL);
    cr_assert_not_null(board);
    house = (struct house){.scoreboard = scoreboard,
                           .limits = {.connections = 100, .ipv6_prefix = 64, .enforce = true},
                           .machine = 1000};
    service = (struct service){.name = "echo", .limits = {.enforce = true}};
    peer = (struct addr){.family = AF_INET, .bytes = {192, 0, 2, 1}};
    room = (struct room){.length = 0, .size = 8};
}

static void tear_down(void)
{
    board_free(board);
    scoreboard_free(scoreboard);
}

TestSuite(verdict, .init = set_up, .fini = tear_down, .timeout = 60);

static struct verdict at_door(void)
{
    return verdict_at_door(&house, &service, &room, NOW);
}

static struct verdict on_client(struct demands *demands)
{
    struct access_peer who = {.address = &peer};
    return verdict_on_client(&house, &service, &who, at_door(), NOW, demands);
}

static void deny_peer(bool enforce)
{
    struct prefix prefix;
    cr_assert_eq(prefix_parse(&prefix, "192.0.2.0/24", NULL), 0);
    access_list_init(&access_lists.deny, rules, ids, nodes);
    access_list_add_prefix(&access_lists.deny, &(struct access_rule){"x", "y", 1}, &prefix);
    access_list_end(&access_lists.deny);
    access_lists.enforce = enforce;
    service.access = &access_lists;
}

static void expect(struct verdict verdict, enum decision decision, enum rule rule)
{
    cr_assert_eq(verdict.decision, decision, "%u", verdict.decision);
    cr_assert_eq(verdict.rule, rule, "%u", verdict.rule);
}

static void hold(uint32_t count, bool before_service)
{
    for (uint32_t i = 0; i < count; i++)
        places_add(board, 0, 0, before_service);
    places_settle(board, 0);
}

Test(verdict, nothing_is_against_it)
{
    struct demands demands;
    hold(99, false);
    expect(on_client(&demands), DECISION_ADMITTED, RULE_NONE);
    cr_assert(verdict_is_clear(at_door()));
    cr_assert_eq(demands.count, 0);
}

Test(verdict, late_is_what_has_waited_for_the_target_and_an_interval)
{
    house.limits.queue_delay = 50 * CLOCK_MS;
    room = (struct room){1, 8, NOW - 150 * CLOCK_MS};
    expect(at_door(), DECISION_ADMITTED, RULE_NONE);
    room.since--;
    expect(at_door(), DECISION_REFUSED, RULE_QUEUE_DELAY);
    cr_assert_eq(verdict_reason(RULE_QUEUE_DELAY), REJECT_OVERLOAD);
    room.since = 0;
    expect(at_door(), DECISION_ADMITTED, RULE_NONE);
    room.since = NOW + 1;
    expect(at_door(), DECISION_ADMITTED, RULE_NONE);
    house.limits.queue_delay = 0;
    room.since = 1;
    expect(at_door(), DECISION_ADMITTED, RULE_NONE);
}

/* Who is late refuses, full or not; who is only full waits. */
Test(verdict, full_queues)
{
    house.limits.queue_delay = 50 * CLOCK_MS;
    room = (struct room){8, 8, NOW - CLOCK_MS};
    expect(at_door(), DECISION_QUEUED, RULE_QUEUE);
    room.since = NOW - CLOCK_S;
    expect(at_door(), DECISION_REFUSED, RULE_QUEUE_DELAY);
    house.limits.enforce = false;
    expect(at_door(), DECISION_QUEUED, RULE_QUEUE);
    cr_assert_eq(at_door().trials, 1U << RULE_QUEUE_DELAY);
}

/* As many programs as connections of the service, whatever is on trial. */
Test(verdict, programs)
{
    struct program program = {.name = "cat", .most = 2};
    service.program = &program;
    hold(1, false);
    expect(at_door(), DECISION_ADMITTED, RULE_NONE);
    hold(1, false);
    expect(at_door(), DECISION_QUEUED, RULE_INSTANCES);
    service.limits.overload = OVERLOAD_RESET;
    service.limits.enforce = false;
    expect(at_door(), DECISION_REFUSED, RULE_INSTANCES);
    cr_assert_eq(at_door().trials, 0);
    cr_assert_eq(verdict_reason(RULE_INSTANCES), REJECT_CONNECTIONS);
}

/* Who is queued at a listener that a program takes is never refused by tcpd. */
Test(verdict, the_listener_of_a_program)
{
    struct program program = {.name = "sshd", .most = 1, .takes_listener = true};
    service.program = &program;
    service.limits.overload = OVERLOAD_RESET;
    hold(1, false);
    expect(at_door(), DECISION_QUEUED, RULE_INSTANCES);
    house.limits.queue_delay = 50 * CLOCK_MS;
    room = (struct room){1, 8, NOW - CLOCK_S};
    expect(at_door(), DECISION_QUEUED, RULE_QUEUE_DELAY);
}

Test(verdict, connections_by_overload)
{
    house.limits.connections = 3;
    service.limits.connections = 2;
    service.limits.overload = OVERLOAD_RESET;
    hold(2, false);
    expect(at_door(), DECISION_REFUSED, RULE_SERVICE_CONNECTIONS);
    hold(1, false);
    expect(at_door(), DECISION_QUEUED, RULE_CONNECTIONS);
    house.limits.overload = OVERLOAD_RESET;
    service.limits.overload = OVERLOAD_WAIT;
    expect(at_door(), DECISION_REFUSED, RULE_CONNECTIONS);
}

/* Nobody is refused, or noted, for want of a place that may be given back at once. */
Test(verdict, an_unsettled_place_is_waited_for)
{
    struct program program = {.name = "cat", .most = 2};
    house.limits.overload = service.limits.overload = OVERLOAD_RESET;
    service.limits.connections = 2;
    hold(1, false);
    places_add(board, 0, 0, false);
    expect(at_door(), DECISION_QUEUED, RULE_SERVICE_CONNECTIONS);
    service.limits.enforce = false;
    house.limits.connections = 2;
    expect(at_door(), DECISION_QUEUED, RULE_CONNECTIONS);
    cr_assert_eq(at_door().trials, 0);
    house.limits.enforce = false;
    cr_assert(verdict_is_clear(at_door()));
    service.program = &program;
    expect(at_door(), DECISION_QUEUED, RULE_INSTANCES);
    places_settle(board, 0);
    expect(at_door(), DECISION_REFUSED, RULE_INSTANCES);
    service.program = NULL;
    cr_assert_eq(at_door().trials, 1U << RULE_CONNECTIONS | 1U << RULE_SERVICE_CONNECTIONS);
}

/* Everything that is on trial is noted, and what is behind it is still asked. */
Test(verdict, trials_are_passed)
{
    struct demands demands;
    house.limits = (struct limits){
        .connections = 1, .per_address = 0, .enforce = false, .rate = CLOCK_S, .ipv6_prefix = 64};
    service.limits = (struct limits){
        .connections = 1, .per_address = 1, .enforce = true, .overload = OVERLOAD_RESET};
    hold(1, false);
    struct verdict verdict = at_door();
    expect(verdict, DECISION_REFUSED, RULE_SERVICE_CONNECTIONS);
    cr_assert_eq(verdict.trials, 1U << RULE_CONNECTIONS);
    service.limits.enforce = false;
    deny_peer(false);
    verdict = on_client(&demands);
    expect(verdict, DECISION_ADMITTED, RULE_NONE);
    cr_assert_eq(verdict.trials,
                 1U << RULE_CONNECTIONS | 1U << RULE_SERVICE_CONNECTIONS | 1U << RULE_ACCESS);
    cr_assert_eq(demands.count, 2, "it is counted all the same");
    addresses_add(board, 0, demands.list, 2, NOW);
    verdict = on_client(&demands);
    expect(verdict, DECISION_ADMITTED, RULE_NONE);
    cr_assert(verdict.trials & 1U << RULE_RATE);
    cr_assert(verdict.trials & 1U << RULE_SERVICE_PER_ADDRESS);
}

Test(verdict, the_machine_is_never_on_trial)
{
    house.limits.enforce = service.limits.enforce = false;
    house.limits.overload = OVERLOAD_RESET;
    house.machine = house.limits.connections = 2;
    hold(1, false);
    expect(at_door(), DECISION_ADMITTED, RULE_NONE);
    hold(1, false);
    expect(at_door(), DECISION_REFUSED, RULE_MACHINE);
    cr_assert_eq(at_door().trials, 1U << RULE_CONNECTIONS);
}

Test(verdict, handshakes_are_of_services_that_have_them)
{
    house.limits.handshakes = 2;
    hold(2, true);
    expect(at_door(), DECISION_ADMITTED, RULE_NONE);
    service.proxy_protocol = PROXY_PROTOCOL_REQUIRED;
    expect(at_door(), DECISION_QUEUED, RULE_HANDSHAKES);
    house.limits.overload = OVERLOAD_RESET;
    expect(at_door(), DECISION_REFUSED, RULE_HANDSHAKES);
    house.limits.enforce = false;
    expect(at_door(), DECISION_ADMITTED, RULE_NONE);
    places_reach_service(board, 0);
    house.limits.enforce = true;
    expect(at_door(), DECISION_ADMITTED, RULE_NONE);
}

/* Who may not come in at all hears that, and what comes behind is not asked. */
Test(verdict, the_lists_go_before_the_door_and_the_limits)
{
    struct demands demands;
    deny_peer(true);
    service.limits.per_address = 1;
    expect(on_client(&demands), DECISION_REFUSED, RULE_ACCESS);
    cr_assert_eq(demands.count, 0);
    service.limits.connections = 1;
    service.limits.overload = OVERLOAD_RESET;
    hold(1, false);
    expect(on_client(&demands), DECISION_REFUSED, RULE_ACCESS);
    peer.bytes[2] = 3;
    expect(on_client(&demands), DECISION_REFUSED, RULE_SERVICE_CONNECTIONS);
}

Test(verdict, addresses_of_the_daemon_and_of_the_service)
{
    struct demands demands;
    house.limits.per_address = 2;
    service.limits = (struct limits){.enforce = true, .rate = 3600 * CLOCK_S, .burst = 1};
    expect(on_client(&demands), DECISION_ADMITTED, RULE_NONE);
    cr_assert_eq(demands.count, 2);
    addresses_add(board, 0, demands.list, 2, NOW);
    expect(on_client(&demands), DECISION_REFUSED, RULE_SERVICE_RATE);
    addresses_add(board, 0, demands.list, 1, NOW);
    expect(on_client(&demands), DECISION_REFUSED, RULE_PER_ADDRESS);
    peer = (struct addr){.family = AF_UNIX};
    expect(on_client(&demands), DECISION_ADMITTED, RULE_NONE);
    cr_assert_eq(demands.count, 0);
}

/* Whatever is asked, not one byte of the memory is another one afterwards. */
Test(verdict, asking_changes_nothing)
{
    struct demands demands;
    size_t size = scoreboard->head->boards_from;
    char *before = malloc(size);
    house.limits.per_address = 1;
    service.limits.rate = CLOCK_S;
    on_client(&demands);
    addresses_add(board, 0, demands.list, demands.count, NOW);
    memcpy(before, scoreboard->head, size);
    for (unsigned i = 0; i < 1000; i++) {
        peer.bytes[3] = (uint8_t)i;
        peer.bytes[1] = (uint8_t)(i >> 8);
        on_client(&demands);
    }
    cr_assert_eq(memcmp(before, scoreboard->head, size), 0);
    free(before);
}
