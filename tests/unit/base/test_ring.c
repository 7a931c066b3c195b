/* SPDX-License-Identifier: MIT */
/* The log's memory: order, what does not fit, and the reader's sleep. */
#include "base/ring.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

static struct ring ring;

static void set_up(void)
{
    cr_assert_eq(ring_init(&ring), 0);
}

static void tear_down(void)
{
    ring_fini(&ring);
}

TestSuite(ring, .init = set_up, .fini = tear_down, .timeout = 60);

static void put(const char *text)
{
    ring_put(&ring, LOG_INFO, text, strlen(text));
}

/* Appends lines of this length until one is dropped; returns how many found room. */
static unsigned fill(size_t length)
{
    static char text[1024];
    unsigned count = 0;
    memset(text, 'x', sizeof text);
    while (ring.dropped == 0) {
        ring_put(&ring, LOG_INFO, text, length);
        count++;
    }
    return count - 1;
}

/* Counts the entries of one half, and keeps the text of the last. */
static unsigned drain(char last[static 64])
{
    size_t size, at = 0;
    unsigned count = 0;
    const char *entries = ring_take(&ring, &size);
    while (at < size) {
        const struct ring_entry *entry = ring_next(entries, &at);
        snprintf(last, 64, "%.*s", entry->length, entry->text);
        count++;
    }
    cr_assert_eq(at, size);
    return count;
}

Test(ring, lines_come_out_as_they_went_in)
{
    size_t size, at = 0;
    ring_put(&ring, LOG_ERR, "one", 3);
    ring_put(&ring, LOG_DEBUG, "", 0);
    ring_put(&ring, LOG_INFO, "a\0b", 3);
    const char *entries = ring_take(&ring, &size);
    const struct ring_entry *entry = ring_next(entries, &at);
    cr_assert(entry->level == LOG_ERR && entry->length == 3 && !memcmp(entry->text, "one", 3));
    entry = ring_next(entries, &at);
    cr_assert(entry->level == LOG_DEBUG && entry->length == 0);
    entry = ring_next(entries, &at);
    cr_assert(entry->level == LOG_INFO && entry->length == 3 && !memcmp(entry->text, "a\0b", 3));
    cr_assert_eq(at, size);
    ring_take(&ring, &size);
    cr_assert_eq(size, 0);
}

Test(ring, what_was_taken_stays_while_the_other_half_fills)
{
    size_t size, at = 0;
    put("taken");
    const char *entries = ring_take(&ring, &size);
    fill(100);
    const struct ring_entry *entry = ring_next(entries, &at);
    cr_assert_eq(memcmp(entry->text, "taken", 5), 0);
    cr_assert_eq(at, size);
}

Test(ring, a_full_half_drops_and_counts)
{
    unsigned kept = fill(100);
    cr_assert_eq(kept, RING_HALF / (sizeof(struct ring_entry) + 100));
    cr_assert_eq(ring.dropped, 1);
    for (int i = 0; i < 41; i++)
        ring_put(&ring, LOG_INFO, "0123456789", 10); /* some of the short ones still fit */
    cr_assert_lt(ring.dropped, 42);
    for (int i = 0; i < 50; i++)
        ring_put(&ring, LOG_INFO, "0123456789", 10);
    cr_assert_gt(ring.dropped, 50);
}

Test(ring, the_gap_is_told_before_the_next_line)
{
    char last[64], wanted[64];
    size_t size, at = 0;
    fill(1016); /* no byte is left */
    for (int i = 0; i < 6; i++)
        ring_put(&ring, LOG_INFO, "x", 1);
    snprintf(wanted, sizeof wanted, "log_dropped lines=%u", ring.lost);
    cr_assert_eq(ring.lost, 7);
    drain(last);
    put("after");
    const char *entries = ring_take(&ring, &size);
    const struct ring_entry *gap = ring_next(entries, &at);
    cr_assert_eq(gap->level, LOG_WARNING);
    cr_assert_eq(gap->length, strlen(wanted));
    cr_assert_eq(memcmp(gap->text, wanted, gap->length), 0);
    const struct ring_entry *after = ring_next(entries, &at);
    cr_assert_eq(memcmp(after->text, "after", 5), 0);
    cr_assert_eq(at, size);
    cr_assert_eq(ring.lost, 0);
    cr_assert_eq(ring.dropped, 7, "what was ever dropped is not forgotten");
}

Test(ring, the_gap_is_told_without_a_next_line)
{
    char last[64];
    cr_assert_not(ring_tell_gap(&ring), "there is none");
    fill(1016);
    ring_put(&ring, LOG_INFO, "x", 1);
    cr_assert_not(ring_tell_gap(&ring), "there is no room for it");
    drain(last);
    cr_assert(ring_tell_gap(&ring));
    cr_assert_not(ring_tell_gap(&ring), "once");
    cr_assert_eq(drain(last), 1);
    cr_assert_str_eq(last, "log_dropped lines=2");
}

Test(ring, a_line_that_got_no_further_counts)
{
    char last[64];
    ring_drop(&ring);
    ring_drop(&ring);
    put("next");
    cr_assert_eq(ring.dropped, 2);
    cr_assert_eq(drain(last), 2);
    cr_assert_str_eq(last, "next");
}

static void *write_lines(void *name)
{
    char text[64];
    for (int i = 0; i < 20000; i++) {
        int length = snprintf(text, sizeof text, "%s %d", (const char *)name, i);
        ring_put(&ring, LOG_INFO, text, (size_t)length);
    }
    return NULL;
}

struct seen {
    unsigned long lines, told;
    int last[3]; /* the number of each writer's last line */
    bool in_order;
};

static void look_at(struct seen *seen, const struct ring_entry *entry)
{
    char text[64], name;
    int number;
    unsigned gap;
    snprintf(text, sizeof text, "%.*s", entry->length, entry->text);
    if (sscanf(text, "log_dropped lines=%u", &gap) == 1) {
        seen->told += gap;
    } else if (sscanf(text, "%c %d", &name, &number) == 2 && name >= 'a' && name <= 'c') {
        seen->in_order = seen->in_order && number > seen->last[name - 'a'];
        seen->last[name - 'a'] = number;
        seen->lines++;
    } else {
        seen->in_order = false;
    }
}

/* Reads until the ring is closed and empty, as the logger thread does. */
static void *read_lines(void *argument)
{
    while (ring_wait(&ring)) {
        size_t size, at = 0;
        const char *entries = ring_take(&ring, &size);
        while (at < size)
            look_at(argument, ring_next(entries, &at));
    }
    return NULL;
}

Test(ring, three_writers_and_a_reader)
{
    static char names[3][2] = {"a", "b", "c"};
    struct seen seen = {.last = {-1, -1, -1}, .in_order = true};
    pthread_t reader, writers[3];
    pthread_create(&reader, NULL, read_lines, &seen);
    for (int i = 0; i < 3; i++)
        pthread_create(&writers[i], NULL, write_lines, names[i]);
    for (int i = 0; i < 3; i++)
        pthread_join(writers[i], NULL);
    ring_close(&ring);
    pthread_join(reader, NULL);
    cr_assert(seen.in_order);
    cr_assert_eq(seen.told + ring.lost, ring.dropped);
    cr_assert_eq(seen.lines + ring.dropped, 60000);
}

Test(ring, closing_wakes_the_reader)
{
    struct seen seen = {.in_order = true};
    pthread_t reader;
    pthread_create(&reader, NULL, read_lines, &seen);
    ring_close(&ring);
    pthread_join(reader, NULL);
    cr_assert_eq(seen.lines, 0);
}
