/* SPDX-License-Identifier: MIT */
#include "tcpc/summary.h"

#include "base/clock.h"
#include "tcpc/ladder.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

void summary_add(struct summary *summary, const char *format, ...)
{
    if (summary->count == SUMMARY_LINES)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(summary->lines[summary->count++], SUMMARY_LINE_MAX, format, args);
    va_end(args);
}

static void add_handshake(struct summary *summary, const struct flow *flow)
{
    uint64_t time = flow->established_time - flow->syn_time;
    if (flow->established)
        summary_add(summary, "handshake: %.3f ms", (double)time / (double)CLOCK_MS);
    else if (flow->reset)
        summary_add(summary, "handshake: refused");
    else
        summary_add(summary, "handshake: no answer");
}

static void add_end(struct summary *summary, const char *name, const struct flow_end *end)
{
    summary_add(summary, "%s: %" PRIu64 " segment%s, %" PRIu64 " byte%s", name, end->segments,
                end->segments == 1 ? "" : "s", end->bytes, end->bytes == 1 ? "" : "s");
}

static void add_repeats(struct summary *summary, const struct flow_end *client,
                        const struct flow_end *server)
{
    summary_add(summary,
                "retransmits: client %" PRIu64 ", server %" PRIu64
                "; duplicate ACKs: client %" PRIu64 ", server %" PRIu64,
                client->retransmits, server->retransmits, client->duplicate_acks,
                server->duplicate_acks);
}

void summary_of_closing(struct summary *summary, enum flow_first first, const char *reset)
{
    static const char *const firsts[] = {
        [FLOW_NOBODY] = "nobody",
        [FLOW_BY_CLIENT] = "the client",
        [FLOW_BY_SERVER] = "the server",
        [FLOW_BY_BOTH] = "both at once",
    };
    summary_add(summary, "first to close: %s%s", firsts[first], reset);
}

static const char *reset_words(const struct flow *flow)
{
    if (!flow->reset)
        return "";
    return flow->reset_by == FLOW_CLIENT ? "; reset by the client" : "; reset by the server";
}

void summary_of_time_wait(struct summary *summary, bool client, bool server, bool reset,
                          unsigned client_port)
{
    if (client)
        summary_add(summary, "TIME_WAIT: the client's port %u is held for %d s%s", client_port,
                    SUMMARY_TIME_WAIT, server ? ", and the server waits too" : "");
    else if (server)
        summary_add(summary, "TIME_WAIT: at the server; the client's port %u is free", client_port);
    else if (reset)
        summary_add(summary, "TIME_WAIT: none after a reset; the client's port %u is free",
                    client_port);
    else
        summary_add(summary, "TIME_WAIT: not seen");
}

void summary_of_flow(struct summary *summary, const struct flow *flow, unsigned client_port)
{
    const struct flow_end *client = &flow->ends[FLOW_CLIENT], *server = &flow->ends[FLOW_SERVER];
    add_handshake(summary, flow);
    add_end(summary, "client to server", client);
    add_end(summary, "server to client", server);
    add_repeats(summary, client, server);
    summary_of_closing(summary, flow->first, reset_words(flow));
    summary_of_time_wait(summary, client->state == STATE_TIME_WAIT,
                         server->state == STATE_TIME_WAIT, flow->reset, client_port);
}
