/* SPDX-License-Identifier: MIT */
/* Echo: every byte comes back (RFC 862). */
#include "conn/conn.h"
#include "service/builtin.h"

static size_t echo_data(struct conn *conn, const char *bytes, size_t length)
{
    conn_send(conn, bytes, length);
    return length;
}

const struct service_ops echo_service = {
    .type = "echo",
    .about = "sends back what it gets (RFC 862)",
    .data = echo_data,
};
