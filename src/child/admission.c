/* SPDX-License-Identifier: MIT */
#include "child/admission.h"

#include "base/places.h"
#include "child/gate.h"
#include "child/worker.h"

#include <stdlib.h>

/* At the door. */

struct verdict admission_open(const struct admission *admission, const struct service *service,
                              const struct room *room, uint64_t now)
{
    const struct pool_shared *shared = admission->shared;
    places_lock(shared->board->scoreboard);
    struct verdict verdict = verdict_at_door(&shared->house, service, room, now);
    if (verdict.decision == DECISION_ADMITTED)
        places_add(shared->board, shared->child, service->id, service_has_handshake(service));
    places_unlock(shared->board->scoreboard);
    return verdict;
}

void admission_close(const struct pool_shared *shared, const struct service *service)
{
    if (service_has_handshake(service))
        places_reach_service(shared->board, shared->child);
    places_give(shared->board, shared->child, service->id);
}

void admission_settle(const struct pool_shared *shared, const struct service *service,
                      bool comes_in)
{
    if (!comes_in)
        admission_close(shared, service);
    places_settle(shared->board, shared->child);
}

/* What has become of a client. */

static struct counters *counters_of(const struct admission *admission,
                                    const struct newcomer *newcomer)
{
    return &admission->slot->services[newcomer->service->index];
}

static void tell_refusal(struct admission *admission, const struct newcomer *newcomer,
                         enum reject_reason reason)
{
    counter_add(&counters_of(admission, newcomer)->rejected[reason], 1);
    rejects_log(&admission->rejects, "rejected", newcomer, reason);
}

static void tell_trial(struct admission *admission, const struct newcomer *newcomer,
                       enum reject_reason reason)
{
    counter_add(&counters_of(admission, newcomer)->would_reject[reason], 1);
    rejects_log(&admission->trials, "would_reject", newcomer, reason);
}

/* Whether it is let in.  Only who is served is told of as one that would have been refused. */
static bool tell(struct admission *admission, const struct newcomer *newcomer,
                 const struct verdict *verdict)
{
    if (verdict->decision != DECISION_ADMITTED) {
        tell_refusal(admission, newcomer, verdict_reason(verdict->rule));
        return false;
    }
    for (uint32_t left = verdict->trials; left; left &= left - 1)
        tell_trial(admission, newcomer, verdict_reason((enum rule)__builtin_ctz(left)));
    return true;
}

bool admission_defer(struct admission *admission, const struct newcomer *newcomer)
{
    return tell(admission, newcomer, &newcomer->at_door);
}

/* Who it is. */

/* What is granted is taken under the same lock. */
static struct verdict decide_and_take(const struct pool_shared *shared,
                                      const struct newcomer *newcomer,
                                      const struct access_peer *peer)
{
    struct demands demands;
    places_lock(shared->board->scoreboard);
    struct verdict verdict = verdict_on_client(&shared->house, newcomer->service, peer,
                                               newcomer->at_door, newcomer->now, &demands);
    if (verdict.decision == DECISION_ADMITTED)
        addresses_add(shared->board, shared->child, demands.list, demands.count, newcomer->now);
    places_unlock(shared->board->scoreboard);
    return verdict;
}

static struct verdict decide(const struct pool_shared *shared, const struct newcomer *newcomer,
                             const struct access_peer *peer)
{
    struct demands none;
    if (verdict_counts_addresses(&shared->house, newcomer->service))
        return decide_and_take(shared, newcomer, peer);
    return verdict_on_client(&shared->house, newcomer->service, peer, newcomer->at_door,
                             newcomer->now, &none);
}

bool admission_ask(struct admission *admission, const struct newcomer *newcomer)
{
    struct access_peer peer;
    void *groups = gate_know(&peer, newcomer->service->access, newcomer->fd, newcomer->peer);
    struct verdict verdict = decide(admission->shared, newcomer, &peer);
    free(groups);
    return tell(admission, newcomer, &verdict);
}

void admission_give(const struct pool_shared *shared, const struct service *service,
                    const struct addr *peer)
{
    struct demands demands;
    verdict_demands(&demands, &shared->house, service, peer);
    for (unsigned i = 0; i < demands.count; i++)
        if (demands.list[i].limits.connections)
            addresses_give(shared->board, shared->child, &demands.list[i].key);
}
