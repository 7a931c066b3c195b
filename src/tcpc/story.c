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

/* "first byte" is a good name in a sentence, "first_byte" in an object. */
static json_t *name_of(enum story_step step)
{
    char name[32];
    snprintf(name, sizeof name, "%s", names[step]);
    for (char *c = strpbrk(name, " -"); c; c = strpbrk(c, " -"))
        *c = '_';
    return json_string(name);
}

static void collect(const struct story *story, uint64_t time, enum story_step step,
                    const char *details, json_t *facts)
{
    json_t *told = json_pack("{s:f, s:o, s:o}", "time_ms", (double)time / (double)CLOCK_MS, "step",
                             name_of(step), "text", story_text(details));
    json_object_update(told, facts);
    json_array_append_new(json_object_get(story->told, "steps"), told);
}

static void print_sentence(const struct story *story, uint64_t time, enum story_step step,
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
    char details[LINE_MAX_BYTES - 64];
    if (!story_heard(story)) {
        json_decref(facts);
        return;
    }
    uint64_t time = story_time(story);
    vsnprintf(details, sizeof details, format, args);
    if (story->told)
        collect(story, time, step, details, facts);
    if (story->aloud)
        print_sentence(story, time, step, details);
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

json_t *story_bytes(const struct story *story, uint64_t bytes)
{
    return story->told ? json_pack("{s:I}", "bytes", (json_int_t)bytes) : NULL;
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
