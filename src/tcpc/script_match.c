/* SPDX-License-Identifier: MIT */
/* From what was read to what can be done: files, regular expressions, matching. */
#include "tcpc/script.h"

#include "base/clock.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

/* Peers speak bytes: whatever the locale, a byte is a character while it is put back. */
static locale_t bytes_begin(void)
{
    static locale_t bytes;
    if (!bytes)
        bytes = newlocale(LC_CTYPE_MASK, "C", NULL);
    return bytes ? uselocale(bytes) : NULL;
}

static void bytes_end(locale_t before)
{
    if (before)
        uselocale(before);
}

static int compile(const struct script *script, struct script_step *step, struct error *error)
{
    char why[128];
    int code = regcomp(&step->compound, step->bytes, REG_EXTENDED | REG_NEWLINE);
    step->compiled = code == 0;
    if (code == 0)
        return 0;
    regerror(code, &step->compound, why, sizeof why);
    return error_set(error, 0, "%.200s:%u: this is no regular expression: %s", script->name,
                     step->line, why);
}

int script_compile(struct script *script, struct error *error)
{
    locale_t before = bytes_begin();
    int result = 0;
    for (size_t i = 0; i < script->count && result == 0; i++) {
        if (script->steps[i].verb == SCRIPT_REGEX)
            result = compile(script, &script->steps[i], error);
    }
    bytes_end(before);
    return result;
}

static int read_file(FILE *file, struct script *script, const char *path, struct error *error)
{
    char *text = malloc(SCRIPT_TEXT_MAX + 1);
    if (!text)
        return error_set(error, ENOMEM, "%.300s", path);
    size_t length = fread(text, 1, SCRIPT_TEXT_MAX + 1, file);
    int result = 0;
    if (ferror(file))
        result = error_set(error, errno, "%.300s: cannot be read", path);
    else if (length > SCRIPT_TEXT_MAX)
        result =
            error_set(error, 0, "%.300s: a script has at most %zu bytes", path, SCRIPT_TEXT_MAX);
    else
        result = script_parse(script, path, text, length, error);
    free(text);
    return result ? result : script_compile(script, error);
}

int script_load(struct script *script, const char *path, struct error *error)
{
    FILE *file = fopen(path, "re");
    *script = (struct script){0};
    if (!file)
        return error_set(error, errno, "%.300s: cannot be opened", path);
    int result = read_file(file, script, path, error);
    fclose(file);
    return result;
}

/* Sends the bytes, which it takes over. */
static int make(struct script *script, char *bytes, size_t length)
{
    static const enum script_verb verbs[] = {SCRIPT_SEND, SCRIPT_SHUTDOWN, SCRIPT_END};
    const size_t count = sizeof verbs / sizeof *verbs;
    script->steps = calloc(count, sizeof *script->steps);
    if (!script->steps)
        return -1;
    for (size_t i = 0; i < count; i++)
        script->steps[i] =
            (struct script_step){.verb = verbs[i], .time = SCRIPT_TIMEOUT_S * CLOCK_S};
    script->count = count;
    script->steps[0].bytes = bytes;
    script->steps[0].length = length;
    return 0;
}

static ssize_t read_all(int fd, char *bytes, size_t most)
{
    size_t length = 0;
    ssize_t n = 1;
    while (n > 0 && length < most) {
        n = read(fd, bytes + length, most - length);
        length += n > 0 ? (size_t)n : 0;
    }
    return n < 0 ? -1 : (ssize_t)length;
}

int script_read_input(struct script *script, int fd, struct error *error)
{
    char *bytes = malloc(SCRIPT_INPUT_MAX + 1);
    *script = (struct script){0};
    ssize_t length = bytes ? read_all(fd, bytes, SCRIPT_INPUT_MAX + 1) : -1;
    if (length > 0 && (size_t)length <= SCRIPT_INPUT_MAX &&
        make(script, bytes, (size_t)length) == 0)
        return 0;
    int errnum = errno;
    free(bytes);
    if (length == 0)
        return 0;
    if (length > 0 && (size_t)length > SCRIPT_INPUT_MAX)
        return error_set(error, 0, "standard input has more than the %zu bytes that --repeat takes",
                         SCRIPT_INPUT_MAX);
    return error_set(error, errnum, "cannot read standard input");
}

static bool match_regex(const struct script_step *step, const char *bytes, size_t length,
                        size_t *end)
{
    regmatch_t match = {.rm_so = 0, .rm_eo = (regoff_t)length};
    locale_t before = bytes_begin();
    int code = regexec(&step->compound, bytes, 1, &match, REG_STARTEND);
    bytes_end(before);
    if (code == 0)
        *end = (size_t)match.rm_eo;
    return code == 0;
}

bool script_match(const struct script_step *step, const char *bytes, size_t length, size_t *end)
{
    if (step->verb == SCRIPT_REGEX)
        return match_regex(step, bytes, length, end);
    const char *found = memmem(bytes, length, step->bytes, step->length);
    if (found)
        *end = (size_t)(found - bytes) + step->length;
    return found != NULL;
}
