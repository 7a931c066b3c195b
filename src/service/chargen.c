/* SPDX-License-Identifier: MIT */
/*
 * Character generator (RFC 864): lines of 72 characters that move on by one,
 * through the 95 that can be printed, for as long as the peer takes them.
 */
#include "conn/conn.h"
#include "service/builtin.h"

#include <string.h>

#define PRINTABLE                                                                                  \
    " !\"#$%&'()*+,-./"                                                                            \
    "0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"
#define CHARS  (sizeof PRINTABLE - 1) /* 0x20 to 0x7e */
#define LINE   72
#define WIDTH  (LINE + 2)
#define PERIOD (WIDTH * CHARS)

/* Each line stands in it as a whole, at its number. */
static const char ring[] = PRINTABLE PRINTABLE;

struct chargen {
    uint32_t at; /* the next byte, within the period */
};

/* What follows a place in its line, as far as there is room; returns how much. */
static size_t copy_line(char *to, size_t room, uint32_t at)
{
    char line[WIDTH];
    uint32_t column = at % WIDTH;
    size_t length = WIDTH - column < room ? WIDTH - column : room;
    memcpy(line, ring + at / WIDTH, LINE);
    memcpy(line + LINE, "\r\n", 2);
    memcpy(to, line + column, length);
    return length;
}

/* One turn's share; the connection asks again as long as the peer takes it. */
static void chargen_room(struct conn *conn)
{
    char text[16 * 1024];
    struct chargen *state = conn_state(conn);
    size_t room = conn_room(conn) < sizeof text ? conn_room(conn) : sizeof text;
    size_t length = 0;
    while (length < room) {
        size_t copied = copy_line(text + length, room - length, state->at);
        state->at = (uint32_t)((state->at + copied) % PERIOD);
        length += copied;
    }
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
