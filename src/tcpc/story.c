/* SPDX-License-Identifier: MIT */
#include "tcpc/story.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define LINE_MAX_BYTES 1024

static const char *const names[] = {
    [STORY_RESOLVING] = "resolving",
    [STORY_RESOLVED] = "resolved",
    [STORY_TRYING] = "trying",
    [STORY_FAILED] = "failed",
    [STORY_CONNECTED] = "connected",
    [STORY_FIRST_BYTE] = "first byte",
    [STORY_HALF_CLOSED] = "half-closed",
    [STORY_PEER_FINISHED] = "peer finished",
    [STORY_RESET] = "reset",
    [STORY_INPUT] = "input",
    [STORY_OUTPUT] = "output",
    [STORY_KERNEL] = "kernel",
    [STORY_CLOSED] = "closed",
};

static void print_stderr(void *context, const char *line)
{
    (void)context;
    fputs(line, stderr);
}

void story_begin(struct story *story, bool aloud)
{
    *story = (struct story){.aloud = aloud, .start = clock_now(), .print = print_stderr};
}

void story_tell(const struct story *story, enum story_step step, const char *format, ...)
{
    if (!story->aloud)
        return;
    char details[LINE_MAX_BYTES - 64], line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(details, sizeof details, format, args);
    va_end(args);
    uint64_t time = story_time(story);
    snprintf(line, sizeof line, "tcpc: %3" PRIu64 ".%06" PRIu64 " %s%s%s\n", time / CLOCK_S,
             time % CLOCK_S / CLOCK_US, names[step], details[0] ? ": " : "", details);
    story->print(story->context, line);
}

uint64_t story_time(const struct story *story)
{
    return clock_now() - story->start;
}
