/* SPDX-License-Identifier: MIT */
/*
 * Greet, the dialogue of the lesson from which tcpd comes:
 *
 *   tcpd: Welcome!\n          peer: Alice
 *   tcpd: What's your name?
 *   tcpd: Hello Alice!\n      peer: exit
 *   tcpd: What's your name?
 *   tcpd: Good bye!\n         and an orderly close
 *
 * A message is a line.  Of a client that has never sent a newline nobody can
 * tell where its message ends but by its silence: after PAUSE, what has
 * arrived is the message.  With the first newline that guessing is over.
 */
#include "base/clock.h"
#include "conn/conn.h"
#include "service/builtin.h"

#include <stdio.h>
#include <string.h>

#define NAME_MAX_LENGTH 256 /* bytes; a longer one is answered with a close */
#define PAUSE           (200 * CLOCK_MS)

struct greet {
    struct timer pause;
    bool sends_lines; /* a newline has been seen */
    bool paused;      /* the peer has been silent for PAUSE */
};

static void say(struct conn *conn, const char *text)
{
    conn_send(conn, text, strlen(text));
}

static void ask(struct conn *conn)
{
    say(conn, "What's your name?");
}

static void greet_open(struct conn *conn)
{
    say(conn, "Welcome!\n");
    ask(conn);
}

static void answer_too_long(struct conn *conn)
{
    say(conn, "That name is too long. Good bye!\n");
    conn_finish(conn);
}

static void answer_name(struct conn *conn, const char *name, size_t length)
{
    char hello[sizeof "Hello !\n" + NAME_MAX_LENGTH];
    memcpy(hello, "Hello ", 6);
    memcpy(hello + 6, name, length);
    memcpy(hello + 6 + length, "!\n", 2);
    conn_send(conn, hello, 6 + length + 2);
    ask(conn);
}

static void answer(struct conn *conn, const char *message, size_t length)
{
    while (length > 0 && (message[length - 1] == '\r' || message[length - 1] == '\0'))
        length--; /* telnet sends CR NUL for a CR (RFC 854) */
    if (length > NAME_MAX_LENGTH) {
        answer_too_long(conn);
    } else if (length == 4 && memcmp(message, "exit", 4) == 0) {
        say(conn, "Good bye!\n");
        conn_finish(conn);
    } else if (length == 0) {
        ask(conn);
    } else {
        answer_name(conn, message, length);
    }
}

static void pause_over(struct timer *timer, uint64_t now)
{
    struct greet *greet = (struct greet *)timer;
    (void)now;
    greet->paused = true;
    conn_resume(conn_of(greet));
}

/* What is left has no newline: more is awaited, or it is the message.  Returns how much was used.
 */
static size_t take_rest(struct conn *conn, const char *rest, size_t length)
{
    struct greet *greet = conn_state(conn);
    if (greet->paused || length > NAME_MAX_LENGTH + 1) { /* 1: the CR of a CR LF */
        answer(conn, rest, length);
        return length;
    }
    if (!greet->sends_lines)
        timer_start(&greet->pause, timers_fifo(conn_timers(conn), PAUSE, pause_over),
                    conn_now(conn));
    return 0;
}

/* Line by line as long as there is room for the answers; what is left comes again. */
static size_t greet_data(struct conn *conn, const char *bytes, size_t length)
{
    struct greet *greet = conn_state(conn);
    size_t used = 0;
    timer_stop(&greet->pause);
    while (used < length && conn_room(conn) > 0 && conn_is_open(conn)) {
        const char *newline = memchr(bytes + used, '\n', length - used);
        if (!newline) {
            used += take_rest(conn, bytes + used, length - used);
            break;
        }
        greet->sends_lines = true;
        answer(conn, bytes + used, (size_t)(newline - (bytes + used)));
        used = (size_t)(newline - bytes) + 1;
    }
    greet->paused = false;
    return used;
}

/* The last line of a file may lack its newline. */
static void greet_eof(struct conn *conn, const char *rest, size_t length)
{
    if (length > 0)
        answer(conn, rest, length);
    conn_finish(conn);
}

static void greet_close(struct conn *conn)
{
    struct greet *greet = conn_state(conn);
    timer_stop(&greet->pause);
}

const struct service_ops greet_service = {
    .type = "greet",
    .about = "asks for names and greets them, until exit",
    .speaks_first = true,
    .state_size = sizeof(struct greet),
    .open = greet_open,
    .data = greet_data,
    .eof = greet_eof,
    .close = greet_close,
};
