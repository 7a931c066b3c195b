/* SPDX-License-Identifier: MIT */
#include "base/tally.h"

#include "base/clock.h"
#include "base/scoreboard_sequence.h"

#include <sched.h>
#include <string.h>
#include <time.h>

#define YIELDS  100              /* before a reader sleeps between its tries */
#define NAP     (100 * 1000L)    /* ns */
#define GIVE_UP (500 * CLOCK_MS) /* a master that died in the middle of a change */

/* A change that never came to its end, by its odd sequence: it is not waited for again. */
static uint64_t unfinished;

/* Waits for the sequence to be even, and returns it; odd: there is nobody who will make it so. */
static uint64_t wait_for_sequence(const struct scoreboard_head *head)
{
    uint64_t began = 0;
    for (unsigned tries = 0;; tries++) {
        uint64_t now = sequence_now(head);
        if (now % 2 == 0 || now == __atomic_load_n(&unfinished, __ATOMIC_RELAXED))
            return now;
        if (tries < YIELDS) {
            sched_yield();
            continue;
        }
        if (!began)
            began = clock_now();
        if (clock_now() - began > GIVE_UP)
            __atomic_store_n(&unfinished, now, __ATOMIC_RELAXED);
        nanosleep(&(struct timespec){.tv_nsec = NAP}, NULL);
    }
}

/* Whether what was read since wait_for_sequence returned `before` holds. */
static bool was_undisturbed(const struct scoreboard_head *head, uint64_t before)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return sequence_now(head) == before;
}

bool tally_name(const struct scoreboard *scoreboard, unsigned id, char name[SCOREBOARD_NAME])
{
    const struct scoreboard_head *head = scoreboard->head;
    uint64_t before;
    do {
        before = wait_for_sequence(head);
        memcpy(name, head->names[id], SCOREBOARD_NAME);
    } while (!was_undisturbed(head, before));
    name[SCOREBOARD_NAME - 1] = '\0';
    return name[0] != '\0';
}

int tally_find(const struct scoreboard *scoreboard, const char *name)
{
    for (int id = 0; id < SCOREBOARD_SERVICES; id++)
        if (strcmp(scoreboard->head->names[id], name) == 0)
            return id;
    return -1;
}

uint64_t histogram_count(const struct histogram *histogram)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        count += histogram->bucket[i];
    return count;
}

static void add_numbers(uint64_t *sum, const uint64_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += counter_get(&numbers[i]);
}

static void add_histogram(struct histogram *sum, const struct histogram *histogram)
{
    add_numbers(sum->bucket, histogram->bucket, HISTOGRAM_BUCKETS);
    sum->sum += counter_get(&histogram->sum);
}

static void add_counters(struct counters *sum, const struct counters *counters)
{
    add_numbers((uint64_t *)sum, (const uint64_t *)counters, sizeof *sum / sizeof(uint64_t));
}

/* One look at everything.  What it finds counts only if nothing was changed meanwhile. */

struct look {
    const struct scoreboard *scoreboard;
    int id; /* of the service that is asked for, or -1 */
    struct counters counters;
    struct tally tally;
};

static void look_at_service(struct look *look, const struct board *board)
{
    unsigned index = look->id < 0 ? 0 : board->indices[look->id];
    if (index == 0 || index > board->entry.services)
        return;
    for (unsigned child = 0; child < board->entry.children; child++)
        for (unsigned thread = 0; thread <= board->entry.threads; thread++)
            add_counters(&look->counters, &board_thread(board, child, thread)->services[index - 1]);
}

static void look_at_threads(struct look *look, const struct board *board)
{
    for (unsigned child = 0; child < board->entry.children; child++) {
        look->tally.log_dropped += counter_get(&board->children[child].log_dropped);
        for (unsigned thread = 0; thread <= board->entry.threads; thread++) {
            const struct thread_slot *slot = board_thread(board, child, thread);
            look->tally.queue_length += counter_get(&slot->queue_length);
            add_histogram(&look->tally.wait, &slot->wait);
        }
    }
}

static void look_at_all(struct look *look)
{
    const struct scoreboard_head *head = look->scoreboard->head;
    look->counters = (struct counters){0};
    look->tally = (struct tally){.log_dropped = counter_get(&head->daemon.log_dropped)};
    if (look->id >= 0)
        add_counters(&look->counters, &head->totals[look->id]);
    else
        add_histogram(&look->tally.wait, &head->daemon.wait);
    for (unsigned i = 0; i < SCOREBOARD_BOARDS; i++) {
        struct board_entry entry;
        struct board board;
        memcpy(&entry, &head->boards[i], sizeof entry);
        if (!board_view(&board, look->scoreboard, &entry))
            continue;
        if (look->id >= 0)
            look_at_service(look, &board);
        else
            look_at_threads(look, &board);
    }
}

static void look(struct look *look)
{
    const struct scoreboard_head *head = look->scoreboard->head;
    uint64_t before;
    do {
        before = wait_for_sequence(head);
        look_at_all(look);
    } while (!was_undisturbed(head, before));
}

void tally_service(const struct scoreboard *scoreboard, unsigned id, struct counters *sum)
{
    struct look service = {.scoreboard = scoreboard, .id = (int)id};
    look(&service);
    *sum = service.counters;
}

void tally_daemon(const struct scoreboard *scoreboard, struct tally *sum)
{
    struct look daemon = {.scoreboard = scoreboard, .id = -1};
    look(&daemon);
    *sum = daemon.tally;
}
