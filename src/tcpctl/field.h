/* SPDX-License-Identifier: MIT */
/* Members of the daemon's JSON objects as cells of a table. */
#ifndef TCPD_TCPCTL_FIELD_H
#define TCPD_TCPCTL_FIELD_H

#include "tcpctl/table.h"

#include <jansson.h>
#include <stddef.h>

enum field_kind {
    FIELD_TEXT,
    FIELD_LIST,     /* an array of strings */
    FIELD_COUNT,    /* a number, every digit of it */
    FIELD_SIZE,     /* bytes */
    FIELD_RATE,     /* a number each second */
    FIELD_DURATION, /* seconds */
    FIELD_RTT,      /* milliseconds */
};

/* A column: what stands above it, the member it shows, and how. */
struct field {
    const char *title;
    const char *member;
    enum field_kind kind;
};

/* The member as a clean text; "-" when it is missing or something else.  For free(3). */
char *field_cell(const struct field *field, const json_t *object);

/* The columns of an empty table; then a row. */
void field_add_columns(struct table *table, const struct field *fields, size_t count);
void field_add_row(struct table *table, const struct field *fields, size_t count,
                   const json_t *object);

/* Prints a table with a row for each object of the array. */
void field_print(const struct field *fields, size_t count, const json_t *array, FILE *file);

/* A member as it came: "-", or 0, when it is missing or something else. */
const char *field_text(const json_t *object, const char *member);
double field_number(const json_t *object, const char *member);

#endif
