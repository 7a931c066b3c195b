/* SPDX-License-Identifier: MIT */
/*
 * What a program says on its standard error: line by line into the log, a long one in pieces.
 *
 * Most programs are over at once: what they have said is read when they have ended, and nobody is
 * woken for it before.
 */
#include "base/clock.h"
#include "base/container.h"
#include "base/log.h"
#include "spawner/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_LENGTH 256  /* what the log keeps of a value */
#define READ_MAX        4096 /* in a turn: others are waiting */
#define PIPE_READS      16   /* all that a pipe holds */
#define LISTEN_AFTER    (10 * CLOCK_MS)

struct outlet {
    struct watch watch;
    struct timer patience; /* until it is listened to */
    struct loop *loop;
    const char *service;
    pid_t pid;
    bool listens; /* it is in the loop */
    bool ended;   /* nobody has the other end any more */
    size_t length;
    char line[LINE_MAX_LENGTH];
};

static void log_line(struct outlet *outlet)
{
    struct log_line line;
    if (outlet->length > 0) {
        log_begin(&line, "program");
        log_add(&line, "service", outlet->service);
        log_add_number(&line, "pid", (uint64_t)outlet->pid);
        log_add_bytes(&line, "stderr", outlet->line, outlet->length);
        log_end(&line, LOG_NOTICE);
    }
    outlet->length = 0;
}

static void take(struct outlet *outlet, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != '\n')
            outlet->line[outlet->length++] = bytes[i];
        if (bytes[i] == '\n' || outlet->length == sizeof outlet->line)
            log_line(outlet);
    }
}

/* Returns whether there may be more. */
static bool read_some(struct outlet *outlet)
{
    char bytes[READ_MAX];
    ssize_t length = read(outlet->watch.fd, bytes, sizeof bytes);
    if (length > 0)
        take(outlet, bytes, (size_t)length);
    return length > 0 || (length < 0 && errno == EINTR);
}

static void stop_listening(struct outlet *outlet)
{
    if (outlet->listens)
        loop_remove(outlet->loop, &outlet->watch);
    outlet->listens = false;
}

static void outlet_ready(struct watch *watch, uint32_t events)
{
    struct outlet *outlet = (struct outlet *)watch;
    (void)events;
    errno = 0;
    outlet->ended = !read_some(outlet) && errno != EAGAIN;
    if (outlet->ended)
        stop_listening(outlet);
}

static void listen_later(struct outlet *outlet, uint64_t now);

static void listen_due(struct timer *timer, uint64_t now)
{
    struct outlet *outlet = container_of(timer, struct outlet, patience);
    outlet->listens = loop_add(outlet->loop, &outlet->watch) == 0;
    if (!outlet->listens)
        listen_later(outlet, now);
}

static void listen_later(struct outlet *outlet, uint64_t now)
{
    timer_start(&outlet->patience, timers_fifo(&outlet->loop->timers, LISTEN_AFTER, listen_due),
                now);
}

struct outlet *outlet_open(struct loop *loop, const char *service, int *other_end)
{
    int ends[2];
    struct outlet *outlet = calloc(1, sizeof *outlet);
    if (!outlet || pipe2(ends, O_CLOEXEC)) {
        free(outlet);
        return NULL;
    }
    outlet->watch = (struct watch){outlet_ready, ends[0], EPOLLIN};
    outlet->service = service;
    outlet->loop = loop;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    listen_later(outlet, loop->now);
    *other_end = ends[1];
    return outlet;
}

void outlet_belongs_to(struct outlet *outlet, pid_t pid)
{
    outlet->pid = pid;
}

/* What is in the pipe by now is the program's; who holds it open from now on is nobody's. */
void outlet_close(struct outlet *outlet)
{
    for (int i = 0; i < PIPE_READS && !outlet->ended && read_some(outlet); i++)
        ;
    log_line(outlet);
    timer_stop(&outlet->patience);
    stop_listening(outlet);
    close(outlet->watch.fd);
    free(outlet);
}
