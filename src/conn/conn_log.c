/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/log.h"
#include "conn/record.h"
#include "conn/state.h"
#include "io/sock.h"

#include <sys/socket.h>

/* Whether a header of the PROXY protocol has told addresses. */
static bool has_claim(const struct conn *conn)
{
    return conn->claim && conn->claim->has_addresses;
}

static void add_peer(struct log_line *line, const struct conn *conn)
{
    char text[ADDR_TEXT_MAX];
    if (conn->listener->address.family == AF_UNIX && !has_claim(conn)) {
        struct conn_end peer = conn_unix_peer(conn->watch.fd);
        log_add(line, "peer", conn_peer_format(&peer, text));
    } else {
        log_add(line, "peer", addr_format(&conn->peer, text));
    }
}

/* Only behind a wildcard the kernel has to be asked which of the machine's addresses it was. */
static void add_local(struct log_line *line, const struct conn *conn)
{
    char text[ADDR_TEXT_MAX];
    struct addr local = has_claim(conn) ? conn->claim->local : conn->listener->address;
    if (!has_claim(conn) && addr_is_wildcard(&local))
        sock_local(conn->watch.fd, &local);
    log_add(line, "local", addr_format(&local, text));
}

/* The proxy, in whose name another is the peer. */
static void add_via(struct log_line *line, const struct conn *conn)
{
    char text[ADDR_TEXT_MAX];
    struct conn_end end;
    if (!has_claim(conn))
        return;
    if (conn->listener->address.family == AF_UNIX) {
        end = conn_unix_peer(conn->watch.fd);
        log_add(line, "via", conn_peer_format(&end, text));
    } else {
        log_add(line, "via", addr_format(&conn->claim->via, text));
    }
}

void conn_log_closed(const struct conn *conn)
{
    struct log_line line;
    log_begin(&line, "closed");
    log_add(&line, "service", conn->listener->service->name);
    add_peer(&line, conn);
    add_via(&line, conn);
    add_local(&line, conn);
    log_add_number(&line, "duration_ms", (conn_now(conn) - conn->accepted) / CLOCK_MS);
    log_add_number(&line, "in", conn->received);
    log_add_number(&line, "out", conn->sent);
    log_add(&line, "reason", close_reason_name(conn->reason));
    if (conn->claim && conn->claim->error)
        log_add(&line, "error", conn->claim->error);
    log_end(&line, LOG_INFO);
}
