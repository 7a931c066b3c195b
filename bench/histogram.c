/* SPDX-License-Identifier: MIT */
#include "bench/histogram.h"

/* Below 2 * HISTOGRAM_FINE each value is a class; above, its leading 7 bits are. */
static unsigned class_of(uint64_t value)
{
    unsigned shift = 0;
    while (value >> shift >= 2 * HISTOGRAM_FINE)
        shift++;
    unsigned class = shift * HISTOGRAM_FINE + (unsigned)(value >> shift);
    return class < HISTOGRAM_CLASSES ? class : HISTOGRAM_CLASSES - 1;
}

static uint64_t upper_end(unsigned class)
{
    if (class < 2 * HISTOGRAM_FINE)
        return class;
    unsigned shift = class / HISTOGRAM_FINE - 1;
    uint64_t leading = class % HISTOGRAM_FINE + HISTOGRAM_FINE;
    return ((leading + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t nanoseconds)
{
    histogram->count[class_of(nanoseconds)]++;
    histogram->total++;
    if (nanoseconds > histogram->longest)
        histogram->longest = nanoseconds;
}

void histogram_merge(struct histogram *histogram, const struct histogram *other)
{
    for (unsigned i = 0; i < HISTOGRAM_CLASSES; i++)
        histogram->count[i] += other->count[i];
    histogram->total += other->total;
    if (other->longest > histogram->longest)
        histogram->longest = other->longest;
}

uint64_t histogram_quantile(const struct histogram *histogram, double part)
{
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_CLASSES && histogram->total > 0; i++) {
        seen += histogram->count[i];
        if ((double)seen >= part * (double)histogram->total)
            return upper_end(i) < histogram->longest ? upper_end(i) : histogram->longest;
    }
    return histogram->longest;
}
