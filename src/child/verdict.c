/* SPDX-License-Identifier: MIT */
#include "child/verdict.h"

#include "base/clock.h"
#include "base/places.h"

#include <sys/socket.h>

enum reject_reason verdict_reason(enum rule rule)
{
    static const enum reject_reason reasons[RULE_COUNT] = {
        [RULE_QUEUE_DELAY] = REJECT_OVERLOAD,
        [RULE_QUEUE] = REJECT_OVERLOAD,
        [RULE_CONNECTIONS] = REJECT_CONNECTIONS,
        [RULE_MACHINE] = REJECT_CONNECTIONS,
        [RULE_SERVICE_CONNECTIONS] = REJECT_CONNECTIONS,
        [RULE_INSTANCES] = REJECT_CONNECTIONS,
        [RULE_HANDSHAKES] = REJECT_OVERLOAD,
        [RULE_ACCESS] = REJECT_ACCESS,
        [RULE_PER_ADDRESS] = REJECT_PER_ADDRESS,
        [RULE_RATE] = REJECT_RATE,
        [RULE_SERVICE_PER_ADDRESS] = REJECT_PER_ADDRESS,
        [RULE_SERVICE_RATE] = REJECT_RATE,
        [RULE_TABLE] = REJECT_OVERLOAD,
    };
    return reasons[rule];
}

/* A rule is against it: whether that is the end, and not only noted. */
static bool ends(struct verdict *verdict, enum rule rule, bool enforce, enum decision decision)
{
    if (!enforce) {
        verdict->trials |= 1U << rule;
        return false;
    }
    verdict->rule = (uint8_t)rule;
    verdict->decision = (uint8_t)decision;
    return true;
}

/* At the door. */

/*
 * What CoDel (RFC 8289) asks is whether the wait has been above the target during a whole interval.
 * A worker takes its whole queue at once, so the wait of the first socket grows for as long
 * as anything waits: it has been above the target all the while when it is above it by an interval.
 */
bool verdict_is_late(const struct house *house, uint64_t since, uint64_t now)
{
    uint64_t most = house->limits.queue_delay;
    return most && since && now > since && now - since > most + VERDICT_INTERVAL;
}

/*
 * A limit on places is reached: whether that is the end; else it is lifted.  It may be reached by
 * places that are about to be given back: that is waited for, and nobody refused or noted.
 */
static bool limit_ends(struct verdict *verdict, enum rule rule, const struct limits *of,
                       uint32_t *limit, uint32_t settled)
{
    bool sure = settled >= *limit;
    bool refuses = sure && of->overload == OVERLOAD_RESET;
    *limit = 0;
    return (sure || of->enforce) &&
           ends(verdict, rule, of->enforce, refuses ? DECISION_REFUSED : DECISION_QUEUED);
}

static bool place_ends(struct verdict *verdict, enum places places, struct place_limits *limits,
                       const struct house *house, const struct service *service)
{
    const struct scoreboard *scoreboard = house->scoreboard;
    const struct limits *daemon = &house->limits;
    const struct limits machine = {.overload = daemon->overload, .enforce = true};
    switch (places) {
    case PLACES_NONE_IN_DAEMON:
        return limit_ends(verdict, RULE_CONNECTIONS, daemon, &limits->daemon,
                          places_settled(scoreboard, SCOREBOARD_ALL));
    case PLACES_NONE_IN_SERVICE:
        return limit_ends(verdict, RULE_SERVICE_CONNECTIONS, &service->limits, &limits->service,
                          places_settled(scoreboard, service->id));
    case PLACES_NONE_BEFORE_SERVICE:
        return limit_ends(verdict, RULE_HANDSHAKES, daemon, &limits->before_service,
                          places_settled(scoreboard, SCOREBOARD_BEFORE_SERVICE));
    default: /* the machine's is never on trial */
        return limit_ends(verdict, RULE_MACHINE, &machine, &limits->machine,
                          places_settled(scoreboard, SCOREBOARD_ALL));
    }
}

/* As many places as programs.  No trial lets more of them run. */
static bool instances_end(struct verdict *verdict, const struct house *house,
                          const struct service *service)
{
    const struct limits always = {.overload = service->limits.overload, .enforce = true};
    uint32_t most = service->program ? service->program->most : 0;
    return most && places_held(house->scoreboard, service->id) >= most &&
           limit_ends(verdict, RULE_INSTANCES, &always, &most,
                      places_settled(house->scoreboard, service->id));
}

/* Whoever is queued at a listener that a program takes is for that program. */
static bool takes_listener(const struct service *service)
{
    return service->program && service->program->takes_listener;
}

static struct verdict ask_for_place(const struct house *house, const struct service *service,
                                    const struct room *room, uint64_t now)
{
    struct verdict verdict = {0};
    struct place_limits limits = {
        .service = service->limits.connections,
        .daemon = house->limits.connections,
        .machine = house->machine,
    };
    if (house->limits.handshakes && service_has_handshake(service))
        limits.before_service = house->limits.handshakes;
    if (room->since && verdict_is_late(house, room->since, now) &&
        ends(&verdict, RULE_QUEUE_DELAY, house->limits.enforce, DECISION_REFUSED))
        return verdict;
    if (room->length >= room->size && ends(&verdict, RULE_QUEUE, true, DECISION_QUEUED))
        return verdict;
    if (instances_end(&verdict, house, service))
        return verdict;
    enum places places;
    while ((places = places_look(house->scoreboard, service->id, &limits)) != PLACES_FREE)
        if (place_ends(&verdict, places, &limits, house, service))
            break;
    return verdict;
}

struct verdict verdict_at_door(const struct house *house, const struct service *service,
                               const struct room *room, uint64_t now)
{
    struct verdict verdict = ask_for_place(house, service, room, now);
    if (verdict.decision == DECISION_REFUSED && takes_listener(service))
        verdict.decision = DECISION_QUEUED;
    return verdict;
}

/* By the lists.  Who is not let in for what it is hears that, whatever the door has said. */

static void ask_lists(struct verdict *verdict, const struct access *access,
                      const struct access_peer *peer)
{
    if (access && !access_judge(access, peer).allowed)
        ends(verdict, RULE_ACCESS, access->enforce, DECISION_REFUSED);
}

/* By address. */

static bool has_limits(const struct limits *limits)
{
    return limits->per_address || limits->rate;
}

static uint32_t burst_of(const struct limits *limits)
{
    uint64_t in_a_second = limits->rate ? CLOCK_S / limits->rate : 0;
    if (limits->burst)
        return limits->burst;
    return in_a_second > 1 ? (uint32_t)in_a_second : 1;
}

static void add(struct demands *demands, const struct limits *limits, const struct addr *peer,
                unsigned ipv6_prefix, uint32_t scope)
{
    if (!has_limits(limits))
        return;
    struct address_demand *demand = &demands->list[demands->count];
    uint16_t prefix = peer->family == AF_INET ? 32 : (uint16_t)ipv6_prefix;
    address_key(&demand->key, peer->family, peer->bytes, prefix, scope);
    demand->limits = (struct address_limits){limits->per_address, limits->rate, burst_of(limits)};
    demands->limits[demands->count++] = limits;
}

void verdict_demands(struct demands *demands, const struct house *house,
                     const struct service *service, const struct addr *peer)
{
    unsigned ipv6_prefix = house->limits.ipv6_prefix;
    demands->count = 0;
    if (peer->family != AF_INET && peer->family != AF_INET6)
        return;
    add(demands, &house->limits, peer, ipv6_prefix, ADDRESS_DAEMON);
    add(demands, &service->limits, peer, ipv6_prefix, 1 + service->id);
}

/* The first demand that was refused. */
static unsigned refused(const struct demands *demands)
{
    unsigned i = 0;
    while (demands->list[i].verdict == ADDRESS_ADMITTED)
        i++;
    return i;
}

static enum rule rule_of(const struct address_demand *demand)
{
    bool of_service = demand->key.scope != ADDRESS_DAEMON;
    if (demand->verdict == ADDRESS_CONNECTIONS)
        return of_service ? RULE_SERVICE_PER_ADDRESS : RULE_PER_ADDRESS;
    if (demand->verdict == ADDRESS_RATE)
        return of_service ? RULE_SERVICE_RATE : RULE_RATE;
    return RULE_TABLE;
}

/* On trial: counted, so that the count goes on to be true, but held to nothing. */
static void count_only(struct address_demand *demand)
{
    if (demand->limits.connections)
        demand->limits.connections = UINT32_MAX;
    demand->limits.interval = 0;
}

static void ask_addresses(struct verdict *verdict, const struct house *house,
                          struct demands *demands, uint64_t now)
{
    while (demands->count > 0 &&
           !addresses_judge(house->scoreboard, demands->list, demands->count, now)) {
        unsigned i = refused(demands);
        enum rule rule = rule_of(&demands->list[i]);
        bool enforce = rule == RULE_TABLE || demands->limits[i]->enforce;
        if (ends(verdict, rule, enforce, DECISION_REFUSED))
            return;
        count_only(&demands->list[i]);
    }
}

struct verdict verdict_on_client(const struct house *house, const struct service *service,
                                 const struct access_peer *peer, struct verdict at_door,
                                 uint64_t now, struct demands *demands)
{
    struct verdict verdict = at_door;
    demands->count = 0;
    ask_lists(&verdict, service->access, peer);
    if (verdict.decision != DECISION_ADMITTED)
        return verdict;
    verdict_demands(demands, house, service, peer->address);
    ask_addresses(&verdict, house, demands, now);
    return verdict;
}
