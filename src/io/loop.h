/* SPDX-License-Identifier: MIT */
/*
 * The event loop: epoll(7), level-triggered, and timers.  A turn is one
 * epoll_wait, the callbacks of what it returned, the timers that are due, and
 * `turn_end`.  Watches are found by their descriptor, so that another thread
 * may put a descriptor into the epoll set before the loop's owner has heard of it.
 *
 * Everything but loop_wake and loop_offer: the thread that runs the loop.
 */
#ifndef TCPD_IO_LOOP_H
#define TCPD_IO_LOOP_H

#include "base/error.h"
#include "io/timer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>

/* One descriptor that is watched; embedded first in its owner.  The loop owns neither. */
struct watch {
    void (*ready)(struct watch *watch, uint32_t events); /* EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP */
    int fd;
    uint32_t events; /* what is asked for now */
};

struct loop {
    int epoll;
    int wake; /* an eventfd, edge-triggered: never read */
    bool stop;
    uint64_t now; /* of this turn, clock_now() */
    struct watch **watches;
    size_t watch_count; /* size of the table, by descriptor */
    struct timers timers;

    /* Set by the owner, each may be NULL. */
    void *owner;
    void (*woken)(struct loop *loop); /* after loop_wake */
    /* An event of a descriptor without a watch; when it has one afterwards, that gets the event. */
    void (*stranger)(struct loop *loop, int fd);
    void (*turn_end)(struct loop *loop);
};

int loop_init(struct loop *loop, struct error *error);
void loop_fini(struct loop *loop);

/* Turns until loop->stop is set. */
void loop_run(struct loop *loop);

/* Makes the loop call `woken`; several calls may become one.  Any thread, any process that shares
 * it. */
void loop_wake(struct loop *loop);

/* Begins to watch watch->fd for watch->events.  The errno is kept on -1. */
int loop_add(struct loop *loop, struct watch *watch);

/* Puts a descriptor into the epoll set without a watch: its first event goes to `stranger`.  Any
 * thread. */
int loop_offer(struct loop *loop, int fd, uint32_t events);

/* The watch of a descriptor that loop_offer has put there, with the events given there. */
int loop_adopt(struct loop *loop, struct watch *watch);

/* Asks for other events; nothing is done when they are what is asked for already. */
void loop_change(struct loop *loop, struct watch *watch, uint32_t events);

/* Forgets a watch whose descriptor is about to be closed in every process; no callback comes after
 * it. */
void loop_forget(struct loop *loop, struct watch *watch);

/* As loop_forget, for a descriptor that stays open. */
void loop_remove(struct loop *loop, struct watch *watch);

#endif
