/* SPDX-License-Identifier: MIT */
#include "tcpc/attempt.h"

#include "base/clock.h"
#include "tcpc/segment.h"

#include <inttypes.h>
#include <string.h>

/* An attempt that was given up may still be answered, or refused: a moment is waited for that. */
#define QUIET (100 * CLOCK_MS)

uint64_t sheet_time(const struct sheet *sheet, uint64_t wall)
{
    return wall > sheet->wall ? wall - sheet->wall : 0;
}

static bool is_end(const struct addr *addr, const struct addr *wanted)
{
    return addr->family == wanted->family && addr->port == wanted->port &&
           memcmp(addr->bytes, wanted->bytes, sizeof addr->bytes) == 0;
}

/* Whose segment it is.  The filter lets pass no others, but what it passes is not trusted. */
static bool find_side(const struct attempt *attempt, const struct segment *segment, enum side *side)
{
    if (is_end(&segment->destination, &attempt->peer) &&
        segment->source.port == attempt->local.port)
        *side = FLOW_CLIENT;
    else if (is_end(&segment->source, &attempt->peer) &&
             segment->destination.port == attempt->local.port)
        *side = FLOW_SERVER;
    else
        return false;
    return true;
}

bool attempt_has_begun(const struct attempt *attempt)
{
    return attempt->capture || attempt->kernel.segments_out > 0;
}

void attempt_head(struct attempt *attempt)
{
    struct sheet *sheet = attempt->sheet;
    char client[ADDR_TEXT_MAX], server[ADDR_TEXT_MAX];
    if (sheet->shown == attempt)
        return;
    sheet->shown = attempt;
    sheet->canvas->ops->heading(sheet->canvas, addr_format(&attempt->local, client),
                                addr_format(&attempt->peer, server));
}

static void draw_row(struct attempt *attempt, const struct ladder_row *row)
{
    attempt_head(attempt);
    attempt->sheet->canvas->ops->row(attempt->sheet->canvas, row);
}

static void draw_folded(struct attempt *attempt)
{
    struct fold *fold = &attempt->fold;
    struct ladder_row row;
    for (enum side side = FLOW_CLIENT; side <= FLOW_SERVER; side++) {
        if (fold->sums[side].segments == 0)
            continue;
        ladder_of_fold(&row, side, &fold->sums[side], fold->last, attempt->sheet->canvas->utf8);
        draw_row(attempt, &row);
    }
    fold_clear(fold);
}

static void draw_event(struct attempt *attempt, const struct flow_event *event)
{
    struct ladder_row row;
    if (fold_ends(&attempt->fold, event))
        draw_folded(attempt);
    if (!fold_take(&attempt->fold, event))
        return;
    ladder_of_event(&row, event, attempt->sheet->absolute);
    draw_row(attempt, &row);
}

static void take_packet(void *context, uint64_t time, const uint8_t *packet, size_t captured,
                        size_t length)
{
    struct attempt *attempt = context;
    struct segment segment;
    struct flow_event event;
    enum side side;
    if (!segment_decode(&segment, packet, captured, length) || !find_side(attempt, &segment, &side))
        return;
    segment.time = sheet_time(attempt->sheet, time);
    attempt->seen = clock_now();
    attempt->local = side == FLOW_CLIENT ? segment.source : segment.destination;
    flow_feed(&attempt->flow, side, &segment, &event);
    if (attempt->sheet->canvas)
        draw_event(attempt, &event);
}

void attempt_read(struct attempt *attempt)
{
    capture_read(attempt->capture, take_packet, attempt);
    if (attempt->sheet->canvas && fold_due(&attempt->fold, story_time(attempt->sheet->story)))
        draw_folded(attempt);
}

void attempt_flush(struct attempt *attempt)
{
    if (attempt->sheet->canvas && fold_holds(&attempt->fold))
        draw_folded(attempt);
}

bool attempt_over(const struct attempt *attempt)
{
    if (!attempt->capture || flow_over(&attempt->flow))
        return true;
    return attempt->seen && !attempt->flow.established && clock_now() >= attempt->seen + QUIET &&
           clock_now() >= attempt->closed + QUIET;
}

void attempt_sum_up(struct attempt *attempt, struct summary *summary)
{
    uint64_t lost = capture_lost(attempt->capture);
    summary_of_flow(summary, &attempt->flow, attempt->local.port);
    if (lost)
        summary_add(summary, "captured on %s; %" PRIu64 " segments came too fast and are missing",
                    attempt->interface, lost);
    else
        summary_add(summary, "captured on %s, without a loss", attempt->interface);
}
