/* SPDX-License-Identifier: MIT */
#include "conf/snapshot.h"

#include "conf/conf.h"
#include "conf/source.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define HEADER      "tcpd-configuration 1\n"
#define RECORDS_MAX (1 + 2 * INCLUDES_MAX) /* the main file, the patterns, the files */
#define DIGITS_MAX  9                      /* of a number in the text */

/* A file, or a pattern. */
struct record {
    struct record *next;
    const char *name;
    const char *text; /* of a file, with a newline and a NUL behind; of a pattern: NULL */
    size_t number;    /* the length of the text; the number of files, next to come, that match */
};

struct conf_snapshot {
    struct memory *memory;
    struct record *first;
    struct record *last;
    size_t count;
    bool replayed;
    struct record *next; /* of a replay: what is to be asked for next */
    size_t answered;     /* by a replay */
};

struct conf_snapshot *snapshot_new(struct memory *memory)
{
    struct conf_snapshot *snapshot = memory_take(memory, sizeof(*snapshot));
    snapshot->memory = memory;
    return snapshot;
}

static struct record *append(struct conf_snapshot *snapshot, const char *name, size_t length)
{
    struct record *record = memory_take(snapshot->memory, sizeof(*record));
    record->name = memory_copy(snapshot->memory, name, length);
    if (snapshot->last == NULL)
        snapshot->first = record;
    else
        snapshot->last->next = record;
    snapshot->last = record;
    snapshot->count++;
    return record;
}

/* libconfig 1.5 takes a comment only together with the end of its line: a newline comes behind. */
static void put_text(struct conf_snapshot *snapshot, struct record *record, const char *text,
                     size_t length)
{
    char *copy = memory_take(snapshot->memory, length + 2);
    memcpy(copy, text, length);
    copy[length] = '\n';
    record->text = copy;
    record->number = length;
}

/* --- Recording ---------------------------------------------------------------------------- */

static const struct record *record_file(struct conf_snapshot *snapshot, const char *file,
                                        struct stat *id, unsigned *line, struct error *error)
{
    size_t length;
    char *text = source_read(file, &length, id, line, error);
    if (text == NULL)
        return NULL;
    struct record *record = append(snapshot, file, strlen(file));
    put_text(snapshot, record, text, length);
    free(text);
    return record;
}

static const char **record_match(struct conf_snapshot *snapshot, const char *pattern,
                                 struct error *error)
{
    const char **names = source_match(snapshot->memory, pattern, error);
    if (names == NULL)
        return NULL;
    struct record *record = append(snapshot, pattern, strlen(pattern));
    while (names[record->number] != NULL)
        record->number++;
    return names;
}

/* --- Replaying ---------------------------------------------------------------------------- */

/* What comes next, if that is a file, or a pattern, of this name. */
static const struct record *replay(struct conf_snapshot *snapshot, const char *name, bool is_file,
                                   struct error *error)
{
    const struct record *record = snapshot->next;
    if (record == NULL || (record->text != NULL) != is_file || strcmp(record->name, name) != 0) {
        error_set(error, 0, "is not what comes next in the snapshot of the configuration");
        return NULL;
    }
    snapshot->next = record->next;
    snapshot->answered++;
    return record;
}

static const struct record *replay_file(struct conf_snapshot *snapshot, const char *file,
                                        struct stat *id, unsigned *line, struct error *error)
{
    *line = 1;
    *id = (struct stat){.st_ino = snapshot->answered}; /* each is another file */
    return replay(snapshot, file, true, error);
}

static const char **replay_match(struct conf_snapshot *snapshot, const char *pattern,
                                 struct error *error)
{
    const struct record *record = replay(snapshot, pattern, false, error);
    if (record == NULL)
        return NULL;
    const char **names = memory_take(snapshot->memory, (record->number + 1) * sizeof(*names));
    const struct record *file = record->next;
    for (size_t i = 0; i < record->number; i++, file = file->next) {
        if (file == NULL || file->text == NULL) {
            error_set(error, 0, "matches files that the snapshot of the configuration lacks");
            return NULL;
        }
        names[i] = file->name;
    }
    return names;
}

int snapshot_end(const struct conf_snapshot *snapshot, struct error *error)
{
    if (snapshot->next == NULL)
        return 0;
    return error_set(error, 0, "%.200s is in it, but is not asked for", snapshot->next->name);
}

const char *snapshot_main_file(const struct conf_snapshot *snapshot)
{
    return snapshot->first->name;
}

/* --- Either ------------------------------------------------------------------------------- */

const char *snapshot_read(struct conf_snapshot *snapshot, const char *file, size_t *length,
                          struct stat *id, unsigned *line, struct error *error)
{
    const struct record *record = snapshot->replayed ? replay_file(snapshot, file, id, line, error)
                                                     : record_file(snapshot, file, id, line, error);
    if (record == NULL)
        return NULL;
    *length = record->number;
    return record->text;
}

const char **snapshot_match(struct conf_snapshot *snapshot, const char *pattern,
                            struct error *error)
{
    return snapshot->replayed ? replay_match(snapshot, pattern, error)
                              : record_match(snapshot, pattern, error);
}

/* --- As text ------------------------------------------------------------------------------ */

static void print(FILE *out, const struct record *record)
{
    const char *kind = record->text != NULL ? "file" : "include";
    fprintf(out, "%s %zu %zu\n%s\n", kind, strlen(record->name), record->number, record->name);
    if (record->text != NULL)
        fwrite(record->text, 1, record->number + 1, out);
}

char *conf_snapshot_text(const struct conf *conf, size_t *length)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, length);
    if (out == NULL)
        err(EX_OSERR, "the configuration");
    fputs(HEADER, out);
    for (const struct record *record = conf->snapshot->first; record != NULL; record = record->next)
        print(out, record);
    if (ferror(out) != 0 || fclose(out) != 0)
        err(EX_OSERR, "the configuration");
    return text;
}

/* What is left of a text that may be anything. */
struct rest {
    const char *at;
    size_t length;
};

static const char *take(struct rest *rest, size_t length)
{
    const char *bytes = rest->at;
    if (length > rest->length)
        return NULL;
    rest->at += length;
    rest->length -= length;
    return bytes;
}

static bool take_word(struct rest *rest, const char *word)
{
    size_t length = strlen(word);
    return length <= rest->length && memcmp(rest->at, word, length) == 0 &&
           take(rest, length) != NULL;
}

/* A number as printf(3) writes it, and what stands behind it. */
static bool take_number(struct rest *rest, char behind, size_t most, size_t *number)
{
    size_t digits = 0;
    *number = 0;
    while (digits < rest->length && rest->at[digits] >= '0' && rest->at[digits] <= '9' &&
           digits <= DIGITS_MAX)
        *number = 10 * *number + (size_t)(rest->at[digits++] - '0');
    if (digits == 0 || digits > DIGITS_MAX || (digits > 1 && rest->at[0] == '0') || *number > most)
        return false;
    take(rest, digits);
    const char *byte = take(rest, 1);
    return byte != NULL && *byte == behind;
}

/* Bytes without a NUL and the newline behind them, or NULL. */
static const char *take_bytes(struct rest *rest, size_t length)
{
    const char *bytes = take(rest, length);
    if (bytes == NULL || memchr(bytes, '\0', length) != NULL || !take_word(rest, "\n"))
        return NULL;
    return bytes;
}

static bool take_record(struct rest *rest, struct conf_snapshot *snapshot)
{
    size_t name_length;
    size_t number;
    bool is_file = take_word(rest, "file ");
    if ((!is_file && !take_word(rest, "include ")) ||
        !take_number(rest, ' ', rest->length, &name_length) ||
        !take_number(rest, '\n', is_file ? SOURCE_MAX : INCLUDES_MAX, &number))
        return false;
    const char *name = take_bytes(rest, name_length);
    if (name == NULL)
        return false;
    struct record *record = append(snapshot, name, name_length);
    record->number = number;
    const char *text = is_file ? take_bytes(rest, number) : NULL;
    if (text != NULL)
        put_text(snapshot, record, text, number);
    return is_file == (text != NULL);
}

struct conf_snapshot *snapshot_parse(struct memory *memory, const char *text, size_t length,
                                     struct error *error)
{
    struct conf_snapshot *snapshot = snapshot_new(memory);
    struct rest rest = {text, length};
    bool valid = take_word(&rest, HEADER);
    while (valid && rest.length > 0)
        valid = snapshot->count < RECORDS_MAX && take_record(&rest, snapshot);
    if (!valid || snapshot->first == NULL || snapshot->first->text == NULL) {
        error_set(error, 0, "cannot be understood from byte %zu on", length - rest.length);
        return NULL;
    }
    snapshot->replayed = true;
    snapshot->next = snapshot->first;
    return snapshot;
}
