/* SPDX-License-Identifier: MIT */
#include "traffic/tally.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *const kind_names[KINDS] = {"short", "long"};

const char *const what_names[WHATS] = {
    [WHAT_REFUSED] = "refused", [WHAT_RESET] = "reset",       [WHAT_CLOSED_EARLY] = "closed_early",
    [WHAT_WRONG] = "wrong",     [WHAT_TIMEOUT] = "timeout",   [WHAT_LOCAL] = "local",
    [WHAT_LATE] = "late",       [WHAT_OPENED] = "opened",     [WHAT_OK] = "ok",
    [WHAT_BROKEN] = "broken",   [WHAT_MESSAGES] = "messages",
};

void tally_init(struct tally *tally, uint64_t now)
{
    *tally = (struct tally){.began = now, .last_ok = now, .marked = now};
}

void tally_count(struct tally *tally, struct counts *target, enum kind kind, enum what what)
{
    tally->all.of[kind][what]++;
    target->of[kind][what]++;
}

static void peak(uint64_t *most, uint64_t value)
{
    if (value > *most)
        *most = value;
}

/* A gap belongs to the first mark after its begin, and to every one up to its end. */
static void note_gap(struct tally *tally, uint64_t now)
{
    if (tally->has_stopped || tally->all.of[KIND_SHORT][WHAT_OPENED] == 0)
        return;
    peak(&tally->peaks.gap, now - tally->last_ok);
    peak(&tally->peaks_since.gap, now - tally->last_ok);
}

void tally_took(struct tally *tally, enum kind kind, uint64_t took, uint64_t now)
{
    peak(&tally->peaks.slowest[kind], took);
    peak(&tally->peaks_since.slowest[kind], took);
    if (kind == KIND_LONG)
        return;
    note_gap(tally, now);
    tally->last_ok = now;
}

void tally_stop(struct tally *tally, uint64_t now)
{
    note_gap(tally, now);
    tally->has_stopped = true;
}

static bool is_same(const struct failure *a, const struct failure *b)
{
    return a->kind == b->kind && a->what == b->what && a->error == b->error &&
           a->is_broken == b->is_broken && !strcmp(a->phase, b->phase) &&
           !strcmp(a->target, b->target);
}

void tally_failure(struct tally *tally, const struct failure *failure)
{
    unsigned i = 0;
    while (i < tally->failure_count && !is_same(&tally->failures[i], failure))
        i++;
    if (i == FAILURES_MAX)
        return;
    if (i == tally->failure_count) {
        tally->failures[i] = *failure;
        tally->failures[i].count = 0;
        tally->failure_count++;
    }
    tally->failures[i].count++;
}

uint64_t counts_open(const struct counts *counts, enum kind kind)
{
    const uint64_t *of = counts->of[kind];
    uint64_t ended = of[WHAT_OK] + of[WHAT_BROKEN] + of[WHAT_LOCAL];
    for (int what = 0; what < WHAT_FAILURES; what++)
        ended += of[what];
    return of[WHAT_OPENED] - ended;
}

uint64_t counts_failed(const struct counts *counts)
{
    uint64_t failed = 0;
    for (int what = 0; what < WHAT_FAILURES; what++)
        failed += counts->of[KIND_SHORT][what] + counts->of[KIND_LONG][what];
    return failed;
}

const char *error_name(int error)
{
    const char *name = error ? strerrorname_np(error) : "";
    return name ? name : "unknown";
}

/* --- JSON: no name that is printed here holds a quote or a backslash. --- */

static void print_kind(const struct counts *counts, enum kind kind, uint64_t open)
{
    const char *comma = "";
    printf("\"%s\":{", kind_names[kind]);
    for (int what = WHAT_FAILURES; what < WHATS; what++)
        printf("\"%s\":%" PRIu64 ",", what_names[what], counts->of[kind][what]);
    printf("\"failed\":{");
    for (int what = 0; what < WHAT_FAILURES; what++, comma = ",")
        printf("%s\"%s\":%" PRIu64, comma, what_names[what], counts->of[kind][what]);
    printf("},\"open\":%" PRIu64 "}", open);
}

void counts_print(const struct counts *counts, const struct counts *all)
{
    print_kind(counts, KIND_SHORT, counts_open(all, KIND_SHORT));
    printf(",");
    print_kind(counts, KIND_LONG, counts_open(all, KIND_LONG));
}

static double seconds(uint64_t nanoseconds)
{
    return (double)nanoseconds / 1e9;
}

static void print_peaks(const struct peaks *peaks)
{
    printf("\"slowest_ms\":%.3f,\"slowest_message_ms\":%.3f,\"longest_gap_ms\":%.3f",
           1e3 * seconds(peaks->slowest[KIND_SHORT]), 1e3 * seconds(peaks->slowest[KIND_LONG]),
           1e3 * seconds(peaks->gap));
}

static void print_failures(const struct tally *tally)
{
    printf("\"failures\":[");
    for (unsigned i = 0; i < tally->failure_count; i++) {
        const struct failure *failure = &tally->failures[i];
        printf("%s{\"kind\":\"%s\",\"class\":\"%s\",\"phase\":\"%s\",\"errno\":\"%s\","
               "\"target\":\"%s\",\"broken\":%s,\"count\":%" PRIu64 "}",
               i ? "," : "", kind_names[failure->kind], what_names[failure->what], failure->phase,
               error_name(failure->error), failure->target, failure->is_broken ? "true" : "false",
               failure->count);
    }
    printf("]");
}

static struct counts counts_since(const struct tally *tally)
{
    struct counts since = tally->all;
    for (int kind = 0; kind < KINDS; kind++)
        for (int what = 0; what < WHATS; what++)
            since.of[kind][what] -= tally->at_mark.of[kind][what];
    return since;
}

void tally_print(struct tally *tally, uint64_t now)
{
    struct counts since = counts_since(tally);
    note_gap(tally, now);
    printf("\"seconds\":%.3f,", seconds(now - tally->began));
    counts_print(&tally->all, &tally->all);
    printf(",");
    print_peaks(&tally->peaks);
    printf(",\"since\":{\"seconds\":%.3f,", seconds(now - tally->marked));
    counts_print(&since, &tally->all);
    printf(",");
    print_peaks(&tally->peaks_since);
    printf("},");
    print_failures(tally);
    tally->at_mark = tally->all;
    tally->marked = now;
    tally->peaks_since = (struct peaks){0};
}
