/* SPDX-License-Identifier: MIT */
/*
 * A first reading of a text in libconfig's syntax, for what libconfig 1.5
 * gets wrong: it wraps numbers that do not fit, opens what @include names, be it a directory (which
 * ends the process), forgets in which line a list's element stood, needs time that grows
 * with the square of a group, and loses memory at a syntax error.  A text that passes here
 * can only fail there for a setting that stands twice and for an array of mixed types.
 */
#ifndef TCPD_CONF_LEXER_H
#define TCPD_CONF_LEXER_H

#include "base/error.h"
#include "conf/memory.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEXER_DEPTH_MAX   16     /* groups and lists within each other */
#define LEXER_MEMBERS_MAX 1000   /* settings of one group */
#define LEXER_VALUES_MAX  200000 /* values of any kind, in all files together */

/* A value that is no group or list: a string, a number or a boolean. */
struct scalar {
    unsigned line;    /* where it begins */
    const char *text; /* an integer or a float: as it is written; else NULL */
    bool integer;
    bool fits;      /* an integer that fits into 64 bits */
    bool octal;     /* an integer written with a 0 before it */
    int64_t number; /* its value when it fits */
};

struct scalars {
    struct scalar *items; /* in the order of the text */
    size_t count;
    size_t capacity;
    size_t values; /* all values of the text: these, and groups and lists */
    size_t most;   /* of them that may come: set before lexer_scan */
};

/* The text ends with a newline.  Returns 0, or -1 with the first mistake and its line. */
int lexer_scan(struct memory *memory, const char *text, struct scalars *scalars, unsigned *line,
               struct error *error);

#endif
