/* SPDX-License-Identifier: MIT */
#include "master/explain.h"

#include "base/clock.h"

/* Whether anybody listens, and for whom. */

static bool takes(const struct listener *listener, sa_family_t family)
{
    sa_family_t own = listener->address.family;
    return own == family || (own == AF_UNSPEC && family != AF_UNIX);
}

/* A proxy may tell of clients of another kind than its own. */
static void look_at_listeners(const struct explain_question *question,
                              struct explanation *explanation)
{
    const struct generation *generation = question->generation;
    const struct service *service = &question->service->service;
    const struct peer *peer = service_has_handshake(service) ? question->proxy : question->client;
    bool open = false;
    for (unsigned i = 0; i < generation->listeners.count; i++) {
        const struct listener *listener = &generation->listeners.list[i];
        if (listener->service != service)
            continue;
        open = open || !generation->board->last_calls[i];
        if (!peer || takes(listener, peer->address.family))
            explanation->reachable = true;
    }
    if (!open)
        explanation->closed = "the service is drained";
}

/* At the door of each child; who comes gets to one that has room. */

static struct room room_of(const struct board *board, unsigned child, unsigned size)
{
    struct room room = {.length = size, .size = size};
    bool all_wait = true;
    for (unsigned i = 0; i < board->entry.threads; i++) {
        const struct thread_slot *slot = board_thread(board, child, i);
        uint64_t length = counter_get(&slot->queue_length);
        uint64_t since = counter_get(&slot->waiting_since);
        room.length = length < room.length ? (unsigned)length : room.length;
        room.since = since > room.since ? since : room.since;
        all_wait = all_wait && since;
    }
    room.since = all_wait ? room.since : 0;
    return room;
}

static struct verdict ask_doors(const struct explain_question *question,
                                struct explanation *explanation)
{
    const struct generation *generation = question->generation;
    struct verdict best = {.decision = DECISION_QUEUED};
    for (unsigned i = 0; i < generation->count; i++) {
        if (generation->children[i].state != CHILD_SERVING)
            continue;
        struct room room = room_of(generation->board, i, generation->conf->pool.queue);
        struct verdict verdict = verdict_at_door(&explanation->house, &question->service->service,
                                                 &room, explanation->now);
        explanation->late += verdict.rule == RULE_QUEUE_DELAY;
        if (explanation->children++ == 0 || verdict.decision < best.decision) {
            best = verdict;
            explanation->room = room;
        }
    }
    return best;
}

/* All that is asked on the way in, in the order in which it is. */
static struct verdict ask(const struct explain_question *question, struct explanation *explanation)
{
    const struct service *service = &question->service->service;
    const struct peer *proxy = question->proxy;
    struct verdict verdict = ask_doors(question, explanation);
    struct demands demands;
    if (verdict.decision == DECISION_QUEUED)
        return verdict;
    if (service_has_handshake(service)) {
        if (verdict.decision == DECISION_REFUSED)
            return verdict;
        if (proxy && !access_trusts(service->trusted, &proxy->address))
            return (struct verdict){.decision = DECISION_REFUSED, .rule = RULE_TRUSTED};
    }
    return verdict_on_client(&explanation->house, service, &question->client->access, verdict,
                             explanation->now, &demands);
}

void explain(const struct master *master, const struct explain_question *question,
             struct explanation *explanation)
{
    const struct generation *generation = question->generation;
    const struct service *service = &question->service->service;
    *explanation = (struct explanation){
        .house = {master->scoreboard, generation->conf->limits, generation->machine},
        .now = clock_now(),
    };
    explanation->house.limits.connections = generation->connections;
    look_at_listeners(question, explanation);
    if (master->stopping)
        explanation->closed = "the daemon is stopping";
    explanation->verdict = ask(question, explanation);
    if (service->access)
        explanation->lists = access_judge(service->access, &question->client->access);
    verdict_demands(&explanation->demands, &explanation->house, service,
                    &question->client->address);
}

uint64_t explain_wait(const struct explanation *explanation)
{
    uint64_t since = explanation->room.since;
    return since && explanation->now > since ? explanation->now - since : 0;
}
