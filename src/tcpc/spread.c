/* SPDX-License-Identifier: MIT */
#include "tcpc/spread.h"

#include "base/clock.h"
#include "tcpc/ends.h"

#include <inttypes.h>
#include <stdbool.h>

#define PARTS       (1u << SPREAD_BITS)
#define BAR_COLUMNS 50

static const unsigned percents[] = {50, 90, 99};

static unsigned bucket_of(uint64_t time)
{
    if (time < PARTS)
        return (unsigned)time;
    unsigned shift = 63u - (unsigned)__builtin_clzll(time) - SPREAD_BITS;
    return (shift << SPREAD_BITS) + (unsigned)(time >> shift);
}

/* The longest time that falls into it. */
static uint64_t bucket_end(unsigned bucket)
{
    if (bucket < PARTS)
        return bucket;
    unsigned shift = (bucket >> SPREAD_BITS) - 1;
    uint64_t first = (uint64_t)(bucket - (shift << SPREAD_BITS)) << shift;
    return first + ((UINT64_C(1) << shift) - 1);
}

void spread_add(struct spread *spread, uint64_t time)
{
    spread->count++;
    spread->buckets[bucket_of(time)]++;
    if (time > spread->most)
        spread->most = time;
}

uint64_t spread_percentile(const struct spread *spread, unsigned percent)
{
    uint64_t wanted = (spread->count * percent + 99) / 100, seen = 0;
    for (unsigned i = 0; i < SPREAD_BUCKETS && spread->count > 0; i++) {
        seen += spread->buckets[i];
        if (seen >= wanted && seen > 0)
            return bucket_end(i) < spread->most ? bucket_end(i) : spread->most;
    }
    return 0;
}

static double milliseconds(uint64_t time)
{
    return (double)time / (double)CLOCK_MS;
}

void spread_print_line(const struct spread *spread, const char *name, FILE *file)
{
    if (spread->count == 0)
        return;
    fprintf(file, "%-10s", name);
    for (size_t i = 0; i < sizeof percents / sizeof *percents; i++)
        fprintf(file, " %10.3f", milliseconds(spread_percentile(spread, percents[i])));
    fprintf(file, " %10.3f\n", milliseconds(spread->most));
}

/* The power of two that a bucket belongs to. */
static unsigned octave_of(unsigned bucket)
{
    return bucket >> SPREAD_BITS;
}

static uint64_t octave_count(const struct spread *spread, unsigned octave)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < PARTS; i++)
        count += spread->buckets[octave * PARTS + i];
    return count;
}

static uint64_t octave_end(unsigned octave)
{
    return bucket_end(octave * PARTS + PARTS - 1) + 1;
}

static unsigned first_octave(const struct spread *spread)
{
    unsigned i = 0;
    while (i + 1 < SPREAD_BUCKETS && spread->buckets[i] == 0)
        i++;
    return octave_of(i);
}

static uint64_t tallest(const struct spread *spread, unsigned first, unsigned last)
{
    uint64_t most = 1;
    for (unsigned i = first; i <= last; i++) {
        uint64_t count = octave_count(spread, i);
        most = count > most ? count : most;
    }
    return most;
}

/* What is not nothing is seen. */
static void draw_bar(uint64_t count, uint64_t most, const char *block, FILE *file)
{
    uint64_t columns = (uint64_t)((double)count / (double)most * BAR_COLUMNS + 0.5);
    if (count > 0 && columns == 0)
        columns = 1;
    for (uint64_t i = 0; i < columns; i++)
        fputs(block, file);
}

void spread_draw(const struct spread *spread, const char *name, FILE *file)
{
    if (spread->count == 0)
        return;
    const char *block = ends_utf8() ? "\u2588" : "#";
    unsigned first = first_octave(spread), last = octave_of(bucket_of(spread->most));
    uint64_t most = tallest(spread, first, last);
    fprintf(file, "\n%s, ms\n", name);
    for (unsigned i = first; i <= last; i++) {
        uint64_t count = octave_count(spread, i);
        fprintf(file, "  < %10.3f %8" PRIu64 "%s", milliseconds(octave_end(i)), count,
                count ? "  " : "");
        draw_bar(count, most, block, file);
        fputc('\n', file);
    }
}

static json_t *histogram_json(const struct spread *spread)
{
    json_t *rows = json_array();
    unsigned last = octave_of(bucket_of(spread->most));
    for (unsigned i = first_octave(spread); i <= last; i++)
        json_array_append_new(rows, json_pack("{s:f, s:I}", "below_ms", milliseconds(octave_end(i)),
                                              "count", (json_int_t)octave_count(spread, i)));
    return rows;
}

json_t *spread_json(const struct spread *spread)
{
    if (spread->count == 0)
        return json_null();
    return json_pack("{s:f, s:f, s:f, s:f, s:o}", "p50_ms",
                     milliseconds(spread_percentile(spread, 50)), "p90_ms",
                     milliseconds(spread_percentile(spread, 90)), "p99_ms",
                     milliseconds(spread_percentile(spread, 99)), "max_ms",
                     milliseconds(spread->most), "histogram", histogram_json(spread));
}
