/* SPDX-License-Identifier: MIT */
/* Daytime (RFC 867): the time of day as a line of text. */
#include "conn/conn.h"
#include "service/builtin.h"

#include <time.h>

static void daytime_open(struct conn *conn)
{
    char text[64];
    time_t now = time(NULL);
    struct tm tm;
    size_t length =
        strftime(text, sizeof text, "%A, %B %d, %Y %H:%M:%S-%Z\r\n", localtime_r(&now, &tm));
    conn_send(conn, text, length);
    conn_finish(conn);
}

const struct service_ops daytime_service = {
    .type = "daytime",
    .about = "sends the time of day as text (RFC 867)",
    .speaks_first = true,
    .open = daytime_open,
    .data = builtin_ignore,
};
