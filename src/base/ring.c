/* SPDX-License-Identifier: MIT */
#include "base/ring.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

int ring_init(struct ring *ring)
{
    *ring = (struct ring){.filling = malloc(RING_HALF), .sending = malloc(RING_HALF)};
    if (!ring->filling || !ring->sending) {
        free(ring->filling);
        free(ring->sending);
        return ENOMEM;
    }
    pthread_mutex_init(&ring->lock, NULL);
    pthread_cond_init(&ring->filled, NULL);
    return 0;
}

void ring_fini(struct ring *ring)
{
    pthread_cond_destroy(&ring->filled);
    pthread_mutex_destroy(&ring->lock);
    free(ring->filling);
    free(ring->sending);
}

/* Entries are aligned for their header. */
static size_t entry_size(size_t length)
{
    return (sizeof(struct ring_entry) + length + 3) & ~(size_t)3;
}

static bool append(struct ring *ring, int level, const char *text, size_t length)
{
    size_t size = entry_size(length);
    if (size > RING_HALF - ring->used)
        return false;
    struct ring_entry *entry = (struct ring_entry *)(void *)(ring->filling + ring->used);
    entry->length = (uint16_t)length;
    entry->level = (uint16_t)level;
    entry->time = (uint32_t)time(NULL);
    memcpy(entry->text, text, length);
    ring->used += size;
    return true;
}

/* Whether there is no gap any more, or a line that tells of it. */
static bool append_gap(struct ring *ring)
{
    char gap[64];
    if (!ring->lost)
        return true;
    int size = snprintf(gap, sizeof gap, "log_dropped lines=%u", ring->lost);
    if (!append(ring, LOG_WARNING, gap, (size_t)size))
        return false;
    ring->lost = 0;
    return true;
}

static void count_dropped(struct ring *ring)
{
    ring->lost++;
    __atomic_store_n(&ring->dropped, ring->dropped + 1, __ATOMIC_RELAXED);
    if (ring->shown)
        __atomic_store_n(ring->shown, *ring->shown + 1, __ATOMIC_RELAXED);
}

void ring_show_dropped(struct ring *ring, uint64_t *shown)
{
    pthread_mutex_lock(&ring->lock);
    ring->shown = shown;
    pthread_mutex_unlock(&ring->lock);
}

void ring_drop(struct ring *ring)
{
    pthread_mutex_lock(&ring->lock);
    count_dropped(ring);
    pthread_mutex_unlock(&ring->lock);
}

void ring_put(struct ring *ring, int level, const char *text, size_t length)
{
    pthread_mutex_lock(&ring->lock);
    if (!append_gap(ring) || !append(ring, level, text, length))
        count_dropped(ring);
    bool wake = ring->reader_sleeps;
    ring->reader_sleeps = false;
    pthread_mutex_unlock(&ring->lock);
    if (wake)
        pthread_cond_signal(&ring->filled);
}

const char *ring_take(struct ring *ring, size_t *size)
{
    pthread_mutex_lock(&ring->lock);
    char *filled = ring->filling;
    *size = ring->used;
    ring->filling = ring->sending;
    ring->sending = filled;
    ring->used = 0;
    pthread_mutex_unlock(&ring->lock);
    return filled;
}

bool ring_tell_gap(struct ring *ring)
{
    pthread_mutex_lock(&ring->lock);
    bool told = ring->lost && append_gap(ring);
    pthread_mutex_unlock(&ring->lock);
    return told;
}

const struct ring_entry *ring_next(const char *entries, size_t *at)
{
    const struct ring_entry *entry = (const void *)(entries + *at);
    *at += entry_size(entry->length);
    return entry;
}

bool ring_wait(struct ring *ring)
{
    pthread_mutex_lock(&ring->lock);
    while (ring->used == 0 && !ring->closed) {
        ring->reader_sleeps = true;
        pthread_cond_wait(&ring->filled, &ring->lock);
    }
    bool more = ring->used > 0 || !ring->closed;
    pthread_mutex_unlock(&ring->lock);
    return more;
}

void ring_close(struct ring *ring)
{
    pthread_mutex_lock(&ring->lock);
    ring->closed = true;
    pthread_mutex_unlock(&ring->lock);
    pthread_cond_signal(&ring->filled);
}
