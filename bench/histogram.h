/* SPDX-License-Identifier: MIT */
/*
 * How long things took, in nanoseconds: counted in classes that are at most 1.6 % wide, so any
 * number of them fits into little memory.  One thread writes a histogram.
 */
#ifndef TCPD_BENCH_HISTOGRAM_H
#define TCPD_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_FINE    64                          /* classes for each power of two */
#define HISTOGRAM_CLASSES (HISTOGRAM_FINE * (40 - 5)) /* up to 2^40 ns, a quarter of an hour */

struct histogram {
    uint64_t count[HISTOGRAM_CLASSES];
    uint64_t total, longest;
};

void histogram_add(struct histogram *histogram, uint64_t nanoseconds);
void histogram_merge(struct histogram *histogram, const struct histogram *other);

/* What `part` of them (0.99, say) did not exceed; 0 when there are none. */
uint64_t histogram_quantile(const struct histogram *histogram, double part);

#endif
