/* SPDX-License-Identifier: MIT */
#include "tcpc/flow.h"

#include <string.h>

static enum side other(enum side side)
{
    return side == FLOW_CLIENT ? FLOW_SERVER : FLOW_CLIENT;
}

/* Sequence numbers go round: a before b when less than half a round lies between. */
static bool before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static bool has(const struct segment *segment, uint8_t flags)
{
    return (segment->flags & flags) == flags;
}

/* One beyond the last number that the segment takes; SYN and FIN have one each. */
static uint32_t end_of(const struct segment *segment)
{
    return segment->seq + segment->length + has(segment, SEGMENT_SYN) + has(segment, SEGMENT_FIN);
}

static bool is_bare_ack(const struct segment *segment)
{
    uint8_t others = SEGMENT_SYN | SEGMENT_FIN | SEGMENT_RST;
    return segment->length == 0 && has(segment, SEGMENT_ACK) && !(segment->flags & others);
}

/* --- numbers: what is new, what was there before --- */

/* The hole that something of these numbers falls into, or NULL. */
static const struct flow_hole *hole_find(const struct flow_end *end, uint32_t from, uint32_t to)
{
    for (size_t i = 0; i < end->hole_count; i++) {
        if (before(from, end->holes[i].to) && before(end->holes[i].from, to))
            return &end->holes[i];
    }
    return NULL;
}

/* Of a hole that is filled in its middle, the second half is forgotten. */
static void hole_fill(struct flow_end *end, size_t i, uint32_t from, uint32_t to)
{
    struct flow_hole *hole = &end->holes[i];
    if (before(hole->from, from))
        hole->to = from;
    else if (before(to, hole->to))
        hole->from = to;
    else
        *hole = end->holes[--end->hole_count];
}

static void hole_tear(struct flow_end *end, uint32_t to, uint64_t time)
{
    if (end->hole_count < FLOW_HOLES_MAX)
        end->holes[end->hole_count++] = (struct flow_hole){end->top, to, time};
}

/* Nothing that was sent can be back sooner than a round trip later. */
static unsigned judge_old(struct flow *flow, struct flow_end *end, const struct segment *segment)
{
    uint32_t to = end_of(segment);
    const struct flow_hole *hole = hole_find(end, segment->seq, to);
    uint64_t round_trip = flow->established_time - flow->syn_time;
    bool soon = hole && flow->established && segment->time - hole->time < round_trip;
    if (hole)
        hole_fill(end, (size_t)(hole - end->holes), segment->seq, to);
    if (soon)
        return FLOW_OUT_OF_ORDER;
    end->retransmits++;
    return FLOW_RETRANSMISSION;
}

static void begin_numbers(struct flow_end *end, const struct segment *segment)
{
    end->seen = true;
    end->isn = has(segment, SEGMENT_SYN) ? segment->seq : segment->seq - 1;
    end->top = segment->seq;
}

static unsigned number(struct flow *flow, struct flow_end *end, const struct segment *segment)
{
    uint32_t to = end_of(segment);
    unsigned marks = 0;
    if (to == segment->seq || has(segment, SEGMENT_RST))
        return 0;
    if (!end->seen)
        begin_numbers(end, segment);
    if (before(segment->seq, end->top))
        marks = judge_old(flow, end, segment);
    else if (before(end->top, segment->seq))
        hole_tear(end, segment->seq, segment->time);
    if (before(end->top, to)) {
        uint32_t flags = has(segment, SEGMENT_SYN) + has(segment, SEGMENT_FIN);
        uint32_t fresh = to - end->top;
        end->bytes += fresh > flags ? fresh - flags : 0;
        end->top = to;
    }
    return marks;
}

/* --- acknowledgements and windows --- */

/* A segment without news, one number back, asks for an answer. */
static unsigned judge_probe(const struct flow_end *end, const struct flow_end *peer,
                            const struct segment *segment)
{
    if (!end->seen || !is_bare_ack(segment) || segment->seq != end->top - 1)
        return 0;
    return peer->acks && peer->window == 0 ? FLOW_WINDOW_PROBE : FLOW_KEEP_ALIVE;
}

/* RFC 5681, section 2: nothing new in it, while something waits to be acknowledged. */
static bool is_duplicate(const struct flow_end *end, const struct flow_end *peer,
                         const struct segment *segment)
{
    return is_bare_ack(segment) && end->acks && segment->ack == end->ack &&
           segment->window == end->window && peer->seen && before(segment->ack, peer->top);
}

static unsigned judge_ack(struct flow_end *end, const struct flow_end *peer,
                          const struct segment *segment)
{
    unsigned marks = 0;
    if (!has(segment, SEGMENT_ACK) || has(segment, SEGMENT_RST))
        return 0;
    if (is_duplicate(end, peer, segment)) {
        marks |= FLOW_DUPLICATE_ACK;
        end->repeated++;
        end->duplicate_acks++;
    } else if (!end->acks || segment->ack != end->ack) {
        end->repeated = 0;
    }
    if (segment->window == 0)
        marks |= FLOW_ZERO_WINDOW;
    else if (end->acks && end->window == 0)
        marks |= FLOW_WINDOW_OPENS;
    if (!end->acks || before(end->ack, segment->ack))
        end->ack = segment->ack;
    end->acks = true;
    end->window = segment->window;
    return marks;
}

/* --- states --- */

static void apply(struct flow *flow, struct flow_event *event, enum side side,
                  enum state_input input)
{
    struct flow_end *end = &flow->ends[side];
    enum state next = state_next(end->state, input);
    if (next == STATE_UNKNOWN)
        return;
    end->state = next;
    if (event->entered_count[side] < FLOW_ENTERED_MAX)
        event->entered[side][event->entered_count[side]++] = next;
    if (side == FLOW_CLIENT && next == STATE_ESTABLISHED) {
        flow->established = true;
        flow->established_time = event->time;
    }
}

static void got_fin(struct flow *flow, struct flow_event *event, enum side side)
{
    struct flow_end *end = &flow->ends[side];
    if (end->got_fin)
        return;
    end->got_fin = true;
    apply(flow, event, side, STATE_GETS_FIN);
}

/* The sender acknowledges what the other end had sent. */
static void admits(struct flow *flow, struct flow_event *event, const struct segment *segment)
{
    const struct flow_end *peer = &flow->ends[other(event->from)];
    if (has(segment, SEGMENT_ACK) && !has(segment, SEGMENT_RST) && peer->finished &&
        !before(segment->ack, peer->fin_end))
        got_fin(flow, event, event->from);
}

static void closes(struct flow *flow, struct flow_event *event, const struct segment *segment)
{
    struct flow_end *end = &flow->ends[event->from];
    const struct flow_end *peer = &flow->ends[other(event->from)];
    bool client = event->from == FLOW_CLIENT;
    if (flow->first == FLOW_NOBODY)
        flow->first = client ? FLOW_BY_CLIENT : FLOW_BY_SERVER;
    else if (!end->finished && peer->finished && !end->got_fin)
        flow->first = FLOW_BY_BOTH;
    if (!end->finished)
        apply(flow, event, event->from, STATE_SENDS_FIN);
    end->finished = true;
    end->fin_end = end_of(segment);
}

static void resets(struct flow *flow, struct flow_event *event)
{
    if (!flow->reset)
        flow->reset_by = event->from;
    flow->reset = true;
    apply(flow, event, event->from, STATE_SENDS_RST);
    apply(flow, event, other(event->from), STATE_GETS_RST);
}

static void sends(struct flow *flow, struct flow_event *event, const struct segment *segment)
{
    if (has(segment, SEGMENT_SYN))
        apply(flow, event, event->from,
              has(segment, SEGMENT_ACK) ? STATE_SENDS_SYN_ACK : STATE_SENDS_SYN);
    if (has(segment, SEGMENT_FIN))
        closes(flow, event, segment);
    if (has(segment, SEGMENT_SYN) && !flow->syn) {
        flow->syn = true;
        flow->syn_time = segment->time;
    }
}

/* An acknowledgement arrives, and with it what its sender had sent before. */
static void arrives(struct flow *flow, struct flow_event *event, const struct segment *segment)
{
    enum side to = other(event->from);
    const struct flow_end *end = &flow->ends[event->from], *peer = &flow->ends[to];
    if (end->finished && !before(segment->seq, end->fin_end))
        got_fin(flow, event, to);
    if (!has(segment, SEGMENT_ACK) || !peer->seen)
        return;
    if (before(peer->isn, segment->ack))
        apply(flow, event, to,
              has(segment, SEGMENT_SYN) ? STATE_GETS_SYN_ACK : STATE_GETS_ACK_OF_SYN);
    if (peer->finished && !before(segment->ack, peer->fin_end))
        apply(flow, event, to, STATE_GETS_ACK_OF_FIN);
}

static void move(struct flow *flow, struct flow_event *event, const struct segment *segment)
{
    if (has(segment, SEGMENT_RST)) {
        resets(flow, event);
        return;
    }
    admits(flow, event, segment);
    sends(flow, event, segment);
    arrives(flow, event, segment);
}

void flow_feed(struct flow *flow, enum side from, const struct segment *segment,
               struct flow_event *event)
{
    struct flow_end *end = &flow->ends[from];
    const struct flow_end *peer = &flow->ends[other(from)];
    *event = (struct flow_event){.time = segment->time,
                                 .from = from,
                                 .flags = segment->flags,
                                 .seq = segment->seq,
                                 .ack = segment->ack,
                                 .length = segment->length};
    end->segments++;
    event->marks = judge_probe(end, peer, segment);
    event->marks |= number(flow, end, segment);
    event->marks |= judge_ack(end, peer, segment);
    event->repeated = end->repeated;
    event->seq_zero = end->seen ? end->isn : 0;
    event->ack_zero = peer->seen ? peer->isn : 0;
    move(flow, event, segment);
}

bool flow_over(const struct flow *flow)
{
    for (size_t i = 0; i < 2; i++) {
        enum state state = flow->ends[i].state;
        if (state != STATE_CLOSED && state != STATE_TIME_WAIT)
            return false;
    }
    return true;
}
