/* SPDX-License-Identifier: MIT */
/* From findings to the lines that a user reads. */
#include "conf/reading.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

const struct source *source_new(struct reading *reading, const char *name)
{
    struct source *source = memory_take(reading->memory, sizeof(*source));
    source->name = memory_copy(reading->memory, name, strlen(name));
    source->order = ++reading->sources;
    return source;
}

const char *place_print(struct memory *memory, struct place place)
{
    if (place.line == 0)
        return place.source->name;
    return memory_print(memory, "%s:%u", place.source->name, place.line);
}

/* Where the next finding goes. */
static struct finding *findings_next(struct reading *reading)
{
    if (reading->count == reading->capacity) {
        size_t capacity = reading->capacity == 0 ? 16 : 2 * reading->capacity;
        struct finding *more = memory_take(reading->memory, capacity * sizeof(*more));
        for (size_t i = 0; i < reading->count; i++)
            more[i] = reading->findings[i];
        reading->findings = more;
        reading->capacity = capacity;
    }
    return &reading->findings[reading->count++];
}

void reading_error(struct reading *reading, struct place place, const char *path,
                   const char *format, ...)
{
    if (reading->count == FINDINGS_MAX) {
        reading->unsaid++;
        return;
    }
    struct error error;
    va_list values;
    va_start(values, format);
    vsnprintf(error.text, sizeof(error.text), format, values);
    va_end(values);

    struct finding *finding = findings_next(reading);
    finding->place = place;
    finding->number = reading->count;
    finding->text = memory_print(reading->memory, "%.200s: %s", path, error.text);
}

static int compare(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

static int finding_compare(const void *left, const void *right)
{
    const struct finding *a = left;
    const struct finding *b = right;
    int order = compare(a->place.source->order, b->place.source->order);
    if (order == 0)
        order = compare(a->place.line, b->place.line);
    return order != 0 ? order : compare(a->number, b->number);
}

/* A file may hold what would steer the terminal on which the message is read. */
static void escape_controls(FILE *out, const char *text)
{
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte < 0x20 || byte == 0x7f)
            fprintf(out, "\\x%02x", byte);
        else
            fputc(byte, out);
    }
}

static char *line_format(const char *kind, const char *file, unsigned line, const char *path,
                         const char *message)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    if (out == NULL)
        err(EX_OSERR, "the configuration");
    escape_controls(out, file);
    if (line != 0)
        fprintf(out, ":%u", line);
    fprintf(out, ": %s: ", kind);
    if (path != NULL)
        escape_controls(out, path);
    fputs(path != NULL ? ": " : "", out);
    escape_controls(out, message);
    if (fclose(out) != 0)
        err(EX_OSERR, "the configuration");
    return text;
}

void report_add(struct conf_report *report, bool is_error, const char *file, unsigned line,
                const char *path, const char *message)
{
    char **more = realloc(report->messages, (report->count + 1) * sizeof(*more));
    if (more == NULL)
        err(EX_OSERR, "the configuration");
    report->messages = more;
    report->messages[report->count++] =
        line_format(is_error ? "error" : "warning", file, line, path, message);
    report->errors += is_error;
}

void reading_report(struct reading *reading, struct conf_report *report)
{
    if (reading->count > 0)
        qsort(reading->findings, reading->count, sizeof(*reading->findings), finding_compare);
    for (size_t i = 0; i < reading->count; i++) {
        const struct finding *finding = &reading->findings[i];
        report_add(report, true, finding->place.source->name, finding->place.line, NULL,
                   finding->text);
    }
    if (reading->unsaid == 0)
        return;
    const struct finding *last = &reading->findings[reading->count - 1];
    report_add(report, true, last->place.source->name, last->place.line, "file",
               memory_print(reading->memory, "%zu more errors are not shown: repair these first",
                            reading->unsaid));
}

void conf_report_free(struct conf_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        free(report->messages[i]);
    free(report->messages);
    *report = (struct conf_report){0};
}
