/* SPDX-License-Identifier: MIT */
#include "io/loop.h"

#include "base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_MAX 128 /* in one turn */

int loop_init(struct loop *loop, struct error *error)
{
    *loop = (struct loop){.epoll = epoll_create1(EPOLL_CLOEXEC), .wake = -1, .now = clock_now()};
    timers_init(&loop->timers);
    if (loop->epoll >= 0)
        loop->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake >= 0 && loop_offer(loop, loop->wake, EPOLLIN | EPOLLET) == 0)
        return 0;
    error_set(error, errno, "cannot make an event loop");
    loop_fini(loop);
    return -1;
}

void loop_fini(struct loop *loop)
{
    if (loop->wake >= 0)
        close(loop->wake);
    if (loop->epoll >= 0)
        close(loop->epoll);
    timers_fini(&loop->timers);
    free(loop->watches);
    *loop = (struct loop){.epoll = -1, .wake = -1};
}

void loop_wake(struct loop *loop)
{
    eventfd_write(loop->wake, 1);
}

int loop_offer(struct loop *loop, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event);
}

/* The table doubles: descriptors are handed out lowest first, so it stays as small as it can. */
static int make_room(struct loop *loop, int fd)
{
    size_t count = loop->watch_count ? loop->watch_count : 64;
    while (count <= (size_t)fd)
        count *= 2;
    if (count == loop->watch_count)
        return 0;
    struct watch **watches = realloc(loop->watches, count * sizeof *watches);
    if (!watches)
        return -1;
    memset(watches + loop->watch_count, 0, (count - loop->watch_count) * sizeof *watches);
    loop->watches = watches;
    loop->watch_count = count;
    return 0;
}

int loop_adopt(struct loop *loop, struct watch *watch)
{
    if (make_room(loop, watch->fd))
        return -1;
    loop->watches[watch->fd] = watch;
    return 0;
}

int loop_add(struct loop *loop, struct watch *watch)
{
    if (loop_adopt(loop, watch))
        return -1;
    if (loop_offer(loop, watch->fd, watch->events) == 0)
        return 0;
    loop->watches[watch->fd] = NULL;
    return -1;
}

void loop_change(struct loop *loop, struct watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = watch->fd};
    if (watch->events == events)
        return;
    watch->events = events;
    epoll_ctl(loop->epoll, EPOLL_CTL_MOD, watch->fd, &event);
}

void loop_forget(struct loop *loop, struct watch *watch)
{
    loop->watches[watch->fd] = NULL;
}

void loop_remove(struct loop *loop, struct watch *watch)
{
    epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    loop_forget(loop, watch);
}

/* Milliseconds from the begin of this turn to the next timer, rounded up; -1: none. */
static int wait_time(const struct loop *loop)
{
    if (loop->timers.next == TIMER_NEVER)
        return -1;
    if (loop->timers.next <= loop->now)
        return 0;
    uint64_t wait = (loop->timers.next - loop->now + CLOCK_MS - 1) / CLOCK_MS;
    return wait < 3600 * 1000 ? (int)wait : 3600 * 1000;
}

static struct watch *find(const struct loop *loop, int fd)
{
    return (size_t)fd < loop->watch_count ? loop->watches[fd] : NULL;
}

static void dispatch(struct loop *loop, const struct epoll_event *event)
{
    int fd = event->data.fd;
    struct watch *watch = find(loop, fd);
    if (!watch && fd == loop->wake) {
        if (loop->woken)
            loop->woken(loop);
        return;
    }
    if (!watch && loop->stranger) {
        loop->stranger(loop, fd);
        watch = find(loop, fd);
    }
    if (watch)
        watch->ready(watch, event->events);
}

void loop_run(struct loop *loop)
{
    struct epoll_event events[EVENTS_MAX];
    while (!loop->stop) {
        int count = epoll_wait(loop->epoll, events, EVENTS_MAX, wait_time(loop));
        loop->now = clock_now();
        for (int i = 0; i < count; i++)
            dispatch(loop, &events[i]);
        timers_run(&loop->timers, loop->now);
        if (loop->turn_end)
            loop->turn_end(loop);
    }
}
