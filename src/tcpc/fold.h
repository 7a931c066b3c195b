/* SPDX-License-Identifier: MIT */
/*
 * What is folded in a ladder: of a long run of data and acknowledgements the
 * first segments are shown, those with a mark and those without, and of the rest the sums.
 * Whatever changes a state is always shown.
 */
#ifndef TCPD_TCPC_FOLD_H
#define TCPD_TCPC_FOLD_H

#include "base/clock.h"
#include "tcpc/flow.h"

#include <stdbool.h>
#include <stdint.h>

#define FOLD_SHOWN 10                /* segments of a run, and as many that bear a mark */
#define FOLD_PAUSE (200 * CLOCK_MS)  /* ends a run */
#define FOLD_HELD  (1000 * CLOCK_MS) /* the sums are told at least so often */

struct fold_sum {
    uint64_t segments, bytes;
    uint64_t marks[FLOW_MARKS]; /* how many of them bear each, by its bit */
};

struct fold {
    unsigned shown, marked;  /* of the present run: without and with a mark */
    uint64_t last;           /* time of its last segment */
    uint64_t since;          /* when the first segment was folded that has not been told */
    struct fold_sum sums[2]; /* of what is folded and not told, by enum side */
};

/* Whether the sums are to be told (and then cleared) before the event. */
bool fold_ends(const struct fold *fold, const struct flow_event *event);

/* Whether it is time, without a segment, to tell (and clear) them. */
bool fold_due(const struct fold *fold, uint64_t now);

/* Whether something is folded. */
bool fold_holds(const struct fold *fold);

/* Takes the event in; whether it is to be shown.  The bytes of a folded one are added up. */
bool fold_take(struct fold *fold, const struct flow_event *event);

/* What was folded has been told. */
void fold_clear(struct fold *fold);

#endif
