/* SPDX-License-Identifier: MIT */
#include "tcpc/ladder.h"

#include "base/clock.h"
#include "tcpc/fold.h"
#include "tcpc/summary.h"

#include <criterion/criterion.h>
#include <string.h>

static const struct ladder_style narrow = {.width = 80};

static void draws(const struct ladder_style *style, const struct ladder_row *row,
                  const char *expected)
{
    char text[LADDER_MAX];
    size_t length = ladder_draw(text, style, row);
    cr_expect_eq(length, strlen(text));
    cr_expect_str_eq(text, expected, "%s", text);
}

/* Rows 80 columns wide, of which the time takes the first ten. */
Test(ladder, arrows_point_to_the_one_who_gets_it)
{
    struct ladder_row row = {.time = 1234567890, .from = FLOW_CLIENT, .label = "SYN seq=0"};
    draws(&narrow, &row, "  1.234567               --------------- SYN seq=0 --------------->\n");
    row.from = FLOW_SERVER;
    draws(&narrow, &row, "  1.234567               <--------------- SYN seq=0 ---------------\n");
    struct ladder_style utf8 = {.width = 60, .utf8 = true};
    draws(&utf8, &row,
          "  1.234567               \u2190\u2500\u2500\u2500\u2500\u2500 SYN seq=0 "
          "\u2500\u2500\u2500\u2500\u2500\n");
}

Test(ladder, states_stand_beside_it)
{
    struct ladder_row row = {.from = FLOW_SERVER,
                             .label = "FIN,ACK seq=1 ack=2",
                             .entered_count = {1, 2},
                             .entered = {{STATE_FIN_WAIT_2}, {STATE_CLOSE_WAIT, STATE_LAST_ACK}}};
    draws(&narrow, &row,
          "  0.000000  FIN_WAIT_2   <---------- FIN,ACK seq=1 ack=2 ----------  CLOSE_WAIT\n"
          "                                                                     LAST_ACK\n");
}

Test(ladder, a_long_label_is_broken_between_words)
{
    struct ladder_row row = {.from = FLOW_CLIENT,
                             .label = "PSH,ACK seq=4294967295 ack=4294967295 len=65483 "
                                      "(retransmission)"};
    draws(&narrow, &row,
          "  0.000000               -------- PSH,ACK seq=4294967295 --------->\n"
          "                                  ack=4294967295 len=65483\n"
          "                                      (retransmission)\n");
    strcpy(row.label, "ACK seq=1 ack=9748481 (duplicate ACK)"); /* a mark stays in one piece */
    draws(&narrow, &row,
          "  0.000000               --------- ACK seq=1 ack=9748481 --------->\n"
          "                                      (duplicate ACK)\n");
    struct ladder_style smallest = {.width = LADDER_NARROWEST};
    char text[LADDER_MAX];
    ladder_draw(text, &smallest, &row);
    for (const char *line = text; *line; line = strchr(line, '\n') + 1)
        cr_expect_leq(strcspn(line, "\n"), 60u, "%s", text);
}

Test(ladder, no_width_is_too_wide_for_the_buffer)
{
    struct ladder_style widest = {.width = LADDER_WIDEST, .utf8 = true, .colour = true};
    struct ladder_row row = {.label = "a", .entered_count = {3, 3}};
    char text[LADDER_MAX];
    memset(row.label, 'x', sizeof row.label - 1);
    size_t length = ladder_draw(text, &widest, &row);
    cr_expect_eq(text[length - 1], '\n');
    strcpy(row.label, "x");
    length = ladder_draw(text, &widest, &row);
    cr_expect_eq(text[length - 1], '\n');
    cr_expect_gt(length, 3u * 200);
}

Test(ladder, colours)
{
    struct ladder_style style = {.width = 80, .colour = true};
    struct ladder_row row = {.kind = LADDER_RST,
                             .label = "RST seq=1",
                             .entered_count = {1, 0},
                             .entered = {{STATE_CLOSED}}};
    draws(&style, &row,
          "  0.000000  \033[1mCLOSED\033[0m       \033[31m--------------- RST seq=1 "
          "--------------->\033[0m\n");
}

Test(ladder, labels)
{
    struct ladder_row row;
    struct flow_event event = {.flags = SEGMENT_ACK | SEGMENT_PSH,
                               .seq = 1005,
                               .seq_zero = 1000,
                               .ack = 2,
                               .ack_zero = UINT32_MAX,
                               .length = 7};
    ladder_of_event(&row, &event, false);
    cr_expect_str_eq(row.label, "PSH,ACK seq=5 ack=3 len=7");
    cr_expect_eq(row.kind, LADDER_DATA);
    ladder_of_event(&row, &event, true);
    cr_expect_str_eq(row.label, "PSH,ACK seq=1005 ack=2 len=7");
    event = (struct flow_event){
        .flags = SEGMENT_ACK, .marks = FLOW_DUPLICATE_ACK | FLOW_ZERO_WINDOW, .repeated = 3};
    ladder_of_event(&row, &event, false);
    cr_expect_str_eq(row.label, "ACK seq=0 ack=0 (duplicate ACK 3) (zero window)");
    cr_expect_eq(row.kind, LADDER_MARKED);
    event = (struct flow_event){.flags = SEGMENT_SYN};
    ladder_of_event(&row, &event, false);
    cr_expect_str_eq(row.label, "SYN seq=0");
    cr_expect_eq(row.kind, LADDER_SYN);
}

Test(ladder, folded)
{
    struct ladder_row row;
    struct fold_sum sum = {.segments = 412, .bytes = 596 * 1024};
    ladder_of_fold(&row, FLOW_SERVER, &sum, 5, true);
    cr_expect_str_eq(row.label, "\u2026 412 segments, 596 KiB");
    sum = (struct fold_sum){5, 0, {2, 0, 1, 1}};
    ladder_of_fold(&row, FLOW_SERVER, &sum, 5, false);
    cr_expect_str_eq(row.label, "... 5 segments, no data (2 retransmissions) (1 duplicate ACK) "
                                "(1 zero window)");
    sum = (struct fold_sum){.segments = 1};
    ladder_of_fold(&row, FLOW_SERVER, &sum, 5, false);
    cr_expect_str_eq(row.label, "... 1 segment, no data");
}

Test(ladder, sizes)
{
    char text[LADDER_SIZE_MAX];
    cr_expect_str_eq(ladder_size(1, text), "1 byte");
    cr_expect_str_eq(ladder_size(10239, text), "10239 bytes");
    cr_expect_str_eq(ladder_size(10240, text), "10 KiB");
    cr_expect_str_eq(ladder_size(UINT64_C(300) << 20, text), "300 MiB");
    cr_expect_str_eq(ladder_size(UINT64_MAX, text), "16777216 TiB");
}

Test(ladder, heading)
{
    char text[LADDER_MAX];
    ladder_heading(text, &narrow, "1.2.3.4:5", "6.7.8.9:10");
    cr_expect_str_eq(text, "            client 1.2.3.4:5                                   "
                           "6.7.8.9:10 server\n");
    ladder_heading(text, &narrow, "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:1]:50000",
                   "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:2]:50000");
    cr_expect_str_eq(text, "            client [2001:db8:aaaa:bbbb:cccc:dddd:eeee:1]:50000\n"
                           "                              "
                           "[2001:db8:aaaa:bbbb:cccc:dddd:eeee:2]:50000 server\n");
}

/* --- what is folded --- */

static struct flow_event plain(uint64_t milliseconds)
{
    return (struct flow_event){
        .time = milliseconds * CLOCK_MS, .flags = SEGMENT_ACK, .length = 100};
}

/* Feeds so many, a millisecond apart; returns how many are shown. */
static unsigned show(struct fold *fold, uint64_t *time, unsigned count)
{
    unsigned shown = 0;
    for (unsigned i = 0; i < count; i++) {
        struct flow_event event = plain(++*time);
        cr_expect_not(fold_ends(fold, &event));
        shown += fold_take(fold, &event);
    }
    return shown;
}

Test(fold, the_first_are_shown_and_the_rest_added_up)
{
    struct fold fold = {0};
    uint64_t time = 1000;
    cr_expect_eq(show(&fold, &time, 50), (unsigned)FOLD_SHOWN);
    cr_expect_eq(fold.sums[FLOW_CLIENT].segments, 50u - FOLD_SHOWN);
    cr_expect_eq(fold.sums[FLOW_CLIENT].bytes, 100u * (50 - FOLD_SHOWN));
    cr_expect_not(fold_due(&fold, time * CLOCK_MS));
    cr_expect(fold_due(&fold, time * CLOCK_MS + FOLD_PAUSE));
    struct flow_event late = plain(time + 300);
    cr_expect(fold_ends(&fold, &late)); /* a pause begins another run */
    fold_clear(&fold);
    cr_expect(fold_take(&fold, &late));
    cr_expect_not(fold_holds(&fold));
}

Test(fold, what_matters_is_always_shown)
{
    struct fold fold = {0};
    uint64_t time = 1000;
    show(&fold, &time, 50);
    struct flow_event event = plain(time);
    event.marks = FLOW_RETRANSMISSION;
    cr_expect(fold_ends(&fold, &event));
    fold_clear(&fold);
    cr_expect(fold_take(&fold, &event));
    cr_expect_eq(show(&fold, &time, 5), 0u); /* the run goes on */
    event = plain(time);
    event.flags |= SEGMENT_FIN;
    event.entered_count[FLOW_CLIENT] = 1;
    cr_expect(fold_ends(&fold, &event));
    fold_clear(&fold);
    cr_expect(fold_take(&fold, &event));
    cr_expect_eq(show(&fold, &time, 5), 5u); /* another one */
}

Test(fold, marks_have_their_own_measure)
{
    struct fold fold = {0};
    uint64_t time = 1000;
    unsigned shown = 0;
    show(&fold, &time, 1);
    for (unsigned i = 0; i < 50; i++) {
        struct flow_event event = plain(++time);
        event.marks = FLOW_DUPLICATE_ACK | FLOW_ZERO_WINDOW;
        cr_expect_eq(fold_ends(&fold, &event), false);
        shown += fold_take(&fold, &event);
    }
    cr_expect_eq(shown, (unsigned)FOLD_SHOWN);
    cr_expect_eq(fold.sums[FLOW_CLIENT].marks[2], 40u);
    cr_expect_eq(fold.sums[FLOW_CLIENT].marks[3], 40u);
    cr_expect_eq(fold.sums[FLOW_CLIENT].marks[0], 0u);
}

Test(fold, sums_are_told_while_it_lasts)
{
    struct fold fold = {0};
    uint64_t time = 1000;
    show(&fold, &time, 1000);
    struct flow_event event = plain(time + 100);
    cr_expect(fold_ends(&fold, &event));
    cr_expect(fold_due(&fold, (time + 100) * CLOCK_MS));
}

/* --- the sums --- */

static void says(const struct summary *summary, size_t line, const char *expected)
{
    cr_assert_lt(line, summary->count);
    cr_expect_str_eq(summary->lines[line], expected, "%s", summary->lines[line]);
}

Test(summary, of_a_flow)
{
    struct summary summary = {.count = 0};
    struct flow flow = {
        .ends = {{.state = STATE_TIME_WAIT, .segments = 6, .bytes = 3, .retransmits = 2},
                 {.state = STATE_CLOSED, .segments = 1, .bytes = 1, .duplicate_acks = 4}},
        .first = FLOW_BY_CLIENT,
        .established = true,
        .syn_time = CLOCK_S,
        .established_time = CLOCK_S + 1500 * CLOCK_US};
    summary_of_flow(&summary, &flow, 40000);
    cr_expect_eq(summary.count, 6u);
    says(&summary, 0, "handshake: 1.500 ms");
    says(&summary, 1, "client to server: 6 segments, 3 bytes");
    says(&summary, 2, "server to client: 1 segment, 1 byte");
    says(&summary, 3, "retransmits: client 2, server 0; duplicate ACKs: client 0, server 4");
    says(&summary, 4, "first to close: the client");
    says(&summary, 5, "TIME_WAIT: the client's port 40000 is held for 60 s");
}

static void waits(enum state client, enum state server, bool reset, const char *expected)
{
    struct summary summary = {.count = 0};
    struct flow flow = {.ends = {{.state = client}, {.state = server}}, .reset = reset};
    summary_of_flow(&summary, &flow, 7);
    says(&summary, 5, expected);
}

Test(summary, time_wait)
{
    waits(STATE_TIME_WAIT, STATE_TIME_WAIT, false,
          "TIME_WAIT: the client's port 7 is held for 60 s, and the server waits too");
    waits(STATE_CLOSED, STATE_TIME_WAIT, false,
          "TIME_WAIT: at the server; the client's port 7 is free");
    waits(STATE_CLOSED, STATE_CLOSED, true,
          "TIME_WAIT: none after a reset; the client's port 7 is free");
    waits(STATE_FIN_WAIT_2, STATE_CLOSE_WAIT, false, "TIME_WAIT: not seen");
}

Test(summary, of_what_did_not_come_about)
{
    struct summary summary = {.count = 0};
    struct flow flow = {.syn = true};
    summary_of_flow(&summary, &flow, 7);
    says(&summary, 0, "handshake: no answer");
    says(&summary, 4, "first to close: nobody");
    flow.reset = true;
    flow.reset_by = FLOW_SERVER;
    summary.count = 0;
    summary_of_flow(&summary, &flow, 7);
    says(&summary, 0, "handshake: refused");
    says(&summary, 4, "first to close: nobody; reset by the server");
}

Test(summary, never_overflows)
{
    struct summary summary = {.count = 0};
    for (int i = 0; i < 100; i++)
        summary_add(&summary, "%0300d", 1);
    cr_expect_eq(summary.count, (size_t)SUMMARY_LINES);
}
