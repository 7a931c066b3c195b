/* SPDX-License-Identifier: MIT */
#include "tcpc/story.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DETAILS_MAX_BYTES 960
#define LINE_MAX_BYTES    8192 /* each byte may become six, and facts repeat what is in details */

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

/* "first byte" is a good name in a sentence, "first_byte" in an object. */
static json_t *name_of(enum story_step step)
{
    char name[32];
    snprintf(name, sizeof name, "%s", names[step]);
    for (char *c = strpbrk(name, " -"); c; c = strpbrk(c, " -"))
        *c = '_';
    return json_string(name);
}

/* What is not UTF-8, which only the user's own words can be, is left out. */
static void print_object(const struct story *story, enum story_step step, uint64_t time,
                         const char *details, json_t *facts)
{
    char line[LINE_MAX_BYTES];
    json_t *object = json_object();
    json_object_set_new(object, "time_ms", json_real((double)time / (double)CLOCK_MS));
    json_object_set_new(object, "step", name_of(step));
    json_object_set_new(object, "text", json_string(details));
    json_object_update(object, facts);
    size_t length =
        json_dumpb(object, line, sizeof line - 1, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(object);
    if (length == 0 || length >= sizeof line - 1)
        return;
    line[length] = '\n';
    line[length + 1] = '\0';
    story->print(story->context, line);
}

static void print_sentence(const struct story *story, enum story_step step, uint64_t time,
                           const char *details)
{
    char line[LINE_MAX_BYTES];
    snprintf(line, sizeof line, "tcpc: %3" PRIu64 ".%06" PRIu64 " %s%s%s\n", time / CLOCK_S,
             time % CLOCK_S / CLOCK_US, names[step], details[0] ? ": " : "", details);
    story->print(story->context, line);
}

static void tell(const struct story *story, enum story_step step, json_t *facts, const char *format,
                 va_list args) __attribute__((format(printf, 4, 0)));

static void tell(const struct story *story, enum story_step step, json_t *facts, const char *format,
                 va_list args)
{
    char details[DETAILS_MAX_BYTES];
    vsnprintf(details, sizeof details, format, args);
    if (story->json)
        print_object(story, step, story_time(story), details, facts);
    else if (story->aloud)
        print_sentence(story, step, story_time(story), details);
    json_decref(facts);
}

void story_tell(const struct story *story, enum story_step step, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell(story, step, NULL, format, args);
    va_end(args);
}

void story_tell_facts(const struct story *story, enum story_step step, json_t *facts,
                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    tell(story, step, facts, format, args);
    va_end(args);
}

uint64_t story_time(const struct story *story)
{
    return clock_now() - story->start;
}
