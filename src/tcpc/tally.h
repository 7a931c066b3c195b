/* SPDX-License-Identifier: MIT */
/* What many connections came to: the summary of --repeat, and the bar while they are at it. */
#ifndef TCPD_TCPC_TALLY_H
#define TCPD_TCPC_TALLY_H

#include "tcpc/spread.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define TALLY_REASONS 16 /* more are counted as one */

struct tally_reason {
    uint64_t count;
    char text[512];
};

struct tally {
    const char *target; /* for the summary; borrowed */
    uint64_t wanted, parallel;
    uint64_t begun; /* clock_now() */
    uint64_t taken; /* nanoseconds, when all is over */
    uint64_t ok, failed;
    struct spread connect, answer;
    unsigned reasons;
    struct tally_reason reason[TALLY_REASONS + 1];
};

void tally_fail(struct tally *tally, const char *reason);

/* One line, which takes the place of the one before, on a terminal. */
void tally_progress(const struct tally *tally, FILE *file);

/* Takes that line away. */
void tally_progress_end(FILE *file);

void tally_print(const struct tally *tally, FILE *file);
void tally_print_json(const struct tally *tally, FILE *file);

#endif
