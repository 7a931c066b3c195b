/* SPDX-License-Identifier: MIT */
#include "tcpc/relay.h"

#include "base/clock.h"
#include "tcpc/signals.h"
#include "tcpc/trace.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * A peer that has finished may still listen.  Input that is no terminal goes on
 * being sent until it has been silent for so long: a file or a busy pipe arrives as a
 * whole, an idle pipe does not keep a dead connection.
 */
#define PATIENCE (500 * CLOCK_MS)

/* Received at once when each byte may become four. */
#define HARMLESS_MOST ((size_t)16 * 1024)

enum slot { SLOT_INPUT, SLOT_SOCKET, SLOT_OUTPUT, SLOT_SIGNALS, SLOT_TRACE, SLOTS };

void relay_init(struct relay *relay, int socket, int signals, const struct story *story)
{
    memset(relay, 0, offsetof(struct relay, up));
    relay->up.start = relay->up.end = relay->down.start = relay->down.end = 0;
    relay->socket = socket;
    relay->signals = signals;
    relay->story = story;
    relay->half_close = true;
    relay->patient = !isatty(STDIN_FILENO);
    relay->harmless = isatty(STDOUT_FILENO);
    relay->visible.utf8 = ends_utf8();
    output_open(&relay->output);
}

void relay_fini(struct relay *relay)
{
    output_close(&relay->output);
}

/* How much may be received now; never so little that it is not worth it. */
static size_t receive_room(struct relay *relay, char **back)
{
    size_t room;
    *back = bytes_back(&relay->down, &room);
    if (!relay->harmless)
        return room;
    if (room < VISIBLE_MAX(64))
        return 0;
    room = room / 4 - 5;
    return room < HARMLESS_MOST ? room : HARMLESS_MOST;
}

static void finished_first(struct relay *relay, const char *who)
{
    if (!relay->first)
        relay->first = who;
}

static void stop(struct relay *relay)
{
    relay->stopped = true;
    finished_first(relay, "this side");
}

/* --- what is still to come --- */

static bool input_over(const struct relay *relay)
{
    if (relay->input == RELAY_INPUT_ENDED || !relay->patient)
        return true;
    return clock_now() - relay->input_time >= PATIENCE;
}

static bool relay_over(const struct relay *relay)
{
    if (relay->stopped)
        return true;
    if (!relay->peer_done || !bytes_empty(&relay->down))
        return false;
    if (relay->broken || !relay->patient)
        return true;
    return bytes_empty(&relay->up) && input_over(relay);
}

static int relay_patience(const struct relay *relay)
{
    if (!relay->peer_done || relay->input == RELAY_INPUT_ENDED || !bytes_empty(&relay->up))
        return -1;
    uint64_t silent = clock_now() - relay->input_time;
    return silent >= PATIENCE ? 0 : (int)((PATIENCE - silent) / CLOCK_MS + 1);
}

/* --- the connection ends --- */

static void peer_ended(struct relay *relay)
{
    char *back;
    size_t room;
    relay->peer_done = true;
    relay->input_time = clock_now();
    if (!relay->harmless)
        return;
    back = bytes_back(&relay->down, &room);
    if (room >= VISIBLE_MAX(0))
        bytes_added(&relay->down, visible_finish(&relay->visible, back));
}

static json_t *bytes_fact(uint64_t bytes)
{
    return json_pack("{s:I}", "bytes", (json_int_t)bytes);
}

static void peer_finished(struct relay *relay)
{
    peer_ended(relay);
    if (relay->broken)
        return;
    finished_first(relay, "the peer");
    story_tell_facts(relay->story, STORY_PEER_FINISHED, bytes_fact(relay->received),
                     "FIN after %" PRIu64 " bytes", relay->received);
}

/*
 * What we have not sent is lost; what the peer had sent before may still be
 * read, so receiving goes on until the kernel has no more.
 */
static void relay_break(struct relay *relay, int errnum)
{
    if (relay->broken || errnum == 0)
        return;
    relay->broken = errnum;
    relay->input = RELAY_INPUT_ENDED;
    size_t lost;
    bytes_front(&relay->up, &lost);
    bytes_drained(&relay->up, lost);
    finished_first(relay, "the peer, by a reset");
    const char *reason = strerrordesc_np(errnum);
    story_tell_facts(relay->story, STORY_RESET,
                     json_pack("{s:s, s:I}", "reason", reason, "unsent", (json_int_t)lost),
                     "%s; %zu bytes not sent", reason, lost);
}

static void half_close(struct relay *relay)
{
    if (relay->input != RELAY_INPUT_ENDED || relay->half_closed || relay->broken)
        return;
    if (!relay->half_close || !bytes_empty(&relay->up))
        return;
    relay->half_closed = true;
    trace_finishing(relay->story->trace, relay->socket);
    shutdown(relay->socket, SHUT_WR);
    finished_first(relay, "this side");
    story_tell_facts(relay->story, STORY_HALF_CLOSED, bytes_fact(relay->sent),
                     "FIN after %" PRIu64 " bytes", relay->sent);
}

void relay_end_input(struct relay *relay)
{
    if (relay->input == RELAY_INPUT_ENDED)
        return;
    relay->input = RELAY_INPUT_ENDED;
    story_tell(relay->story, STORY_INPUT, "%s",
               relay->half_close ? "ended" : "ended; no FIN is sent (--no-shutdown)");
    half_close(relay);
}

/* --- standard input to the peer --- */

size_t relay_push(struct relay *relay, const char *bytes, size_t length)
{
    size_t room;
    char *back = bytes_back(&relay->up, &room);
    if (length > room)
        length = room;
    memcpy(back, bytes, length);
    bytes_added(&relay->up, length);
    return length;
}

static void input_failed(struct relay *relay, int errnum)
{
    error_set(&relay->failure, errnum, "cannot read standard input");
    relay_end_input(relay);
}

static void read_input(struct relay *relay)
{
    size_t room;
    char *back = bytes_back(&relay->up, &room);
    ssize_t n = read(STDIN_FILENO, back, room);
    relay->input_time = clock_now();
    if (n > 0)
        bytes_added(&relay->up, (size_t)n);
    else if (n == 0)
        relay_end_input(relay);
    else if (errno != EAGAIN && errno != EINTR)
        input_failed(relay, errno);
}

static void send_up(struct relay *relay)
{
    size_t length;
    const char *front = bytes_front(&relay->up, &length);
    ssize_t n = send(relay->socket, front, length, MSG_NOSIGNAL);
    if (n < 0) {
        relay_break(relay, errno == EAGAIN || errno == EINTR ? 0 : errno);
        return;
    }
    relay->sent += (uint64_t)n;
    bytes_drained(&relay->up, (size_t)n);
    half_close(relay);
}

/* --- the peer to standard output --- */

static void received(struct relay *relay, size_t length)
{
    if (relay->received == 0)
        story_tell_facts(relay->story, STORY_FIRST_BYTE, bytes_fact(length),
                         "from the peer, in a piece of %zu", length);
    relay->received += length;
}

static void receive_down(struct relay *relay)
{
    char scratch[HARMLESS_MOST], *back;
    size_t room = receive_room(relay, &back);
    ssize_t n = recv(relay->socket, relay->harmless ? scratch : back, room, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        relay_break(relay, n < 0 ? errno : 0);
        peer_finished(relay);
        return;
    }
    received(relay, (size_t)n);
    if (relay->harmless)
        n = (ssize_t)visible_feed(&relay->visible, scratch, (size_t)n, back);
    bytes_added(&relay->down, (size_t)n);
}

static void output_failed(struct relay *relay, int errnum)
{
    story_tell(relay->story, STORY_OUTPUT, "%s", strerrordesc_np(errnum));
    if (errnum != EPIPE) /* a reader that has seen enough is no failure */
        error_set(&relay->failure, errnum, "cannot write standard output");
    stop(relay);
}

static void write_down(struct relay *relay)
{
    size_t length;
    const char *front = bytes_front(&relay->down, &length);
    ssize_t n = (ssize_t)length;
    if (relay->print)
        relay->print(relay->context, front, length);
    else
        n = output_write(&relay->output, front, length);
    if (n < 0)
        output_failed(relay, errno);
    else
        bytes_drained(&relay->down, (size_t)n);
}

/* --- one turn --- */

static void take_signal(struct relay *relay)
{
    int signal = signals_take(relay->signals);
    if (signal == SIGINT || signal == SIGTERM || signal == SIGHUP) {
        relay->signal = signal;
        stop(relay);
    } else if (signal && relay->signalled) {
        relay->signalled(relay->context, signal);
    }
}

static bool wants_input(struct relay *relay)
{
    size_t room;
    bytes_back(&relay->up, &room);
    if (relay->input == RELAY_INPUT_KEYS)
        return true;
    return relay->input == RELAY_INPUT_BYTES && room > 0;
}

static short socket_events(struct relay *relay)
{
    char *back;
    short events = 0;
    if (!relay->peer_done && receive_room(relay, &back) > 0)
        events |= POLLIN;
    if (!relay->broken && !bytes_empty(&relay->up))
        events |= POLLOUT;
    return events;
}

/*
 * Hang-up and error are reported whether asked for or not.  An end from which
 * nothing is wanted is therefore left out, or poll would return for ever;
 * except for the connection as long as a reset would be news.
 */
static void prepare(struct relay *relay, struct pollfd polls[static SLOTS])
{
    short events = socket_events(relay);
    bool news = !relay->broken && !relay->half_closed && !relay->hung_up;
    polls[SLOT_INPUT] =
        (struct pollfd){.fd = wants_input(relay) ? STDIN_FILENO : -1, .events = POLLIN};
    polls[SLOT_SOCKET] =
        (struct pollfd){.fd = events || news ? relay->socket : -1, .events = events};
    polls[SLOT_OUTPUT] =
        (struct pollfd){.fd = bytes_empty(&relay->down) ? -1 : relay->output.fd, .events = POLLOUT};
    polls[SLOT_SIGNALS] = (struct pollfd){.fd = relay->signals, .events = POLLIN};
    polls[SLOT_TRACE] = (struct pollfd){.fd = trace_fd(relay->story->trace), .events = POLLIN};
}

/* The socket's own error, read once: it tells a reset also when there is no room to receive. */
static void check_socket(struct relay *relay)
{
    int errnum = 0;
    socklen_t length = sizeof errnum;
    getsockopt(relay->socket, SOL_SOCKET, SO_ERROR, &errnum, &length);
    relay_break(relay, errnum);
}

static void serve_socket(struct relay *relay, const struct pollfd *ready)
{
    if (ready->revents & POLLERR)
        check_socket(relay);
    if (ready->revents & POLLHUP)
        relay->hung_up = true;
    if ((ready->revents & (POLLOUT | POLLHUP)) && !bytes_empty(&relay->up))
        send_up(relay);
    if ((ready->events & POLLIN) && (ready->revents & (POLLIN | POLLHUP | POLLERR)))
        receive_down(relay);
}

static enum relay_event serve_input(struct relay *relay, const struct pollfd *ready)
{
    if (!ready->revents || relay->stopped || relay->broken)
        return RELAY_GOING;
    if (relay->input == RELAY_INPUT_KEYS)
        return RELAY_KEY;
    if (relay->input == RELAY_INPUT_BYTES)
        read_input(relay);
    return RELAY_GOING;
}

enum relay_event relay_turn(struct relay *relay)
{
    struct pollfd polls[SLOTS];
    struct trace *trace = relay->story->trace;
    trace_look(trace);
    if (relay_over(relay))
        return RELAY_OVER;
    prepare(relay, polls);
    if (poll(polls, SLOTS, trace_patience(trace, relay_patience(relay))) <= 0)
        return RELAY_GOING;
    if (polls[SLOT_SIGNALS].revents)
        take_signal(relay);
    if (polls[SLOT_OUTPUT].revents)
        write_down(relay);
    serve_socket(relay, &polls[SLOT_SOCKET]);
    return serve_input(relay, &polls[SLOT_INPUT]);
}
