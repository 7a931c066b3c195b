/* SPDX-License-Identifier: MIT */
/*
 * Character generator (RFC 864): lines of 72 characters that move on by one,
 * through the 95 that can be printed, for as long as the peer takes them.
 */
#include "conn/conn.h"
#include "service/builtin.h"

#define LINE   72
#define CHARS  95 /* 0x20 to 0x7e */
#define PERIOD ((LINE + 2) * CHARS)

struct chargen {
    uint32_t at; /* the next byte, within the period */
};

/* The byte at a place of the endless text. */
static char byte_at(uint32_t at)
{
    uint32_t line = at / (LINE + 2), column = at % (LINE + 2);
    if (column >= LINE)
        return column == LINE ? '\r' : '\n';
    return (char)(' ' + (line + column) % CHARS);
}

/* One turn's share; the connection asks again as long as the peer takes it. */
static void chargen_room(struct conn *conn)
{
    char text[16 * 1024];
    struct chargen *state = conn_state(conn);
    size_t length = conn_room(conn) < sizeof text ? conn_room(conn) : sizeof text;
    for (size_t i = 0; i < length; i++)
        text[i] = byte_at((uint32_t)(state->at + i) % PERIOD);
    state->at = (uint32_t)(state->at + length) % PERIOD;
    conn_send(conn, text, length);
}

const struct service_ops chargen_service = {
    .type = "chargen",
    .about = "sends lines of characters without end (RFC 864)",
    .speaks_first = true,
    .state_size = sizeof(struct chargen),
    .data = builtin_ignore,
    .room = chargen_room,
};
