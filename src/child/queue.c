/* SPDX-License-Identifier: MIT */
#include "child/queue.h"

#include <errno.h>
#include <stdlib.h>

int queue_init(struct queue *queue, unsigned size, struct thread_slot *slot, struct error *error)
{
    *queue = (struct queue){.size = size, .unsettled = -1, .slot = slot};
    counter_set(&slot->queue_length, 0);
    counter_set(&slot->waiting_since, 0);
    pthread_mutex_init(&queue->lock, NULL);
    queue->waiting = calloc(size, sizeof *queue->waiting);
    queue->taken = calloc(size, sizeof *queue->taken);
    if (queue->waiting && queue->taken)
        return 0;
    queue_fini(queue);
    return error_set(error, ENOMEM, "cannot make room for pool.queue = %u", size);
}

void queue_fini(struct queue *queue)
{
    pthread_mutex_destroy(&queue->lock);
    free(queue->waiting);
    free(queue->taken);
}

unsigned queue_length(const struct queue *queue)
{
    return __atomic_load_n(&queue->count, __ATOMIC_RELAXED);
}

uint64_t queue_since(const struct queue *queue)
{
    return counter_get(&queue->slot->waiting_since);
}

static void set_count(struct queue *queue, unsigned count)
{
    __atomic_store_n(&queue->count, count, __ATOMIC_RELAXED);
    counter_set(&queue->slot->queue_length, count);
    counter_set(&queue->slot->waiting_since, count > 0 ? queue->waiting[0].accepted : 0);
}

void queue_put(struct queue *queue, const struct handover *handover)
{
    pthread_mutex_lock(&queue->lock);
    __atomic_store_n(&queue->unsettled, handover->fd, __ATOMIC_RELAXED);
    queue->waiting[queue->count] = *handover;
    set_count(queue, queue->count + 1);
    pthread_mutex_unlock(&queue->lock);
}

void queue_settle(struct queue *queue)
{
    __atomic_store_n(&queue->unsettled, -1, __ATOMIC_RELEASE);
}

void queue_cancel(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    set_count(queue, queue->count - 1);
    pthread_mutex_unlock(&queue->lock);
    queue_settle(queue);
}

/* Whether the last entry has to stay behind. */
static bool last_is_unsettled(const struct queue *queue, int seen)
{
    int unsettled = __atomic_load_n(&queue->unsettled, __ATOMIC_ACQUIRE);
    return unsettled >= 0 && unsettled != seen && queue->count > 0 &&
           queue->waiting[queue->count - 1].fd == unsettled;
}

unsigned queue_take(struct queue *queue, int seen, const struct handover **batch)
{
    pthread_mutex_lock(&queue->lock);
    struct handover *filled = queue->waiting;
    unsigned stay = last_is_unsettled(queue, seen);
    unsigned count = queue->count - stay;
    queue->waiting = queue->taken;
    queue->taken = filled;
    if (stay)
        queue->waiting[0] = filled[count];
    set_count(queue, stay);
    pthread_mutex_unlock(&queue->lock);
    *batch = filled;
    return count;
}
