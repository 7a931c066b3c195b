/* SPDX-License-Identifier: MIT */
#include "tcpc/trace.h"

#include "base/clock.h"
#include "io/sock.h"
#include "tcpc/attempt.h"
#include "tcpc/resolve.h"
#include "tcpc/route.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define FOLD_MS     200     /* how often it is seen to what is folded, */
#define RESTLESS_MS 10      /* and to a state that may change by itself */
#define LINGER      CLOCK_S /* for the last segments */

struct trace {
    struct sheet sheet;
    struct capture_file *file; /* NULL: none is written */
    int epoll;                 /* of all captures */
    bool apologised;           /* it was said that nothing can be captured */
    bool lost;                 /* something came too fast to be captured */
    struct attempt *last;      /* the one that was closed last: the one that won, or failed last */
    size_t count;
    struct attempt attempts[RESOLVE_MAX];
};

/* --- the beginning --- */

static uint64_t wall_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * CLOCK_S + (uint64_t)now.tv_nsec;
}

static struct canvas *open_canvas(const struct trace_wish *wish, const struct story *story,
                                  struct error *error)
{
    if (wish->picture)
        return canvas_svg_open(wish->picture, error);
    struct canvas *canvas = canvas_text_open(story);
    if (!canvas)
        error_set(error, ENOMEM, "--trace");
    return canvas;
}

static int open_outputs(struct trace *trace, const struct trace_wish *wish,
                        const struct story *story, struct error *error)
{
    trace->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (trace->epoll < 0)
        return error_set(error, errno, "--trace: cannot wait for segments");
    if (wish->draw && !(trace->sheet.canvas = open_canvas(wish, story, error)))
        return -1;
    if (wish->pcap && !(trace->file = capture_file_open(wish->pcap, error)))
        return -1;
    return 0;
}

static int close_outputs(struct trace *trace, struct error *error)
{
    int result = 0;
    if (trace->file && (trace->apologised || trace->lost))
        result = error_set(error, 0, "--pcap: not everything could be captured");
    if (trace->sheet.canvas)
        result |= trace->sheet.canvas->ops->close(trace->sheet.canvas, error);
    if (trace->file)
        result |= capture_file_close(trace->file, error);
    if (trace->epoll >= 0)
        close(trace->epoll);
    return result;
}

struct trace *trace_open(const struct trace_wish *wish, const struct story *story,
                         struct error *error)
{
    struct trace *trace = calloc(1, sizeof *trace);
    if (!trace) {
        error_set(error, ENOMEM, "--trace");
        return NULL;
    }
    trace->sheet = (struct sheet){
        .story = story, .wall = wall_now() - story_time(story), .absolute = wish->absolute};
    if (open_outputs(trace, wish, story, error) == 0)
        return trace;
    close_outputs(trace, NULL);
    free(trace);
    return NULL;
}

/* --- attempts --- */

/* What gives this very program the right to capture. */
static void tell_way_out(const struct story *story)
{
    char program[PATH_MAX] = "tcpc", line[PATH_MAX + 128];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length > 0)
        program[length] = '\0';
    snprintf(line, sizeof line,
             "tcpc: as root, \"setcap cap_net_raw+ep %s\" lets everybody capture with it\n",
             program);
    story->print(story->context, line);
}

static void apologise(struct trace *trace, const char *interface, const struct error *why)
{
    const struct story *story = trace->sheet.story;
    char line[ERROR_TEXT_MAX + 128];
    if (trace->apologised)
        return;
    trace->apologised = true;
    snprintf(line, sizeof line, "tcpc: cannot capture on %s: %s%s\n", interface, why->text,
             trace->sheet.canvas ? "; what follows is what the kernel tells of this end" : "");
    story->print(story->context, line);
    if (why->errnum == EPERM)
        tell_way_out(story);
}

/* A port before connect(2) would choose one: a capture of just this connection can then begin. */
static int bind_port(struct attempt *attempt)
{
    struct sockaddr_storage storage;
    struct addr any = {.family = attempt->peer.family};
    socklen_t length = addr_to_sockaddr(&any, &storage);
    if (bind(attempt->socket, (struct sockaddr *)&storage, length) != 0)
        return -1;
    sock_local(attempt->socket, &attempt->local);
    return 0;
}

static int start_capture(struct trace *trace, struct attempt *attempt, struct error *error)
{
    if (route_interface(&attempt->peer, attempt->interface, error) != 0)
        return 0; /* no way leads there, so there will be no segments */
    if (bind_port(attempt) != 0)
        return error_set(error, errno, "no port can be chosen");
    attempt->capture =
        capture_open(attempt->interface, &attempt->peer, attempt->local.port, trace->file, error);
    if (!attempt->capture)
        return -1;
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(trace->epoll, EPOLL_CTL_ADD, capture_fd(attempt->capture), &event);
    return 0;
}

void trace_attempt(struct trace *trace, int socket, const struct addr *peer)
{
    struct error why;
    if (!trace)
        return;
    assert(trace->count < RESOLVE_MAX);
    struct attempt *attempt = &trace->attempts[trace->count++];
    *attempt = (struct attempt){.sheet = &trace->sheet, .socket = socket, .peer = *peer};
    if (start_capture(trace, attempt, &why) != 0)
        apologise(trace, attempt->interface, &why);
    attempt->begun = clock_now();
}

/* --- while it lives --- */

int trace_fd(const struct trace *trace)
{
    return trace ? trace->epoll : -1;
}

static int patience_of(const struct attempt *attempt)
{
    if (attempt_is_restless(attempt))
        return RESTLESS_MS;
    return fold_holds(&attempt->fold) ? FOLD_MS : -1;
}

static int shorter(int a, int b)
{
    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    return a < b ? a : b;
}

int trace_patience(const struct trace *trace, int most)
{
    for (size_t i = 0; trace && i < trace->count; i++)
        most = shorter(most, patience_of(&trace->attempts[i]));
    return most;
}

void trace_look(struct trace *trace)
{
    for (size_t i = 0; trace && i < trace->count; i++) {
        if (trace->attempts[i].capture)
            attempt_read(&trace->attempts[i]);
        else
            attempt_ask(&trace->attempts[i]);
    }
}

void trace_finishing(struct trace *trace, int socket)
{
    for (size_t i = 0; trace && i < trace->count; i++) {
        if (trace->attempts[i].socket == socket && !trace->attempts[i].capture)
            attempt_ask_finishing(&trace->attempts[i]);
    }
}

void trace_closing(struct trace *trace, int socket, bool reset)
{
    for (size_t i = 0; trace && i < trace->count; i++) {
        struct attempt *attempt = &trace->attempts[i];
        if (attempt->socket != socket)
            continue;
        if (!attempt->capture)
            attempt_ask_last(attempt, reset);
        attempt->socket = -1;
        attempt->closed = clock_now();
        trace->last = attempt;
    }
}

/* --- the end --- */

static bool all_over(const struct trace *trace)
{
    for (size_t i = 0; i < trace->count; i++) {
        if (!attempt_over(&trace->attempts[i]))
            return false;
    }
    return true;
}

static void linger(struct trace *trace, int signals)
{
    uint64_t until = clock_now() + LINGER;
    trace_look(trace);
    while (!all_over(trace) && clock_now() < until) {
        struct pollfd polls[] = {{.fd = trace->epoll, .events = POLLIN},
                                 {.fd = signals, .events = POLLIN}};
        poll(polls, 2, RESTLESS_MS);
        trace_look(trace);
        if (polls[1].revents)
            return;
    }
}

static void note_summary(struct trace *trace, struct attempt *attempt)
{
    struct summary summary = {.count = 0};
    const struct canvas_ops *ops = trace->sheet.canvas->ops;
    if (attempt->capture)
        attempt_sum_up(attempt, &summary);
    else
        attempt_kernel_sum_up(attempt, &summary);
    for (size_t i = 0; i < summary.count; i++)
        ops->note(trace->sheet.canvas, summary.lines[i]);
}

/* Of the attempts that did not lead to anything their rows tell all. */
static void sum_up(struct trace *trace)
{
    for (size_t i = 0; i < trace->count; i++)
        attempt_flush(&trace->attempts[i]);
    if (!trace->last || !attempt_has_begun(trace->last))
        return;
    attempt_head(trace->last);
    note_summary(trace, trace->last);
}

static void stop_capture(struct trace *trace, struct capture *capture)
{
    if (!capture)
        return;
    trace->lost |= capture_lost(capture) > 0;
    capture_close(capture);
}

int trace_close(struct trace *trace, int signals, struct error *error)
{
    if (!trace)
        return 0;
    linger(trace, signals);
    if (trace->sheet.canvas)
        sum_up(trace);
    for (size_t i = 0; i < trace->count; i++)
        stop_capture(trace, trace->attempts[i].capture);
    int result = close_outputs(trace, error);
    free(trace);
    return result;
}
