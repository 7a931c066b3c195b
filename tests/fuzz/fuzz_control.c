/* SPDX-License-Identifier: MIT */
/*
 * What a client of the control socket sends, up to the command that is run: each line gets one
 * answer, the one that a plain reading of the line says, whatever pieces the bytes come in.
 */
#include "base/log.h"
#include "fuzz.h"
#include "io/loop.h"
#include "io/sock.h"
#include "master/connections.h"
#include "master/control.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PIECES_MAX 32 /* beyond them all that is left comes at once */

static struct loop loop;
static struct control *control;
static struct control_client *waiting; /* for its answer, which comes a turn later */

/* The commands. */

static json_t *done(void)
{
    return json_pack("{s:b}", "ok", 1);
}

/* Numbers lose digits on the way back, strings may not. */
static json_t *text_of(const json_t *request)
{
    json_t *text = json_object_get(request, "text");
    return json_is_string(text) ? text : NULL;
}

static void run_now(struct control_client *client, const json_t *request, void *owner)
{
    must(json_is_object(request) && owner == &loop);
    control_progress(client, json_pack("{s:b, s:O?}", "progress", 1, "text", text_of(request)));
    control_answer(client, done());
}

static void gone(struct control_client *client, void *waiter)
{
    must(client == waiting && waiter == &waiting);
    waiting = NULL;
}

static void run_later(struct control_client *client, const json_t *request, void *owner)
{
    must(json_is_object(request) && owner == &loop && !waiting);
    waiting = client;
    control_wait(client, gone, &waiting);
}

/* Its argument is the one that is read by hand. */
static void run_kill(struct control_client *client, const json_t *request, void *owner)
{
    struct connection_id id;
    char again[CONNECTION_ID_MAX];
    const char *text = json_string_value(json_object_get(request, "id"));
    must(owner == &loop);
    if (text && connection_id_parse(&id, text)) {
        connection_id_format(&id, again);
        must(strcmp(again, text) == 0);
    }
    control_answer(client, done());
}

static const struct control_command commands[] = {
    {"status", false, run_now}, {"drain", true, run_later}, {"kill", true, run_kill}, {0}};

static bool is_command(const char *name)
{
    const struct control_command *command = commands;
    while (command->name && strcmp(command->name, name) != 0)
        command++;
    return command->name;
}

/* The loop, turned by hand. */

static void stop_turning(struct loop *turned)
{
    turned->stop = true;
}

static void turn(void)
{
    loop.stop = false;
    loop_wake(&loop);
    loop_run(&loop);
    if (waiting) {
        struct control_client *answered = waiting;
        waiting = NULL;
        control_answer(answered, done());
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct error error;
    struct log_settings log = {.target = LOG_TARGET_NONE, .level = LOG_DEBUG};
    (void)argc, (void)argv;
    must(log_open(&log, &error) == 0 && loop_init(&loop, &error) == 0);
    loop.turn_end = stop_turning;
    control = control_new(&loop, commands, &loop, &error);
    must(control);
    return 0;
}

/* What a client hears. */

struct text {
    char *bytes;
    size_t length;
};

/* Takes what has come; whether it was the end. */
static bool hear(int fd, struct text *heard)
{
    char part[65536];
    ssize_t length;
    while ((length = sock_recv(fd, part, sizeof part)) > 0) {
        heard->bytes = realloc(heard->bytes, heard->length + (size_t)length);
        must(heard->bytes);
        memcpy(heard->bytes + heard->length, part, (size_t)length);
        heard->length += (size_t)length;
    }
    must(length == 0 || errno == EAGAIN);
    return length == 0;
}

static void say(int fd, const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        ssize_t sent = sock_send(fd, bytes, length);
        if (sent < 0)
            return; /* it has said that it hears no more */
        bytes += sent;
        length -= (size_t)sent;
    }
}

/* Each line takes a turn to be read, and another one if its answer comes later. */
static struct text talk(const uint8_t *bytes, size_t size, size_t piece)
{
    int ends[2];
    struct error error;
    struct text heard = {NULL, 0};
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    must(control_adopt_idle(control, ends[1], &error) == 0);
    for (unsigned pieces = 1; size > 0; pieces++) {
        size_t length = piece < size && pieces < PIECES_MAX ? piece : size;
        say(ends[0], bytes, length);
        turn();
        bytes += length;
        size -= length;
    }
    shutdown(ends[0], SHUT_WR);
    for (unsigned turns = 0; !hear(ends[0], &heard); turns++) {
        must(turns < 100000);
        turn();
    }
    turn();
    must(!waiting);
    close(ends[0]);
    return heard;
}

/* What it should hear. */

/* The next line of what was heard, parsed; the caller's. */
static json_t *next_line(struct text *rest)
{
    char *newline = rest->length > 0 ? memchr(rest->bytes, '\n', rest->length) : NULL;
    must(newline);
    json_t *line = json_loadb(rest->bytes, (size_t)(newline - rest->bytes), 0, NULL);
    must(json_is_object(line));
    rest->length -= (size_t)(newline + 1 - rest->bytes);
    rest->bytes = newline + 1;
    return line;
}

static void expect_progress(struct text *rest, const json_t *request)
{
    json_t *line = next_line(rest), *text = text_of(request);
    must(json_is_true(json_object_get(line, "progress")));
    must(json_object_get(line, "ok") == NULL);
    must(!text || json_equal(json_object_get(line, "text"), text));
    json_decref(line);
}

static void expect_final(struct text *rest, bool ok)
{
    json_t *line = next_line(rest);
    must(json_is_boolean(json_object_get(line, "ok")));
    must(json_is_true(json_object_get(line, "ok")) == ok);
    must(ok || json_string_length(json_object_get(line, "error")) > 0);
    json_decref(line);
}

static void expect_answer(struct text *rest, const uint8_t *line, size_t length)
{
    json_t *request = json_loadb((const char *)line, length, JSON_REJECT_DUPLICATES, NULL);
    const char *name = json_string_value(json_object_get(request, "command"));
    bool known = name && is_command(name);
    if (known && strcmp(name, "status") == 0)
        expect_progress(rest, request);
    json_decref(request);
    expect_final(rest, known);
}

/* Line by line, as long as they are not too long and have an end. */
static void expect_answers(struct text rest, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        size_t most = size < CONTROL_REQUEST_MAX ? size : CONTROL_REQUEST_MAX;
        const uint8_t *newline = memchr(bytes, '\n', most);
        if (!newline) {
            expect_final(&rest, false);
            break;
        }
        size_t length = (size_t)(newline - bytes);
        expect_answer(&rest, bytes, length);
        bytes += length + 1;
        size -= length + 1;
    }
    must(rest.length == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct text whole = talk(bytes, size, size);
    struct text cut = talk(bytes, size, 1 + size / 17);
    must(whole.length == cut.length);
    must(whole.length == 0 || memcmp(whole.bytes, cut.bytes, whole.length) == 0);
    expect_answers(whole, bytes, size);
    free(whole.bytes);
    free(cut.bytes);
    return 0;
}
