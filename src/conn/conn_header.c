/* SPDX-License-Identifier: MIT */
/*
 * A connection to a service behind proxies begins with a header of the PROXY protocol.  Until that
 * is complete the service does not know of the connection, and nothing is sent.
 */
#include "conn/proxy_protocol.h"
#include "conn/state.h"
#include "io/sock.h"

#include <stdlib.h>
#include <string.h>

/* Made when there is something to keep: most of their life connections are without. */
static struct claim *claim_of(struct conn *conn)
{
    if (!conn->claim)
        conn->claim = calloc(1, sizeof *conn->claim);
    return conn->claim;
}

/* Without memory the log does not say what was wrong. */
static void refuse(struct conn *conn, const char *error)
{
    struct claim *claim = claim_of(conn);
    if (claim)
        claim->error = error;
    sock_reset_at_close(conn->watch.fd);
    conn_fail(conn, CLOSE_PROXY_PROTOCOL);
}

void conn_header_begin(struct conn *conn)
{
    conn->phase = CONN_HEADER;
    conn->unopened = true;
    if (!access_trusts(conn_service(conn)->trusted, &conn->peer))
        refuse(conn, "the peer is not trusted");
}

void conn_header_ended(struct conn *conn)
{
    refuse(conn, "the end came before the header");
}

/* From now on the client is the peer; without addresses the proxy remains what it is. */
static bool believe(struct conn *conn, const struct proxy_header *header)
{
    if (!header->has_addresses)
        return true;
    struct claim *claim = claim_of(conn);
    if (!claim)
        return false;
    claim->has_addresses = true;
    claim->via = conn->peer;
    claim->local = header->destination;
    conn->peer = header->source;
    return true;
}

/* What came behind the header in the same piece is the service's. */
static void begin_service(struct conn *conn, const struct proxy_header *header, const char *bytes,
                          size_t length)
{
    if (!believe(conn, header)) {
        conn_fail(conn, CLOSE_ERROR);
        return;
    }
    const struct addr *via = header->has_addresses ? &conn->claim->via : NULL;
    if (!conn->set->admit(conn->set, conn_service(conn), conn->watch.fd, &conn->peer, via)) {
        sock_reset_at_close(conn->watch.fd);
        conn_fail(conn, CLOSE_REJECTED);
        return;
    }
    if (conn_service(conn)->ops->gives_away)
        conn->received = header->length; /* the program's bytes are counted without it */
    conn_start(conn);
    if (length > header->length)
        conn_received(conn, bytes + header->length, length - header->length);
}

/*
 * How many of these bytes, which are still in the socket, belong to the header: as long as it is
 * not complete, all of them.  What is wrong is found by conn_header_received once more.
 */
static size_t header_length(const struct conn *conn, const char *bytes, size_t length)
{
    struct proxy_header header;
    char begin[PROXY_HEADER_MAX];
    size_t kept = buffer_length(conn->input);
    size_t more = length < sizeof begin - kept ? length : sizeof begin - kept;
    if (kept > 0)
        memcpy(begin, buffer_bytes(conn->input), kept);
    memcpy(begin + kept, bytes, more);
    if (proxy_read(&header, begin, kept + more) == PROXY_DONE)
        return header.length - kept;
    return more;
}

ssize_t conn_header_receive(struct conn *conn)
{
    char *bytes = conn->set->scratch;
    ssize_t length = recv(conn->watch.fd, bytes, CONN_SCRATCH, MSG_DONTWAIT | MSG_PEEK);
    if (length <= 0)
        return length;
    return sock_recv(conn->watch.fd, bytes, header_length(conn, bytes, (size_t)length));
}

void conn_header_received(struct conn *conn, const char *bytes, size_t length)
{
    struct proxy_header header;
    if (conn->input && buffer_append(&conn->input, bytes, length)) {
        conn_fail(conn, CLOSE_ERROR);
        return;
    }
    struct buffer *begin = conn->input;
    if (begin) {
        bytes = buffer_bytes(begin);
        length = buffer_length(begin);
    }
    enum proxy_verdict verdict = proxy_read(&header, bytes, length);
    if (verdict == PROXY_MORE) {
        if (!begin && buffer_append(&conn->input, bytes, length))
            conn_fail(conn, CLOSE_ERROR);
        return;
    }
    conn->input = NULL;
    if (verdict == PROXY_DONE)
        begin_service(conn, &header, bytes, length);
    else
        refuse(conn, header.error);
    buffer_free(&begin);
}
