/* SPDX-License-Identifier: MIT */
/* How times are spread, in memory of a fixed size: each is known to one part in 64. */
#ifndef TCPD_TCPC_SPREAD_H
#define TCPD_TCPC_SPREAD_H

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

#define SPREAD_BITS    6 /* a power of two is divided into 2^6 parts */
#define SPREAD_BUCKETS ((64 - SPREAD_BITS + 1) << SPREAD_BITS)

/* All zero at first.  Times are nanoseconds. */
struct spread {
    uint64_t count, most;
    uint64_t buckets[SPREAD_BUCKETS];
};

void spread_add(struct spread *spread, uint64_t time);

/* The time that so many of a hundred do not exceed; never beyond the most.  0: there are none. */
uint64_t spread_percentile(const struct spread *spread, unsigned percent);

/* "name   p50   p90   p99   max" in milliseconds, a line; nothing when there are no times. */
void spread_print_line(const struct spread *spread, const char *name, FILE *file);

/* A bar for each power of two, in blocks where the locale has them. */
void spread_draw(const struct spread *spread, const char *name, FILE *file);

/* The same as an object: p50_ms, p90_ms, p99_ms, max_ms, histogram; null when there are none. */
json_t *spread_json(const struct spread *spread);

#endif
