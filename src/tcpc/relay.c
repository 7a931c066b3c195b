/* SPDX-License-Identifier: MIT */
#include "tcpc/relay.h"

#include "base/clock.h"
#include "tcpc/crlf.h"
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

/* Received, or read, at once when each byte may become several. */
#define TRANSLATED_MOST ((size_t)16 * 1024)

/* TLS hands over one record at a time; so many in a turn. */
#define RECORDS_MOST 16

enum slot { SLOT_INPUT, SLOT_SOCKET, SLOT_OUTPUT, SLOT_SIGNALS, SLOT_TRACE, SLOTS };

void relay_init(struct relay *relay, struct wire *wire, int signals, const struct story *story)
{
    memset(relay, 0, offsetof(struct relay, up));
    relay->up.start = relay->up.end = relay->down.start = relay->down.end = 0;
    relay->wire = wire;
    relay->signals = signals;
    relay->story = story;
    relay->half_close = true;
    relay->patient = !isatty(STDIN_FILENO);
    relay->harmless = isatty(STDOUT_FILENO);
    relay->visible.utf8 = ends_utf8();
    output_open(&relay->output);
    ends_widen(STDIN_FILENO, BYTES_MAX);
    ends_widen(relay->output.fd, BYTES_MAX);
}

void relay_show(struct relay *relay)
{
    relay->harmless = true;
    relay->visible.hex = true;
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
    return room < TRANSLATED_MOST ? room : TRANSLATED_MOST;
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

static void peer_finished(struct relay *relay)
{
    peer_ended(relay);
    if (relay->broken)
        return;
    finished_first(relay, "the peer");
    story_tell_facts(relay->story, STORY_PEER_FINISHED, story_bytes(relay->story, relay->received),
                     "%s after %" PRIu64 " bytes", wire_peer_farewell(relay->wire),
                     relay->received);
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
    const char *reason = wire_reason(relay->wire, errnum);
    story_tell_facts(
        relay->story, STORY_RESET,
        json_pack("{s:o, s:I}", "reason", story_text(reason), "unsent", (json_int_t)lost),
        "%s; %zu bytes not sent", reason, lost);
}

/* Whether all is sent, and the farewell is what comes next. */
static bool wants_farewell(const struct relay *relay)
{
    return relay->half_close && relay->input == RELAY_INPUT_ENDED && !relay->half_closed &&
           !relay->broken && bytes_empty(&relay->up);
}

static void half_close(struct relay *relay)
{
    if (!wants_farewell(relay))
        return;
    if (wire_finish(relay->wire) != 0) {
        relay_break(relay, errno == EAGAIN ? 0 : errno);
        return;
    }
    relay->half_closed = true;
    finished_first(relay, "this side");
    story_tell_facts(relay->story, STORY_HALF_CLOSED, story_bytes(relay->story, relay->sent),
                     "%s after %" PRIu64 " bytes", wire_own_farewell(relay->wire), relay->sent);
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
    if (relay->crlf)
        room /= CRLF_GROWTH;
    if (length > room)
        length = room;
    if (relay->crlf) {
        bytes_added(&relay->up, crlf_feed(&relay->after_return, bytes, length, back));
        return length;
    }
    memcpy(back, bytes, length);
    bytes_added(&relay->up, length);
    return length;
}

static void input_failed(struct relay *relay, int errnum)
{
    error_set(&relay->failure, errnum, "cannot read standard input");
    relay_end_input(relay);
}

static size_t input_room(struct relay *relay, char **back)
{
    size_t room;
    *back = bytes_back(&relay->up, &room);
    if (!relay->crlf)
        return room;
    room /= CRLF_GROWTH;
    return room < TRANSLATED_MOST ? room : TRANSLATED_MOST;
}

static void read_input(struct relay *relay)
{
    char scratch[TRANSLATED_MOST], *back;
    size_t room = input_room(relay, &back);
    ssize_t n = read(STDIN_FILENO, relay->crlf ? scratch : back, room);
    relay->input_time = clock_now();
    if (n > 0 && relay->crlf)
        relay_push(relay, scratch, (size_t)n);
    else if (n > 0)
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
    ssize_t n = wire_send(relay->wire, front, length);
    if (n < 0) {
        relay_break(relay, errno == EAGAIN ? 0 : errno);
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
        story_tell_facts(relay->story, STORY_FIRST_BYTE, story_bytes(relay->story, length),
                         "from the peer, in a piece of %zu", length);
    relay->received += length;
}

/* True when there may be more at once. */
static bool receive_piece(struct relay *relay)
{
    char scratch[TRANSLATED_MOST], *back;
    size_t room = receive_room(relay, &back);
    if (room == 0)
        return false;
    ssize_t n = wire_recv(relay->wire, relay->harmless ? scratch : back, room);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0) {
        relay_break(relay, n < 0 ? errno : 0);
        peer_finished(relay);
        return false;
    }
    received(relay, (size_t)n);
    if (relay->harmless)
        n = (ssize_t)visible_feed(&relay->visible, scratch, (size_t)n, back);
    bytes_added(&relay->down, (size_t)n);
    return relay->wire->tls != NULL;
}

static void receive_down(struct relay *relay)
{
    for (int i = 0; i < RECORDS_MOST && receive_piece(relay); i++)
        continue;
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
    char *back;
    if (relay->input == RELAY_INPUT_KEYS)
        return true;
    return relay->input == RELAY_INPUT_BYTES && input_room(relay, &back) > 0;
}

static bool wants_receive(struct relay *relay)
{
    char *back;
    return !relay->peer_done && receive_room(relay, &back) > 0;
}

static bool wants_send(const struct relay *relay)
{
    return !relay->broken && (!bytes_empty(&relay->up) || wants_farewell(relay));
}

static short socket_events(struct relay *relay)
{
    short events = 0;
    if (wants_receive(relay))
        events |= wire_receive_events(relay->wire);
    if (wants_send(relay))
        events |= wire_send_events(relay->wire);
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
        (struct pollfd){.fd = events || news ? relay->wire->fd : -1, .events = events};
    polls[SLOT_OUTPUT] =
        (struct pollfd){.fd = bytes_empty(&relay->down) ? -1 : relay->output.fd, .events = POLLOUT};
    polls[SLOT_SIGNALS] = (struct pollfd){.fd = relay->signals, .events = POLLIN};
    polls[SLOT_TRACE] = (struct pollfd){.fd = trace_fd(relay->wire->trace), .events = POLLIN};
}

/* The socket's own error, read once: it tells a reset also when there is no room to receive. */
static void check_socket(struct relay *relay)
{
    int errnum = 0;
    socklen_t length = sizeof errnum;
    getsockopt(relay->wire->fd, SOL_SOCKET, SO_ERROR, &errnum, &length);
    relay_break(relay, errnum);
}

static void serve_socket(struct relay *relay, short revents, bool pending)
{
    const short over = POLLHUP | POLLERR;
    if (revents & POLLERR)
        check_socket(relay);
    if (revents & POLLHUP)
        relay->hung_up = true;
    if (wants_send(relay) && revents & (wire_send_events(relay->wire) | POLLHUP)) {
        if (bytes_empty(&relay->up))
            half_close(relay);
        else
            send_up(relay);
    }
    if (wants_receive(relay) && (pending || revents & (wire_receive_events(relay->wire) | over)))
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
    trace_look(relay->wire->trace);
    if (relay_over(relay))
        return RELAY_OVER;
    prepare(relay, polls);
    bool pending = wire_pending(relay->wire) && wants_receive(relay);
    int most = pending ? 0 : relay_patience(relay);
    if (poll(polls, SLOTS, trace_patience(relay->wire->trace, most)) < 0)
        return RELAY_GOING;
    if (polls[SLOT_SIGNALS].revents)
        take_signal(relay);
    if (polls[SLOT_OUTPUT].revents)
        write_down(relay);
    serve_socket(relay, polls[SLOT_SOCKET].revents, pending);
    return serve_input(relay, &polls[SLOT_INPUT]);
}
