/* SPDX-License-Identifier: MIT */
#include "child/admission.h"

#include "base/addresses.h"
#include "base/clock.h"
#include "child/gate.h"
#include "child/worker.h"

#include <sys/socket.h>

/* The demands of one client: those of the daemon and of the service that have limits. */
struct demands {
    struct address_demand list[ADDRESS_DEMANDS];
    const struct limits *limits[ADDRESS_DEMANDS];
    unsigned count;
};

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

/* A unix peer has no address, and none of these limits. */
static void collect(struct demands *demands, const struct pool_shared *shared,
                    const struct service *service, const struct addr *peer)
{
    unsigned ipv6_prefix = shared->limits.ipv6_prefix;
    demands->count = 0;
    if (peer->family != AF_INET && peer->family != AF_INET6)
        return;
    add(demands, &shared->limits, peer, ipv6_prefix, ADDRESS_DAEMON);
    add(demands, &service->limits, peer, ipv6_prefix, 1 + service->id);
}

static enum reject_reason reason_of(enum address_verdict verdict)
{
    return verdict == ADDRESS_CONNECTIONS ? REJECT_PER_ADDRESS
           : verdict == ADDRESS_RATE      ? REJECT_RATE
                                          : REJECT_OVERLOAD;
}

/* The first demand that was refused. */
static unsigned refused(const struct demands *demands)
{
    unsigned i = 0;
    while (demands->list[i].verdict == ADDRESS_ADMITTED)
        i++;
    return i;
}

/* On trial: counted, so that the count goes on to be true, but held to nothing. */
static void count_only(struct address_demand *demand)
{
    if (demand->limits.connections)
        demand->limits.connections = UINT32_MAX;
    demand->limits.interval = 0;
}

static struct counters *counters_of(const struct admission *admission,
                                    const struct newcomer *newcomer)
{
    return &admission->slot->services[newcomer->service->index];
}

void admission_refuse(struct admission *admission, const struct newcomer *newcomer,
                      enum reject_reason reason)
{
    counter_add(&counters_of(admission, newcomer)->rejected[reason], 1);
    rejects_log(&admission->rejects, newcomer->now, "rejected", newcomer->service->name,
                newcomer->fd, newcomer->peer, reason);
}

static void note_trial(struct admission *admission, const struct newcomer *newcomer,
                       enum reject_reason reason)
{
    counter_add(&counters_of(admission, newcomer)->would_reject[reason], 1);
    rejects_log(&admission->trials, newcomer->now, "would_reject", newcomer->service->name,
                newcomer->fd, newcomer->peer, reason);
}

bool admission_is_barred(const struct newcomer *newcomer)
{
    const struct access *access = newcomer->service->access;
    return access && !gate_lets_in(access, newcomer->fd, newcomer->peer);
}

static bool ask_lists(struct admission *admission, const struct newcomer *newcomer)
{
    if (!admission_is_barred(newcomer))
        return true;
    if (newcomer->service->access->enforce)
        admission_refuse(admission, newcomer, REJECT_ACCESS);
    else
        note_trial(admission, newcomer, REJECT_ACCESS);
    return !newcomer->service->access->enforce;
}

static bool ask_limits(struct admission *admission, const struct newcomer *newcomer)
{
    const struct pool_shared *shared = admission->shared;
    struct demands demands;
    collect(&demands, shared, newcomer->service, newcomer->peer);
    while (demands.count > 0 && !addresses_take(shared->board, shared->child, demands.list,
                                                demands.count, newcomer->now)) {
        unsigned i = refused(&demands);
        enum reject_reason reason = reason_of(demands.list[i].verdict);
        if (demands.limits[i]->enforce || reason == REJECT_OVERLOAD) {
            admission_refuse(admission, newcomer, reason);
            return false;
        }
        note_trial(admission, newcomer, reason);
        count_only(&demands.list[i]);
    }
    return true;
}

bool admission_ask(struct admission *admission, const struct newcomer *newcomer)
{
    return ask_lists(admission, newcomer) && ask_limits(admission, newcomer);
}

void admission_give(const struct pool_shared *shared, const struct service *service,
                    const struct addr *peer)
{
    struct demands demands;
    collect(&demands, shared, service, peer);
    for (unsigned i = 0; i < demands.count; i++)
        if (demands.list[i].limits.connections)
            addresses_give(shared->board, shared->child, &demands.list[i].key);
}
