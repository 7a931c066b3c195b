/* SPDX-License-Identifier: MIT */
#include "tcpc/attempt.h"

#include "base/clock.h"
#include "io/sock.h"

#include <inttypes.h>
#include <poll.h>
#include <sys/socket.h>

#define LAST_LOOKS 200 /* milliseconds for the last states */

static void draw_state(struct attempt *attempt, uint64_t time, enum state state)
{
    struct canvas *canvas = attempt->sheet->canvas;
    struct ladder_row row = {
        .time = time - attempt->sheet->story->start, .entered_count = {1, 0}, .entered = {{state}}};
    attempt_head(attempt);
    canvas->ops->row(canvas, &row);
}

static void note_first(struct attempt *attempt, enum state state)
{
    if (attempt->first != FLOW_NOBODY)
        return;
    if (state == STATE_CLOSING)
        attempt->first = FLOW_BY_BOTH;
    else if (state == STATE_FIN_WAIT_1 || state == STATE_FIN_WAIT_2)
        attempt->first = FLOW_BY_CLIENT;
    else if (state == STATE_CLOSE_WAIT || state == STATE_LAST_ACK)
        attempt->first = FLOW_BY_SERVER;
}

/* The handshake is over before anybody looked: it has been in SYN_SENT all the same. */
static void enter(struct attempt *attempt, enum state before, enum state state)
{
    uint64_t now = clock_now();
    if (before == STATE_UNKNOWN && state != STATE_SYN_SENT)
        draw_state(attempt, attempt->begun, STATE_SYN_SENT);
    if (!attempt->established && state != STATE_SYN_SENT && state != STATE_CLOSED)
        attempt->established = now;
    note_first(attempt, state);
    draw_state(attempt, now, state);
}

/* CLOSED may be TIME_WAIT, or a reset: only the last look can tell. */
void attempt_ask(struct attempt *attempt)
{
    struct kernel kernel;
    enum state before = attempt->kernel.state;
    if (attempt->socket < 0 || !attempt->sheet->canvas || !kernel_ask(attempt->socket, &kernel))
        return;
    enum state state = kernel.state;
    attempt->kernel = kernel;
    if (!attempt->established) /* connect(2) chooses the address */
        sock_local(attempt->socket, &attempt->local);
    if (state == STATE_CLOSED || state == STATE_UNKNOWN)
        attempt->kernel.state = before;
    else if (state != before)
        enter(attempt, before, state);
}

void attempt_ask_finishing(struct attempt *attempt)
{
    attempt_ask(attempt);
    enum state before = attempt->kernel.state, next = state_next(before, STATE_SENDS_FIN);
    if (!attempt->sheet->canvas || next == STATE_UNKNOWN)
        return;
    attempt->kernel.state = next;
    enter(attempt, before, next);
}

bool attempt_is_restless(const struct attempt *attempt)
{
    static const bool restless[STATES] = {
        [STATE_SYN_SENT] = true,
        [STATE_FIN_WAIT_1] = true,
        [STATE_CLOSING] = true,
        [STATE_LAST_ACK] = true,
    };
    return !attempt->capture && attempt->socket >= 0 && restless[attempt->kernel.state];
}

/* How a closed socket ended, from the state before. */
static enum state last_state(enum state before, bool reset)
{
    bool waits =
        before == STATE_FIN_WAIT_1 || before == STATE_FIN_WAIT_2 || before == STATE_CLOSING;
    return waits && !reset ? STATE_TIME_WAIT : STATE_CLOSED;
}

static bool is_closed(int socket)
{
    struct kernel kernel;
    return !kernel_ask(socket, &kernel) || kernel.state == STATE_CLOSED;
}

/* The peer has finished, and closing would send our FIN: sent now, its end can be seen. */
static void see_it_out(struct attempt *attempt)
{
    if (attempt->kernel.state == STATE_CLOSE_WAIT) {
        attempt_ask_finishing(attempt);
        shutdown(attempt->socket, SHUT_WR);
    }
    attempt_ask(attempt);
    for (int i = 0; i < LAST_LOOKS && !is_closed(attempt->socket); i++) {
        poll(NULL, 0, 1);
        attempt_ask(attempt);
    }
}

void attempt_ask_last(struct attempt *attempt, bool reset)
{
    attempt_ask(attempt);
    enum state before = attempt->kernel.state;
    attempt->reset = reset;
    if (!attempt->sheet->canvas || attempt->kernel.segments_out == 0)
        return; /* not even a SYN was sent */
    if (before == STATE_UNKNOWN)
        draw_state(attempt, attempt->begun, STATE_SYN_SENT);
    if (!reset && before > STATE_ESTABLISHED)
        see_it_out(attempt);
    if (!is_closed(attempt->socket) && before != STATE_SYN_SENT)
        return; /* what closing will do, nobody will see */
    attempt->kernel.state = last_state(attempt->kernel.state, reset);
    draw_state(attempt, clock_now(), attempt->kernel.state);
}

void attempt_kernel_sum_up(const struct attempt *attempt, struct summary *summary)
{
    const struct kernel *kernel = &attempt->kernel;
    uint64_t handshake = attempt->established - attempt->begun;
    bool fin = kernel->state == STATE_TIME_WAIT || attempt->first == FLOW_BY_SERVER;
    if (!attempt->established) {
        summary_add(summary, "handshake: none");
        return;
    }
    summary_add(summary, "handshake: %.3f ms", (double)handshake / (double)CLOCK_MS);
    summary_add(summary, "client to server: %" PRIu32 " segments, %" PRIu64 " bytes",
                kernel->segments_out, kernel->bytes_out);
    summary_add(summary, "server to client: %" PRIu32 " segments, %" PRIu64 " bytes",
                kernel->segments_in, kernel->bytes_in - fin);
    summary_add(summary, "retransmits: client %" PRIu32, kernel->retransmits);
    summary_of_closing(summary, attempt->first, attempt->reset ? "; reset" : "");
    summary_of_time_wait(summary, kernel->state == STATE_TIME_WAIT,
                         attempt->first == FLOW_BY_SERVER && !attempt->reset, attempt->reset,
                         attempt->local.port);
    summary_add(summary, "not captured: these are the states that the kernel tells of the client");
}
