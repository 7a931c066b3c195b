/* SPDX-License-Identifier: MIT */
/* Time (RFC 868): seconds since 1900 in four bytes, which wrap in 2036 as they must. */
#include "conn/conn.h"
#include "service/builtin.h"

#include <arpa/inet.h>
#include <time.h>

#define FROM_1900_TO_1970 2208988800u

static void time_open(struct conn *conn)
{
    uint32_t seconds = htonl((uint32_t)time(NULL) + FROM_1900_TO_1970);
    conn_send(conn, &seconds, sizeof seconds);
    conn_finish(conn);
}

const struct service_ops time_service = {
    .type = "time",
    .about = "sends the seconds since 1900 (RFC 868)",
    .speaks_first = true,
    .open = time_open,
    .data = builtin_ignore,
};
