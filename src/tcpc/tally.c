/* SPDX-License-Identifier: MIT */
#include "tcpc/tally.h"

#include "base/clock.h"
#include "tcpc/ends.h"
#include "tcpc/story.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define BAR_COLUMNS 30

void tally_fail(struct tally *tally, const char *reason)
{
    unsigned i = 0;
    tally->failed++;
    while (i < tally->reasons && strcmp(tally->reason[i].text, reason) != 0)
        i++;
    if (i == TALLY_REASONS)
        reason = "other reasons";
    if (i == tally->reasons && i < TALLY_REASONS)
        tally->reasons++;
    snprintf(tally->reason[i].text, sizeof tally->reason[i].text, "%s", reason);
    tally->reason[i].count++;
}

void tally_progress(const struct tally *tally, FILE *file)
{
    uint64_t done = tally->ok + tally->failed;
    const char *block = ends_utf8() ? "\u2588" : "#";
    unsigned columns = (unsigned)((double)done / (double)tally->wanted * BAR_COLUMNS);
    fputs("\r[", file);
    for (unsigned i = 0; i < BAR_COLUMNS; i++)
        fputs(i < columns ? block : " ", file);
    fprintf(file, "] %" PRIu64 " of %" PRIu64 ", %" PRIu64 " failed", done, tally->wanted,
            tally->failed);
    fflush(file);
}

void tally_progress_end(FILE *file)
{
    fputs("\r\033[K", file);
    fflush(file);
}

static double seconds(const struct tally *tally)
{
    return (double)tally->taken / (double)CLOCK_S;
}

static double rate(const struct tally *tally)
{
    return tally->taken ? (double)(tally->ok + tally->failed) / seconds(tally) : 0;
}

void tally_print(const struct tally *tally, FILE *file)
{
    fprintf(file,
            "%s: %" PRIu64 " of %" PRIu64 " connections, %" PRIu64
            " at a time, in %.3f s (%.0f a second)\n%" PRIu64 " ok, %" PRIu64 " failed\n",
            tally->target, tally->ok + tally->failed, tally->wanted, tally->parallel,
            seconds(tally), rate(tally), tally->ok, tally->failed);
    for (unsigned i = 0; i <= TALLY_REASONS && tally->reason[i].count; i++)
        fprintf(file, "%8" PRIu64 "  %s\n", tally->reason[i].count, tally->reason[i].text);
    if (tally->connect.count)
        fprintf(file, "\n%-10s %10s %10s %10s %10s\n", "ms", "p50", "p90", "p99", "max");
    spread_print_line(&tally->connect, "connect", file);
    spread_print_line(&tally->answer, "answer", file);
    spread_draw(&tally->connect, "connect", file);
    spread_draw(&tally->answer, "answer", file);
}

void tally_print_json(const struct tally *tally, FILE *file)
{
    json_t *failures = json_array();
    for (unsigned i = 0; i <= TALLY_REASONS && tally->reason[i].count; i++)
        json_array_append_new(failures,
                              json_pack("{s:o, s:I}", "reason", story_text(tally->reason[i].text),
                                        "count", (json_int_t)tally->reason[i].count));
    json_t *object = json_pack("{s:o, s:I, s:I, s:I, s:I, s:f, s:f, s:o, s:o, s:o}", "target",
                               story_text(tally->target), "wanted", (json_int_t)tally->wanted,
                               "parallel", (json_int_t)tally->parallel, "ok", (json_int_t)tally->ok,
                               "failed", (json_int_t)tally->failed, "seconds", seconds(tally),
                               "per_second", rate(tally), "connect", spread_json(&tally->connect),
                               "answer", spread_json(&tally->answer), "failures", failures);
    json_dumpf(object, file, JSON_COMPACT | JSON_REAL_PRECISION(12));
    fputc('\n', file);
    json_decref(object);
}
