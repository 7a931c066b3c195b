/* SPDX-License-Identifier: MIT */
/* What the steps of reading a configuration share, and how they say what is wrong. */
#ifndef TCPD_CONF_READING_H
#define TCPD_CONF_READING_H

#include "conf/conf.h"
#include "conf/memory.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* Where settings come from: a file, or one -o of the command line. */
struct source {
    const char *name; /* the file's name, or "-o PATH" */
    unsigned order;   /* in which messages are sorted; 0: an -o, which has no lines */
};

/* Where one setting stands. */
struct place {
    const struct source *source;
    unsigned line; /* from 1; 0 in an -o */
};

/* One message, kept until all are known and can be sorted. */
struct finding {
    struct place place;
    size_t number; /* in the order of finding: keeps the sort stable */
    const char *text;
};

struct node;

/* An address that a service has. */
struct claim {
    const struct listen *listen;
    const struct node *node; /* which says so */
};

/* One run of conf_load. */
struct reading {
    struct memory *memory; /* becomes the configuration's when all is well */
    struct conf *conf;
    unsigned sources; /* files met so far */
    size_t bytes;     /* read from them so far */
    size_t values;    /* of any kind found in these */
    struct finding *findings;
    size_t count;
    size_t capacity;
    size_t unsaid; /* found beyond FINDINGS_MAX */
    struct claim *claims;
    size_t claim_count;
};

#define FINDINGS_MAX 500 /* messages of one run; more would help nobody */

/* A new source; it gets the next place in the order of messages. */
const struct source *source_new(struct reading *reading, const char *name);

/* "FILE:LINE", or "-o PATH". */
const char *place_print(struct memory *memory, struct place place);

/* Notes an error about the setting with this path. */
void reading_error(struct reading *reading, struct place place, const char *path,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Sorts what was found and fills the report with it. */
void reading_report(struct reading *reading, struct conf_report *report);

/* Appends one line to a report; file may be NULL with line 0 ("-o PATH" as file). */
void report_add(struct conf_report *report, bool is_error, const char *file, unsigned line,
                const char *path, const char *message);

#endif
