/* SPDX-License-Identifier: MIT */
/*
 * The log's memory, of fixed size, in two halves: writers fill one while the
 * reader sends the other.  A line that does not fit is dropped and counted.
 */
#ifndef TCPD_BASE_RING_H
#define TCPD_BASE_RING_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RING_HALF ((size_t)128 * 1024)

struct ring_entry {
    uint16_t length; /* bytes of text that follow */
    uint16_t level;  /* LOG_ERR to LOG_DEBUG */
    uint32_t time;   /* wall clock, seconds */
    char text[];
};

struct ring {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    char *filling;
    char *sending;
    size_t used;        /* of `filling`: entries stand one behind the other */
    uint32_t lost;      /* dropped since the last line that found room */
    uint64_t dropped;   /* dropped ever; atomic, written under the lock */
    uint64_t *shown;    /* where others see `dropped` grow, or NULL; set under the lock */
    bool reader_sleeps; /* in ring_wait: the next line wakes it */
    bool closed;        /* ring_wait returns at once */
};

/* Returns 0, or an errno.  Freed with ring_fini. */
int ring_init(struct ring *ring);
void ring_fini(struct ring *ring);

/*
 * Appends a line, behind one that tells how many were dropped before it; or counts it as dropped.
 * Never blocks for longer than a copy takes.  Any thread.
 */
void ring_put(struct ring *ring, int level, const char *text, size_t length);

/* Counts a line that got no further as dropped.  Any thread. */
void ring_drop(struct ring *ring);

/*
 * Swaps the halves.  Returns the one that was filled, which is the reader's until the next
 * call, and in *size how many bytes of entries it holds.  The reader.
 */
const char *ring_take(struct ring *ring, size_t *size);

/* Appends the line that tells how many were dropped; false when there is none to tell of.  The
 * reader, which else would leave that to the next line, whenever it comes. */
bool ring_tell_gap(struct ring *ring);

/* The entry at *at of what ring_take returned, with *at moved behind it. */
const struct ring_entry *ring_next(const char *entries, size_t *at);

/* From now on *shown grows with each line dropped.  Any thread. */
void ring_show_dropped(struct ring *ring, uint64_t *shown);

/* Sleeps until there is a line or the ring is closed; false when it is closed and empty.  The
 * reader. */
bool ring_wait(struct ring *ring);

/* Ends the reader's sleep for good.  Any thread. */
void ring_close(struct ring *ring);

#endif
