/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/log.h"
#include "conn/record.h"
#include "conn/state.h"
#include "io/sock.h"

#include <sys/socket.h>

static void add_peer(struct log_line *line, const struct conn *conn)
{
    char text[ADDR_TEXT_MAX];
    if (conn->listener->address.family == AF_UNIX) {
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
    struct addr local = conn->listener->address;
    if (addr_is_wildcard(&local))
        sock_local(conn->watch.fd, &local);
    log_add(line, "local", addr_format(&local, text));
}

void conn_log_closed(const struct conn *conn)
{
    struct log_line line;
    log_begin(&line, "closed");
    log_add(&line, "service", conn->listener->service->name);
    add_peer(&line, conn);
    add_local(&line, conn);
    log_add_number(&line, "duration_ms", (conn_now(conn) - conn->accepted) / CLOCK_MS);
    log_add_number(&line, "in", conn->received);
    log_add_number(&line, "out", conn->sent);
    log_add(&line, "reason", close_reason_name(conn->reason));
    log_end(&line, LOG_INFO);
}
