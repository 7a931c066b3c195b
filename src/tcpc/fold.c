/* SPDX-License-Identifier: MIT */
#include "tcpc/fold.h"

#include <string.h>

static bool changes_a_state(const struct flow_event *event)
{
    return event->entered_count[FLOW_CLIENT] + event->entered_count[FLOW_SERVER] > 0;
}

static bool is_special(const struct flow_event *event)
{
    return changes_a_state(event) || event->flags & (SEGMENT_SYN | SEGMENT_FIN | SEGMENT_RST);
}

static bool after_pause(const struct fold *fold, const struct flow_event *event)
{
    return event->time >= fold->last + FOLD_PAUSE;
}

bool fold_holds(const struct fold *fold)
{
    return fold->sums[FLOW_CLIENT].segments + fold->sums[FLOW_SERVER].segments > 0;
}

static bool begins_a_run(const struct fold *fold, const struct flow_event *event)
{
    return after_pause(fold, event) || changes_a_state(event);
}

static bool is_shown(const struct fold *fold, const struct flow_event *event)
{
    unsigned before = event->marks ? fold->marked : fold->shown;
    return begins_a_run(fold, event) || is_special(event) || before < FOLD_SHOWN;
}

bool fold_ends(const struct fold *fold, const struct flow_event *event)
{
    return fold_holds(fold) && (is_shown(fold, event) || event->time >= fold->since + FOLD_HELD);
}

bool fold_due(const struct fold *fold, uint64_t now)
{
    return fold_holds(fold) && (now >= fold->last + FOLD_PAUSE || now >= fold->since + FOLD_HELD);
}

static void add(struct fold_sum *sum, const struct flow_event *event)
{
    sum->segments++;
    sum->bytes += event->length;
    for (unsigned i = 0; i < FLOW_MARKS; i++)
        sum->marks[i] += event->marks >> i & 1;
}

static void count_shown(struct fold *fold, const struct flow_event *event)
{
    if (is_special(event))
        return;
    if (event->marks)
        fold->marked++;
    else
        fold->shown++;
}

bool fold_take(struct fold *fold, const struct flow_event *event)
{
    bool shown = is_shown(fold, event);
    if (begins_a_run(fold, event))
        fold->shown = fold->marked = 0;
    fold->last = event->time;
    if (shown) {
        count_shown(fold, event);
        return true;
    }
    if (!fold_holds(fold))
        fold->since = event->time;
    add(&fold->sums[event->from], event);
    return false;
}

void fold_clear(struct fold *fold)
{
    memset(fold->sums, 0, sizeof fold->sums);
}
