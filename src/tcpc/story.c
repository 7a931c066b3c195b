/* SPDX-License-Identifier: MIT */
#include "tcpc/story.h"

#include "base/clock.h"
#include "tcpc/escape.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 1024

static const char *const names[] = {
    [STORY_RESOLVING] = "resolving",
    [STORY_RESOLVED] = "resolved",
    [STORY_TRYING] = "trying",
    [STORY_FAILED] = "failed",
    [STORY_CONNECTED] = "connected",
    [STORY_TLS] = "TLS",
    [STORY_CERTIFICATE] = "certificate",
    [STORY_FIRST_BYTE] = "first byte",
    [STORY_HALF_CLOSED] = "half-closed",
    [STORY_PEER_FINISHED] = "peer finished",
    [STORY_RESET] = "reset",
    [STORY_INPUT] = "input",
    [STORY_OUTPUT] = "output",
    [STORY_KERNEL] = "kernel",
    [STORY_CLOSED] = "closed",
    [STORY_SCRIPT] = "script",
};

static void print_stderr(void *context, const char *line)
{
    (void)context;
    fputs(line, stderr);
}

void story_begin(struct story *story, bool aloud, bool json)
{
    *story = (struct story){.aloud = aloud, .start = clock_now(), .print = print_stderr};
    if (json)
        story->told = json_pack("{s:[]}", "steps");
}

bool story_heard(const struct story *story)
{
    return story->aloud || story->told;
}

static void collect(const struct story *story, uint64_t time, enum story_step step,
                    const char *details)
{
    json_t *steps = json_object_get(story->told, "steps");
    json_array_append_new(steps, json_pack("{s:f, s:s, s:o}", "time", (double)time / CLOCK_S,
                                           "step", names[step], "details", story_text(details)));
}

void story_tell(const struct story *story, enum story_step step, const char *format, ...)
{
    if (!story_heard(story))
        return;
    char details[LINE_MAX_BYTES - 64], line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(details, sizeof details, format, args);
    va_end(args);
    uint64_t time = story_time(story);
    if (story->told)
        collect(story, time, step, details);
    if (!story->aloud)
        return;
    snprintf(line, sizeof line, "tcpc: %3" PRIu64 ".%06" PRIu64 " %s%s%s\n", time / CLOCK_S,
             time % CLOCK_S / CLOCK_US, names[step], details[0] ? ": " : "", details);
    story->print(story->context, line);
}

void story_fact(const struct story *story, const char *name, json_t *value)
{
    if (story->told)
        json_object_set_new(story->told, name, value);
    else
        json_decref(value);
}

json_t *story_text(const char *text)
{
    char escaped[LINE_MAX_BYTES];
    json_t *value = json_string(text);
    return value ? value : json_string(escape(text, strlen(text), escaped, sizeof escaped));
}

void story_end(struct story *story, FILE *file)
{
    if (!story->told)
        return;
    json_dumpf(story->told, file, JSON_COMPACT | JSON_REAL_PRECISION(12));
    fputc('\n', file);
    json_decref(story->told);
    story->told = NULL;
}

uint64_t story_time(const struct story *story)
{
    return clock_now() - story->start;
}
