/* SPDX-License-Identifier: MIT */
/*
 * A client's life: a line is read, run and answered, and then the next one.  The socket's
 * buffer is the queue: what stands behind the newline is left in there, for when its turn comes.
 */
#include "base/container.h"
#include "base/log.h"
#include "io/sock.h"
#include "master/control_state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOON 1 /* ns: in the next turn of the loop */

static void client_ready(struct watch *watch, uint32_t events);

/* What it is waited for, and how long. */

static void settle(struct control_client *client, bool moved)
{
    struct loop *loop = client->control->loop;
    uint64_t now = clock_now();
    bool must_write = client->output || client->closing;
    loop_change(loop, &client->watch, must_write ? EPOLLOUT : client->waits ? 0 : EPOLLIN);
    if (moved)
        client->active = now;
    if (client->broken)
        timer_start(&client->timer, client->control->soon, now);
    else if (client->waits && !client->output)
        timer_stop(&client->timer);
    else if (moved || !client->timer.fifo)
        timer_start(&client->timer, client->control->patience, now);
}

static void log_cut(const struct control_client *client)
{
    struct log_line line;
    log_begin(&line, "control_cut");
    log_add_number(&line, "uid", client->peer.uid);
    log_add_number(&line, "pid", (uint64_t)client->peer.pid);
    log_add(&line, "reason", client->broken ? "cannot_send" : "timeout");
    log_end(&line, LOG_INFO);
}

static void client_overdue(struct timer *timer, uint64_t now)
{
    struct control_client *client = container_of(timer, struct control_client, timer);
    (void)now;
    log_cut(client);
    control_client_end(client);
}

int control_client_timers(struct control *control)
{
    struct timers *timers = &control->loop->timers;
    control->patience = timers_fifo(timers, CONTROL_PATIENCE, client_overdue);
    control->soon = timers_fifo(timers, SOON, client_overdue);
    return control->patience && control->soon ? 0 : -1;
}

/* Birth and death. */

struct control_client *control_client_new(struct control *control, int fd, struct error *error)
{
    struct control_client *client = calloc(1, sizeof *client);
    if (!client) {
        error_set(error, ENOMEM, "cannot take a client");
        return NULL;
    }
    client->watch = (struct watch){client_ready, fd, EPOLLIN};
    client->control = control;
    socklen_t length = sizeof client->peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &client->peer, &length) ||
        loop_add(control->loop, &client->watch)) {
        error_set(error, errno, "cannot take a client");
        free(client);
        return NULL;
    }
    control->clients[control->count++] = client;
    settle(client, true);
    return client;
}

/* What it has sent and nobody reads would turn its end of file into an error. */
static void discard_input(int fd)
{
    char scrap[CONTROL_REQUEST_MAX];
    for (int i = 0; i < 16 && sock_recv(fd, scrap, sizeof scrap) > 0; i++)
        ;
}

static void leave_table(struct control_client *client)
{
    struct control *control = client->control;
    unsigned i = 0;
    while (control->clients[i] != client)
        i++;
    control->clients[i] = control->clients[--control->count];
}

void control_client_end(struct control_client *client)
{
    leave_table(client);
    timer_stop(&client->timer);
    loop_remove(client->control->loop, &client->watch);
    discard_input(client->watch.fd);
    shutdown(client->watch.fd, SHUT_RDWR); /* also where a process just forked has it, too */
    close(client->watch.fd);
    if (client->waits && client->gone)
        client->gone(client, client->waiter);
    buffer_free(&client->output);
    free(client);
}

/* Sending. */

/* Returns whether anything was sent. */
static bool flush(struct control_client *client)
{
    if (!client->output || client->broken)
        return false;
    ssize_t sent =
        sock_send(client->watch.fd, buffer_bytes(client->output), buffer_length(client->output));
    if (sent > 0)
        buffer_consume(&client->output, (size_t)sent);
    client->broken = sent < 0 && errno != EAGAIN && errno != EINTR;
    return sent > 0;
}

static int append_output(const char *bytes, size_t length, void *owner)
{
    struct control_client *client = owner;
    if (buffer_length(client->output) + length > CONTROL_OUTPUT_MAX)
        return -1;
    return buffer_append(&client->output, bytes, length);
}

/* One that cannot get a whole line gets no part of another one. */
static void send_line(struct control_client *client, json_t *line)
{
    if (!client->broken)
        client->broken =
            json_dump_callback(line, append_output, client,
                               JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(12)) ||
            append_output("\n", 1, client);
    json_decref(line);
    settle(client, flush(client));
}

void control_progress(struct control_client *client, json_t *line)
{
    if (line && client->waits)
        send_line(client, line);
    else
        json_decref(line);
}

static void send_last(struct control_client *client, json_t *line)
{
    if (!line)
        line = control_request_error("no answer could be made", NULL, 0);
    client->waits = false;
    client->gone = NULL;
    client->waiter = NULL;
    client->broken |= !line;
    send_line(client, line);
}

void control_client_refuse(struct control_client *client, const char *sentence)
{
    send_last(client, control_request_error(sentence, NULL, 0));
}

void control_answer(struct control_client *client, json_t *line)
{
    if (client->waits)
        send_last(client, line);
    else
        json_decref(line);
}

void control_fail(struct control_client *client, const char *sentence, const char *const *errors,
                  size_t count)
{
    control_answer(client, control_request_error(sentence, errors, count));
}

/* Waiting. */

void control_client_begin(struct control_client *client)
{
    client->waits = true;
    settle(client, true);
}

void control_wait(struct control_client *client,
                  void (*gone)(struct control_client *client, void *waiter), void *waiter)
{
    client->gone = gone;
    client->waiter = waiter;
}

struct control_client *control_next_waiting(const struct control *control, const void *waiter,
                                            const struct control_client *after)
{
    bool passed = !after;
    for (unsigned i = 0; i < control->count; i++) {
        struct control_client *client = control->clients[i];
        if (passed && client->waits && client->waiter == waiter)
            return client;
        passed |= client == after;
    }
    return NULL;
}

int control_client_fd(const struct control_client *client)
{
    return client->output || client->broken ? -1 : client->watch.fd;
}

/* Reading. */

static void refuse_and_close(struct control_client *client, const char *sentence)
{
    client->closing = true;
    control_client_refuse(client, sentence);
}

/* As far as there is a newline, and not beyond it; 0 at the end of file, -1 with an errno. */
static ssize_t receive(struct control_client *client)
{
    char *end = client->input + client->length;
    size_t room = sizeof client->input - client->length;
    ssize_t seen = recv(client->watch.fd, end, room, MSG_PEEK | MSG_DONTWAIT);
    if (seen <= 0)
        return seen;
    const char *newline = memchr(end, '\n', (size_t)seen);
    return sock_recv(client->watch.fd, end, newline ? (size_t)(newline + 1 - end) : (size_t)seen);
}

static void take_input(struct control_client *client, size_t length)
{
    client->length += length;
    size_t used = client->length;
    if (client->input[used - 1] == '\n') {
        client->length = 0;
        control_request_run(client, client->input, used - 1);
    } else if (used == sizeof client->input) {
        refuse_and_close(client, "the request is longer than 4096 bytes");
    }
}

static void read_request(struct control_client *client)
{
    ssize_t length = receive(client);
    if (length > 0)
        take_input(client, (size_t)length);
    else if (length < 0)
        client->broken = errno != EAGAIN && errno != EINTR;
    else if (client->length)
        refuse_and_close(client, "the request does not end with a newline");
    else
        client->closing = true;
}

static bool is_over(const struct control_client *client)
{
    return client->broken || (client->closing && !client->output);
}

static void client_ready(struct watch *watch, uint32_t events)
{
    struct control_client *client = container_of(watch, struct control_client, watch);
    bool left = client->waits && events & (EPOLLHUP | EPOLLERR);
    if (!left && client->output)
        settle(client, flush(client));
    else if (!left && !client->waits && !is_over(client))
        read_request(client);
    if (left || is_over(client))
        control_client_end(client);
}
