/* SPDX-License-Identifier: MIT */
#include "tcpc/script.h"

#include "base/clock.h"
#include "tcpc/duration.h"
#include "tcpc/escape.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN_MAX 64

struct reader {
    struct script *script;
    const char *at, *end;
    unsigned line;
    uint64_t timeout; /* that holds from here on */
    bool closed;      /* a "close" has been read */
    struct error *error;
};

static int fail(const struct reader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int fail(const struct reader *reader, const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return error_set(reader->error, 0, "%.200s:%u: %s", reader->script->name, reader->line, text);
}

/* --- words --- */

static void skip_blanks(struct reader *reader)
{
    while (reader->at < reader->end && strchr(" \t\r", *reader->at) && *reader->at)
        reader->at++;
    if (reader->at < reader->end && *reader->at == '#') {
        while (reader->at < reader->end && *reader->at != '\n')
            reader->at++;
    }
}

static bool at_end_of_statement(const struct reader *reader)
{
    return reader->at == reader->end || *reader->at == '\n' || *reader->at == ';';
}

/* A run of characters that is neither blank nor quoted nor the end of a statement. */
static size_t word_length(const struct reader *reader)
{
    size_t length = 0, left = (size_t)(reader->end - reader->at);
    while (length < left && reader->at[length] > ' ' && !strchr("\"/;#", reader->at[length]))
        length++;
    return length;
}

static int copy_word(struct reader *reader, char word[static SHOWN_MAX])
{
    size_t length = word_length(reader);
    if (length >= SHOWN_MAX)
        return fail(reader, "a word is too long");
    memcpy(word, reader->at, length);
    word[length] = '\0';
    reader->at += length;
    skip_blanks(reader);
    return 0;
}

static const char *shown(const struct reader *reader, char text[static SHOWN_MAX])
{
    const char *end = reader->at;
    while (end < reader->end && *end != '\n' && end - reader->at < SHOWN_MAX)
        end++;
    return escape(reader->at, (size_t)(end - reader->at), text, SHOWN_MAX);
}

/* --- steps --- */

static struct script_step *add_step(struct reader *reader, enum script_verb verb)
{
    struct script *script = reader->script;
    if (script->count == script->room) {
        size_t room = script->room ? script->room * 2 : 16;
        struct script_step *steps = realloc(script->steps, room * sizeof *steps);
        if (!steps)
            return NULL;
        script->steps = steps;
        script->room = room;
    }
    struct script_step *step = &script->steps[script->count++];
    *step = (struct script_step){.verb = verb, .line = reader->line, .time = reader->timeout};
    return step;
}

/* Room for all that can still come: what is read grows shorter, but for a backslash in a regex. */
static struct script_step *add_text_step(struct reader *reader, enum script_verb verb)
{
    struct script_step *step = add_step(reader, verb);
    const char *stop = reader->at + 1;
    while (stop < reader->end && *stop != '\n' && *stop != *reader->at)
        stop += *stop == '\\' && stop + 1 < reader->end ? 2 : 1;
    if (step)
        step->bytes = calloc((size_t)(stop - reader->at) + 2, 1);
    return step && step->bytes ? step : NULL;
}

static int read_text(struct reader *reader, struct script_step *step)
{
    for (reader->at++; reader->at < reader->end && *reader->at != '\n'; step->length++) {
        int byte = (unsigned char)*reader->at++;
        if (byte == '"') {
            skip_blanks(reader);
            return 0;
        }
        if (byte == '\\')
            byte = unescape(&reader->at, (size_t)(reader->end - reader->at));
        if (byte < 0)
            return fail(reader, "a backslash begins none of \\n \\r \\t \\0 \\a \\b \\e \\f \\v "
                                "\\\" \\\\ \\xHH");
        step->bytes[step->length] = (char)byte;
    }
    return fail(reader, "the closing quote is missing");
}

/* Of the escapes only those that a regular expression has not: the rest is regcomp's. */
static int regex_escape(struct reader *reader, struct script_step *step)
{
    char next = reader->at < reader->end ? *reader->at : '\0';
    int byte = next == '/' ? '/' : -1;
    if (byte == '/')
        reader->at++;
    else if (next && strchr("nrtx", next))
        byte = unescape(&reader->at, (size_t)(reader->end - reader->at));
    else if (next && next != '\n') {
        step->bytes[step->length++] = '\\';
        step->bytes[step->length++] = *reader->at++;
        return 0;
    }
    if (byte <= 0)
        return fail(reader, "a backslash in a regular expression begins nothing it knows");
    if (strchr("\\^$.[]|()*+?{}", byte))
        step->bytes[step->length++] = '\\';
    step->bytes[step->length++] = (char)byte;
    return 0;
}

static int read_regex(struct reader *reader, struct script_step *step)
{
    reader->at++;
    while (reader->at < reader->end && *reader->at != '\n') {
        char c = *reader->at++;
        if (c == '/') {
            skip_blanks(reader);
            return 0;
        }
        if (c == '\0')
            return fail(reader, "a regular expression cannot have a NUL");
        if (c != '\\')
            step->bytes[step->length++] = c;
        else if (regex_escape(reader, step))
            return -1;
    }
    return fail(reader, "the closing slash is missing");
}

static int read_quoted(struct reader *reader, enum script_verb verb, const char *wanted)
{
    char text[SHOWN_MAX];
    char quote = verb == SCRIPT_REGEX ? '/' : '"';
    if (reader->at == reader->end || *reader->at != quote)
        return fail(reader, "%s is expected, not \"%s\"", wanted, shown(reader, text));
    struct script_step *step = add_text_step(reader, verb);
    if (!step)
        return fail(reader, "there is not enough memory");
    if (verb == SCRIPT_REGEX ? read_regex(reader, step) : read_text(reader, step))
        return -1;
    if (verb != SCRIPT_SEND && (step->length == 0 || step->length > SCRIPT_EXPECT_MAX))
        return fail(reader, "what is expected has 1 to %zu bytes, this has %zu", SCRIPT_EXPECT_MAX,
                    step->length);
    return 0;
}

/* --- statements --- */

static int read_time(struct reader *reader, uint64_t *time)
{
    char word[SHOWN_MAX];
    struct error why;
    if (copy_word(reader, word))
        return -1;
    if (duration_parse(time, word, &why))
        return fail(reader, "%.300s", why.text);
    return 0;
}

static int read_send(struct reader *reader)
{
    return read_quoted(reader, SCRIPT_SEND, "\"text\"");
}

static int read_expect(struct reader *reader)
{
    char word[SHOWN_MAX];
    if (reader->at < reader->end && *reader->at == '/')
        return read_quoted(reader, SCRIPT_REGEX, "/regex/");
    if (word_length(reader) != 3 || strncmp(reader->at, "eof", 3) != 0)
        return read_quoted(reader, SCRIPT_EXPECT, "\"text\", /regex/ or eof");
    if (copy_word(reader, word))
        return -1;
    return add_step(reader, SCRIPT_END) ? 0 : fail(reader, "there is not enough memory");
}

static int read_shutdown(struct reader *reader)
{
    return add_step(reader, SCRIPT_SHUTDOWN) ? 0 : fail(reader, "there is not enough memory");
}

static int read_close(struct reader *reader)
{
    reader->closed = true;
    return add_step(reader, SCRIPT_CLOSE) ? 0 : fail(reader, "there is not enough memory");
}

static int read_sleep(struct reader *reader)
{
    uint64_t time;
    if (read_time(reader, &time))
        return -1;
    struct script_step *step = add_step(reader, SCRIPT_SLEEP);
    if (!step)
        return fail(reader, "there is not enough memory");
    step->time = time;
    return 0;
}

static int read_timeout(struct reader *reader)
{
    return read_time(reader, &reader->timeout);
}

static const struct {
    const char *name;
    int (*read)(struct reader *reader);
} statements[] = {
    {"send", read_send},   {"expect", read_expect}, {"shutdown", read_shutdown},
    {"close", read_close}, {"sleep", read_sleep},   {"timeout", read_timeout},
};

static int read_statement(struct reader *reader)
{
    char word[SHOWN_MAX], text[SHOWN_MAX];
    shown(reader, text);
    if (reader->closed)
        return fail(reader, "nothing can follow close");
    if (copy_word(reader, word))
        return -1;
    for (size_t i = 0; i < sizeof statements / sizeof *statements; i++) {
        if (strcmp(statements[i].name, word) == 0)
            return statements[i].read(reader);
    }
    return fail(reader,
                "\"%s\" begins no statement: there are send, expect, shutdown, close, "
                "sleep and timeout",
                text);
}

int script_parse(struct script *script, const char *name, const char *text, size_t length,
                 struct error *error)
{
    struct reader reader = {.script = script,
                            .at = text,
                            .end = text + length,
                            .line = 1,
                            .timeout = SCRIPT_TIMEOUT_S * CLOCK_S,
                            .error = error};
    char rest[SHOWN_MAX];
    *script = (struct script){.name = name};
    for (skip_blanks(&reader); reader.at < reader.end; skip_blanks(&reader)) {
        if (!at_end_of_statement(&reader) && read_statement(&reader))
            return -1;
        if (!at_end_of_statement(&reader))
            return fail(&reader, "\"%s\" is too much: a statement ends with the line or with \";\"",
                        shown(&reader, rest));
        if (reader.at == reader.end)
            break;
        if (*reader.at++ == '\n')
            reader.line++;
    }
    return 0;
}

void script_free(struct script *script)
{
    for (size_t i = 0; i < script->count; i++) {
        if (script->steps[i].compiled)
            regfree(&script->steps[i].compound);
        free(script->steps[i].bytes);
    }
    free(script->steps);
    *script = (struct script){0};
}
