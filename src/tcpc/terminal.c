/* SPDX-License-Identifier: MIT */
#include "tcpc/terminal.h"

#include "tcpc/edit.h"

#include <stddef.h>
#include <unistd.h>

struct terminal {
    struct relay *relay;
    struct editor *editor;
};

bool terminal_is_there(void)
{
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

/* The editor wants a key: until one is there, the connection has the time. */
static bool wait_key(void *context)
{
    struct terminal *terminal = context;
    enum relay_event event;
    do
        event = relay_turn(terminal->relay);
    while (event == RELAY_GOING);
    return event == RELAY_KEY;
}

static void print(void *context, const char *bytes, size_t length)
{
    const struct terminal *terminal = context;
    editor_print(terminal->editor, bytes, length);
}

static void signalled(void *context, int signal)
{
    const struct terminal *terminal = context;
    editor_signalled(terminal->editor, signal);
}

static void tell(void *context, const char *line)
{
    editor_notice(context, line);
}

/* Keys wait until the line has found room: the peer is slower than the user. */
static bool send_line(struct relay *relay, const char *line, size_t length)
{
    relay->input = RELAY_INPUT_IDLE;
    size_t sent = relay_push(relay, line, length);
    while (sent < length) {
        if (relay_turn(relay) == RELAY_OVER)
            return false;
        sent += relay_push(relay, line + sent, length - sent);
    }
    relay->input = RELAY_INPUT_KEYS;
    return true;
}

static void converse(struct terminal *terminal)
{
    size_t length;
    const char *line = editor_read(terminal->editor, &length);
    while (line && send_line(terminal->relay, line, length))
        line = editor_read(terminal->editor, &length);
    editor_finish(terminal->editor);
    relay_end_input(terminal->relay);
    while (relay_turn(terminal->relay) != RELAY_OVER)
        continue;
}

bool terminal_run(struct relay *relay, struct story *story)
{
    struct terminal terminal = {.relay = relay};
    struct story before = *story;
    terminal.editor = editor_open(wait_key, &terminal);
    if (!terminal.editor)
        return false;
    relay->input = RELAY_INPUT_KEYS;
    relay->print = print;
    relay->signalled = signalled;
    relay->context = &terminal;
    story->print = isatty(STDERR_FILENO) ? tell : before.print;
    story->context = terminal.editor;
    converse(&terminal);
    relay->print = NULL;
    relay->signalled = NULL;
    *story = before;
    editor_close(terminal.editor);
    return true;
}
