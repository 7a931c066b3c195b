/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/log.h"
#include "conn/record.h"
#include "conn/state.h"

#include <sys/socket.h>
#include <sys/wait.h>

static void add_ends(struct log_line *line, const struct conn *conn)
{
    char text[ADDR_TEXT_MAX];
    struct ends ends;
    conn_ends(conn, &ends);
    log_add(line, "peer", conn_peer_format(&ends.peer, text));
    if (ends.via.family != AF_UNSPEC)
        log_add(line, "via", conn_peer_format(&ends.via, text));
    log_add(line, "local", conn_local_format(&ends.local, conn->listener->address.path, text));
}

static void add_bytes(struct log_line *line, const struct conn *conn)
{
    if (conn->phase == CONN_AWAY && !conn_service(conn)->program->counts_bytes)
        return;
    log_add_number(line, "in", conn->received);
    log_add_number(line, "out", conn->sent);
}

/* How its program has ended, when that is known. */
static void add_outcome(struct log_line *line, const struct conn *conn)
{
    if (conn->phase != CONN_AWAY || !conn->away->pid)
        return;
    const struct spawn_answer *outcome = &conn->away->outcome;
    log_add_number(line, "pid", (uint64_t)conn->away->pid);
    if (outcome->order != SPAWN_ENDED && outcome->order != SPAWN_ORPHAN_ENDED)
        return;
    if (WIFSIGNALED(outcome->status))
        log_add_number(line, "signal", (uint64_t)WTERMSIG(outcome->status));
    else
        log_add_number(line, "exit", (uint64_t)WEXITSTATUS(outcome->status));
    log_add_number(line, "cpu_ms", outcome->cpu_us / 1000);
    log_add_number(line, "maxrss_kb", outcome->maxrss_kb);
}

void conn_log_closed(const struct conn *conn)
{
    struct log_line line;
    log_begin(&line, "closed");
    log_add(&line, "service", conn->listener->service->name);
    add_ends(&line, conn);
    log_add_number(&line, "duration_ms", (conn_now(conn) - conn->accepted) / CLOCK_MS);
    add_bytes(&line, conn);
    log_add(&line, "reason", close_reason_name(conn->reason));
    if (conn->claim && conn->claim->error)
        log_add(&line, "error", conn->claim->error);
    add_outcome(&line, conn);
    log_end(&line, LOG_INFO);
}
