/* SPDX-License-Identifier: MIT */
/* Every situation as a list of segments, with what each of them must do. */
#include "tcpc/flow.h"

#include "base/clock.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define C    FLOW_CLIENT
#define S    FLOW_SERVER
#define SYN  SEGMENT_SYN
#define FIN  SEGMENT_FIN
#define RST  SEGMENT_RST
#define ACK  SEGMENT_ACK
#define FULL 1000 /* a window that is open */

struct step {
    enum side from;
    uint8_t flags;
    uint32_t seq, ack, length; /* less the initial numbers of the two sides */
    uint16_t window;
    const char *client, *server; /* the states that they enter, with blanks between */
    unsigned marks;
    unsigned after; /* milliseconds since the step before */
};

static const uint32_t numbers[][2] = {
    {0, 0}, {1000, 2000000000}, {UINT32_MAX, UINT32_MAX - 3}, {0x7fffffff, 0x80000000}};

static const char *entered(const struct flow_event *event, enum side side, char buffer[64])
{
    buffer[0] = '\0';
    for (size_t i = 0; i < event->entered_count[side]; i++) {
        strcat(buffer, i ? " " : "");
        strcat(buffer, state_name(event->entered[side][i]));
    }
    return buffer;
}

static void take(struct flow *flow, const struct step *step, size_t number, const uint32_t isn[2],
                 uint64_t time)
{
    char text[64];
    struct flow_event event;
    struct segment segment = {.time = time,
                              .flags = step->flags,
                              .seq = isn[step->from] + step->seq,
                              .ack = step->flags & ACK ? isn[!step->from] + step->ack : 0,
                              .length = step->length,
                              .window = step->window};
    flow_feed(flow, step->from, &segment, &event);
    cr_expect_str_eq(entered(&event, C, text), step->client, "step %zu: client: %s", number, text);
    cr_expect_str_eq(entered(&event, S, text), step->server, "step %zu: server: %s", number, text);
    cr_expect_eq(event.marks, step->marks, "step %zu: marks %x", number, event.marks);
    if (flow->ends[step->from].seen)
        cr_expect_eq(event.seq - event.seq_zero, step->seq, "step %zu: seq", number);
    if (step->flags & ACK)
        cr_expect_eq(event.ack - event.ack_zero, step->ack, "step %zu: ack", number);
}

/* Wherever the numbers begin, the outcome must be the same. */
static void play(struct flow *flow, const struct step *steps, size_t count)
{
    for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++) {
        uint64_t time = 5 * CLOCK_S;
        *flow = (struct flow){.first = FLOW_NOBODY};
        for (size_t i = 0; i < count; i++) {
            time += steps[i].after * CLOCK_MS;
            take(flow, &steps[i], i, numbers[n], time);
        }
    }
}

#define PLAY(flow, ...)                                                                            \
    do {                                                                                           \
        const struct step steps[] = {__VA_ARGS__};                                                 \
        play(flow, steps, sizeof steps / sizeof *steps);                                           \
    } while (0)

/* clang-format off */
#define HANDSHAKE                                                                                  \
    {C, SYN, 0, 0, 0, FULL, "SYN_SENT", "", 0, 0},                                                 \
    {S, SYN | ACK, 0, 1, 0, FULL, "ESTABLISHED", "SYN_RCVD", 0, 10},                               \
    {C, ACK, 1, 1, 0, FULL, "", "ESTABLISHED", 0, 0}

static void ends(const struct flow *flow, enum flow_first first, uint64_t sent, uint64_t received)
{
    cr_expect(flow_over(flow));
    cr_expect_eq(flow->first, first);
    cr_expect_eq(flow->ends[C].bytes, sent, "%lu", (unsigned long)flow->ends[C].bytes);
    cr_expect_eq(flow->ends[S].bytes, received, "%lu", (unsigned long)flow->ends[S].bytes);
}

Test(flow, the_client_closes_first)
{
    struct flow flow;
    PLAY(&flow, HANDSHAKE,
         {C, ACK, 1, 1, 3, FULL, "", "", 0, 0},
         {S, ACK, 1, 4, 6, FULL, "", "", 0, 0},
         {C, ACK, 4, 7, 0, FULL, "", "", 0, 0},
         {C, FIN | ACK, 4, 7, 0, FULL, "FIN_WAIT_1", "", 0, 0},
         {S, ACK, 7, 5, 0, FULL, "FIN_WAIT_2", "CLOSE_WAIT", 0, 0},
         {S, FIN | ACK, 7, 5, 0, FULL, "", "LAST_ACK", 0, 0},
         {C, ACK, 5, 8, 0, FULL, "TIME_WAIT", "CLOSED", 0, 0});
    ends(&flow, FLOW_BY_CLIENT, 3, 6);
    cr_expect_eq(flow.established_time - flow.syn_time, 10 * CLOCK_MS);
    cr_expect_eq(flow.ends[C].segments, 6u);
    cr_expect_eq(flow.ends[S].segments, 4u);
}

Test(flow, the_server_closes_first)
{
    struct flow flow;
    PLAY(&flow, HANDSHAKE,
         {S, FIN | ACK, 1, 1, 4, FULL, "", "FIN_WAIT_1", 0, 0},
         {C, ACK, 1, 6, 0, FULL, "CLOSE_WAIT", "FIN_WAIT_2", 0, 0},
         {C, FIN | ACK, 1, 6, 0, FULL, "LAST_ACK", "", 0, 0},
         {S, ACK, 6, 2, 0, FULL, "CLOSED", "TIME_WAIT", 0, 0});
    ends(&flow, FLOW_BY_SERVER, 0, 4);
}

Test(flow, three_segments_close)
{
    struct flow flow;
    PLAY(&flow, HANDSHAKE,
         {C, FIN | ACK, 1, 1, 0, FULL, "FIN_WAIT_1", "", 0, 0},
         {S, FIN | ACK, 1, 2, 0, FULL, "FIN_WAIT_2", "CLOSE_WAIT LAST_ACK", 0, 0},
         {C, ACK, 2, 2, 0, FULL, "TIME_WAIT", "CLOSED", 0, 0});
    ends(&flow, FLOW_BY_CLIENT, 0, 0);
}

Test(flow, both_close_at_once)
{
    struct flow flow;
    PLAY(&flow, HANDSHAKE,
         {C, FIN | ACK, 1, 1, 0, FULL, "FIN_WAIT_1", "", 0, 0},
         {S, FIN | ACK, 1, 1, 0, FULL, "", "FIN_WAIT_1", 0, 0},
         {C, ACK, 2, 2, 0, FULL, "CLOSING", "CLOSING TIME_WAIT", 0, 0},
         {S, ACK, 2, 2, 0, FULL, "TIME_WAIT", "", 0, 0});
    ends(&flow, FLOW_BY_BOTH, 0, 0);
    PLAY(&flow, HANDSHAKE, /* captured the other way round */
         {S, FIN | ACK, 1, 1, 0, FULL, "", "FIN_WAIT_1", 0, 0},
         {C, FIN | ACK, 1, 1, 0, FULL, "FIN_WAIT_1", "", 0, 0},
         {S, ACK, 2, 2, 0, FULL, "CLOSING TIME_WAIT", "CLOSING", 0, 0},
         {C, ACK, 2, 2, 0, FULL, "", "TIME_WAIT", 0, 0});
    ends(&flow, FLOW_BY_BOTH, 0, 0);
}

Test(flow, both_open_at_once)
{
    struct flow flow;
    PLAY(&flow,
         {C, SYN, 0, 0, 0, FULL, "SYN_SENT", "", 0, 0},
         {S, SYN, 0, 0, 0, FULL, "", "SYN_SENT", 0, 0},
         {C, SYN | ACK, 0, 1, 0, FULL, "SYN_RCVD", "ESTABLISHED", FLOW_RETRANSMISSION, 0},
         {S, SYN | ACK, 0, 1, 0, FULL, "ESTABLISHED", "", FLOW_RETRANSMISSION, 0});
    cr_expect_eq(flow.ends[S].state, STATE_ESTABLISHED);
}

Test(flow, half_close_with_data_back)
{
    struct flow flow;
    PLAY(&flow, HANDSHAKE,
         {C, FIN | ACK, 1, 1, 5, FULL, "FIN_WAIT_1", "", 0, 0},
         {S, ACK, 1, 7, 0, FULL, "FIN_WAIT_2", "CLOSE_WAIT", 0, 0},
         {S, ACK, 1, 7, 100, FULL, "", "", 0, 0},
         {C, ACK, 7, 101, 0, FULL, "", "", 0, 0},
         {S, ACK, 101, 7, 100, FULL, "", "", 0, 0},
         {C, ACK, 7, 201, 0, FULL, "", "", 0, 0},
         {S, FIN | ACK, 201, 7, 0, FULL, "", "LAST_ACK", 0, 0},
         {C, ACK, 7, 202, 0, FULL, "TIME_WAIT", "CLOSED", 0, 0});
    ends(&flow, FLOW_BY_CLIENT, 5, 200);
}

Test(flow, resets)
{
    struct flow flow;
    PLAY(&flow, HANDSHAKE, {S, RST | ACK, 1, 1, 0, 0, "CLOSED", "CLOSED", 0, 0});
    ends(&flow, FLOW_NOBODY, 0, 0);
    cr_expect(flow.reset && flow.reset_by == S);
    PLAY(&flow, HANDSHAKE, {C, RST, 1, 0, 0, 0, "CLOSED", "CLOSED", 0, 0});
    cr_expect(flow.reset && flow.reset_by == C);
    PLAY(&flow, HANDSHAKE, /* it has closed, and gets data */
         {C, FIN | ACK, 1, 1, 0, FULL, "FIN_WAIT_1", "", 0, 0},
         {S, ACK, 1, 2, 9, FULL, "FIN_WAIT_2", "CLOSE_WAIT", 0, 0},
         {C, RST, 2, 0, 0, 0, "CLOSED", "CLOSED", 0, 0},
         {S, RST, 10, 0, 0, 0, "", "", 0, 0});
    ends(&flow, FLOW_BY_CLIENT, 0, 9);
    cr_expect(flow.reset && flow.reset_by == C);
}

Test(flow, a_reset_ends_time_wait)
{
    struct flow flow;
    PLAY(&flow, HANDSHAKE,
         {C, FIN | ACK, 1, 1, 0, FULL, "FIN_WAIT_1", "", 0, 0},
         {S, FIN | ACK, 1, 2, 0, FULL, "FIN_WAIT_2", "CLOSE_WAIT LAST_ACK", 0, 0},
         {C, ACK, 2, 2, 0, FULL, "TIME_WAIT", "CLOSED", 0, 0},
         {S, RST, 2, 0, 0, 0, "CLOSED", "", 0, 0});
}

Test(flow, refused)
{
    struct flow flow;
    struct flow_event event;
    struct segment syn = {.flags = SYN, .seq = 77}, rst = {.flags = RST | ACK, .ack = 78};
    flow = (struct flow){.first = FLOW_NOBODY};
    flow_feed(&flow, C, &syn, &event);
    cr_expect_not(flow_over(&flow));
    flow_feed(&flow, S, &rst, &event);
    cr_expect_eq(event.seq - event.seq_zero, 0u); /* the server has no number of its own */
    cr_expect_eq(event.ack - event.ack_zero, 1u);
    ends(&flow, FLOW_NOBODY, 0, 0);
    cr_expect(flow.reset && !flow.established);
}

Test(flow, silence)
{
    struct flow flow;
    PLAY(&flow,
         {C, SYN, 0, 0, 0, FULL, "SYN_SENT", "", 0, 0},
         {C, SYN, 0, 0, 0, FULL, "", "", FLOW_RETRANSMISSION, 1000},
         {C, SYN, 0, 0, 0, FULL, "", "", FLOW_RETRANSMISSION, 2000},
         {S, SYN | ACK, 0, 1, 0, FULL, "ESTABLISHED", "SYN_RCVD", 0, 0},
         {S, SYN | ACK, 0, 1, 0, FULL, "", "", FLOW_RETRANSMISSION, 1000},
         {C, ACK, 1, 1, 0, FULL, "", "ESTABLISHED", 0, 0});
    cr_expect_eq(flow.ends[C].retransmits, 2u);
    cr_expect_eq(flow.ends[S].retransmits, 1u);
    cr_expect_eq(flow.established_time - flow.syn_time, 3 * CLOCK_S);
}

Test(flow, data_that_is_sent_again)
{
    struct flow flow;
    PLAY(&flow, HANDSHAKE,
         {C, ACK, 1, 1, 10, FULL, "", "", 0, 0},
         {C, ACK, 1, 1, 10, FULL, "", "", FLOW_RETRANSMISSION, 200},
         {C, ACK, 1, 1, 15, FULL, "", "", FLOW_RETRANSMISSION, 200}, /* with five that are new */
         {S, ACK, 1, 16, 0, FULL, "", "", 0, 0},
         {C, FIN | ACK, 16, 1, 0, FULL, "FIN_WAIT_1", "", 0, 0},
         {C, FIN | ACK, 16, 1, 0, FULL, "", "", FLOW_RETRANSMISSION, 200},
         {S, FIN | ACK, 1, 17, 0, FULL, "FIN_WAIT_2", "CLOSE_WAIT LAST_ACK", 0, 0},
         {S, FIN | ACK, 1, 17, 0, FULL, "", "", FLOW_RETRANSMISSION, 200},
         {C, ACK, 17, 2, 0, FULL, "TIME_WAIT", "CLOSED", 0, 0});
    ends(&flow, FLOW_BY_CLIENT, 15, 0);
    cr_expect_eq(flow.ends[C].retransmits, 3u);
}

Test(flow, a_gap_that_is_filled)
{
    struct flow flow;
    PLAY(&flow, HANDSHAKE,
         {S, ACK, 1, 1, 100, FULL, "", "", 0, 0},
         {C, ACK, 1, 101, 0, FULL, "", "", 0, 0},
         {S, ACK, 201, 1, 100, FULL, "", "", 0, 0}, /* the second hundred is missing */
         {C, ACK, 1, 101, 0, FULL, "", "", FLOW_DUPLICATE_ACK, 0},
         {S, ACK, 301, 1, 100, FULL, "", "", 0, 0},
         {C, ACK, 1, 101, 0, FULL, "", "", FLOW_DUPLICATE_ACK, 0},
         {S, ACK, 101, 1, 100, FULL, "", "", FLOW_RETRANSMISSION, 11}, /* after a round trip */
         {C, ACK, 1, 401, 0, FULL, "", "", 0, 0});
    cr_expect_eq(flow.ends[S].bytes, 400u);
    cr_expect_eq(flow.ends[S].retransmits, 1u);
    cr_expect_eq(flow.ends[C].duplicate_acks, 2u);
    cr_expect_eq(flow.ends[S].hole_count, 0u);
}

Test(flow, what_was_overtaken)
{
    struct flow flow;
    PLAY(&flow, HANDSHAKE,
         {S, ACK, 101, 1, 100, FULL, "", "", 0, 0},
         {S, ACK, 51, 1, 50, FULL, "", "", FLOW_OUT_OF_ORDER, 9}, /* within a round trip */
         {S, ACK, 1, 1, 50, FULL, "", "", FLOW_OUT_OF_ORDER, 0},
         {S, ACK, 1, 1, 50, FULL, "", "", FLOW_RETRANSMISSION, 0}, /* that one was there */
         {C, ACK, 1, 201, 0, FULL, "", "", 0, 0});
    cr_expect_eq(flow.ends[S].bytes, 200u);
    cr_expect_eq(flow.ends[S].retransmits, 1u);
}

Test(flow, a_fin_that_comes_too_early_is_not_there_yet)
{
    struct flow flow;
    PLAY(&flow, HANDSHAKE,
         {S, FIN | ACK, 101, 1, 0, FULL, "", "FIN_WAIT_1", 0, 0},
         {C, ACK, 1, 1, 0, FULL, "", "", FLOW_DUPLICATE_ACK, 0},
         {S, ACK, 1, 1, 100, FULL, "", "", FLOW_RETRANSMISSION, 20},
         {C, ACK, 1, 102, 0, FULL, "CLOSE_WAIT", "FIN_WAIT_2", 0, 0});
}

Test(flow, duplicates_are_counted_in_a_row)
{
    struct flow flow = {.first = FLOW_NOBODY};
    struct flow_event event;
    struct segment data = {.flags = ACK, .seq = 1, .length = 100, .window = FULL};
    struct segment ack = {.flags = ACK, .seq = 1, .ack = 1, .window = FULL};
    flow_feed(&flow, S, &data, &event);
    for (unsigned i = 0; i < 5; i++) {
        flow_feed(&flow, C, &ack, &event);
        cr_expect_eq(event.repeated, i);
    }
    ack.window++; /* news: a window update */
    flow_feed(&flow, C, &ack, &event);
    cr_expect_eq(event.marks, 0u);
    ack.ack = 101;
    flow_feed(&flow, C, &ack, &event);
    flow_feed(&flow, C, &ack, &event); /* nothing waits to be acknowledged */
    cr_expect_eq(event.marks, 0u);
}

Test(flow, windows)
{
    struct flow flow;
    PLAY(&flow, HANDSHAKE,
         {C, ACK, 1, 1, 10, FULL, "", "", 0, 0},
         {S, ACK, 1, 11, 0, 0, "", "", FLOW_ZERO_WINDOW, 0},
         {C, ACK, 10, 1, 0, FULL, "", "", FLOW_WINDOW_PROBE, 200},
         {S, ACK, 1, 11, 0, 0, "", "", FLOW_ZERO_WINDOW, 0},
         {S, ACK, 1, 11, 0, FULL, "", "", FLOW_WINDOW_OPENS, 0},
         {C, ACK, 11, 1, 10, FULL, "", "", 0, 0},
         {S, ACK, 1, 21, 0, FULL, "", "", 0, 0},
         {C, ACK, 20, 1, 0, FULL, "", "", FLOW_KEEP_ALIVE, 7000},
         {S, ACK, 1, 21, 0, FULL, "", "", 0, 0});
    cr_expect_eq(flow.ends[C].bytes, 20u);
}

Test(flow, more_than_four_gigabytes)
{
    struct flow flow = {.first = FLOW_NOBODY};
    struct flow_event event;
    struct segment data = {.flags = ACK, .seq = 1, .length = 1u << 30, .window = FULL};
    for (int i = 0; i < 9; i++, data.seq += data.length)
        flow_feed(&flow, S, &data, &event);
    cr_expect_eq(flow.ends[S].bytes, UINT64_C(9) << 30);
    cr_expect_eq(flow.ends[S].retransmits, 0u);
}
/* clang-format on */

Test(flow, holes_without_number)
{
    struct flow flow = {.first = FLOW_NOBODY};
    struct flow_event event;
    struct segment data = {.flags = ACK, .seq = 1, .length = 1, .window = FULL};
    for (int i = 0; i < 1000; i++, data.seq += 2)
        flow_feed(&flow, S, &data, &event);
    cr_expect_eq(flow.ends[S].hole_count, (size_t)FLOW_HOLES_MAX);
    cr_expect_eq(flow.ends[S].bytes, 1999u);
}
