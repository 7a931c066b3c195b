/* SPDX-License-Identifier: MIT */
/* What was counted, and how it is told: one JSON object a line on standard output. */
#ifndef TCPD_TRAFFIC_TALLY_H
#define TCPD_TRAFFIC_TALLY_H

#include <stdbool.h>
#include <stdint.h>

enum kind { KIND_SHORT, KIND_LONG, KINDS };

enum what {
    /* The failures of the server. */
    WHAT_REFUSED,      /* no connection */
    WHAT_RESET,        /* an error on one that was open */
    WHAT_CLOSED_EARLY, /* the end before the whole answer, or while nothing was said */
    WHAT_WRONG,        /* other bytes than expected, or more of them */
    WHAT_TIMEOUT,
    /* The generator's own. */
    WHAT_LOCAL, /* no descriptor, no port, no memory */
    WHAT_LATE,  /* not opened, because too many were open */
    /* The rest. */
    WHAT_OPENED,
    WHAT_OK,     /* ended in order */
    WHAT_BROKEN, /* reset or closed early where that is no failure */
    WHAT_MESSAGES,
    WHATS,
};

#define WHAT_FAILURES WHAT_LOCAL /* so many of them are failures of the server */

struct counts {
    uint64_t of[KINDS][WHATS];
};

/* The longest times, in nanoseconds. */
struct peaks {
    uint64_t slowest[KINDS]; /* a short connection, the answer to a message of a long one */
    uint64_t gap;            /* in which no short connection came to its end */
};

/* One way to fail, and how often it was taken. */
struct failure {
    const char *target; /* borrowed */
    const char *phase;
    enum kind kind;
    enum what what;
    int error; /* errno, or 0 */
    bool is_broken;
    uint64_t count;
};

#define FAILURES_MAX 64 /* different ones; of more only the counts are told */

struct tally {
    uint64_t began, last_ok;
    bool has_stopped; /* no short connection is opened any more: there are no gaps */
    struct counts all, at_mark;
    uint64_t marked;
    struct peaks peaks, peaks_since;
    struct failure failures[FAILURES_MAX];
    unsigned failure_count;
};

void tally_init(struct tally *tally, uint64_t now);

/* Counts one in all, and in the counts of its target. */
void tally_count(struct tally *tally, struct counts *target, enum kind kind, enum what what);

/* It has ended, or was answered, in order; `took` nanoseconds. */
void tally_took(struct tally *tally, enum kind kind, uint64_t took, uint64_t now);

/* The gaps that follow are nobody's fault. */
void tally_stop(struct tally *tally, uint64_t now);

/* Adds one to what is known of failures of this kind. */
void tally_failure(struct tally *tally, const struct failure *failure);

/* How many are open: opened, and come to no end of whatever kind. */
uint64_t counts_open(const struct counts *counts, enum kind kind);

/* How many failures of both kinds are the server's. */
uint64_t counts_failed(const struct counts *counts);

/* Prints `"short":{...},"long":{...}`; how many are open is told of `all`. */
void counts_print(const struct counts *counts, const struct counts *all);

/* Prints the members of a report: all, and since the last mark.  Then a mark is set. */
void tally_print(struct tally *tally, uint64_t now);

/* The name of errno, or "" for 0. */
const char *error_name(int error);

extern const char *const kind_names[KINDS];
extern const char *const what_names[WHATS];

#endif
