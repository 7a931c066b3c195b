/* SPDX-License-Identifier: MIT */
/*
 * The lines of a ladder: time, state of the client, arrow, state of the
 * server.  Layout only: who draws it, on a terminal or as a picture, is elsewhere (draw.h).
 */
#ifndef TCPD_TCPC_LADDER_H
#define TCPD_TCPC_LADDER_H

#include "tcpc/flow.h"
#include "tcpc/fold.h"

#include <stdbool.h>
#include <stddef.h>

#define LADDER_NARROWEST 60
#define LADDER_WIDEST    250
#define LADDER_LABEL_MAX 256
#define LADDER_INDENT    12 /* where the columns begin, behind the time */

/* The bytes that ladder_row and ladder_heading write at most, for every width. */
#define LADDER_MAX 8192

/* What an arrow is about: its colour. */
enum ladder_kind { LADDER_DATA, LADDER_SYN, LADDER_FIN, LADDER_RST, LADDER_MARKED, LADDER_FOLDED };

/* One arrow with all that stands beside it. */
struct ladder_row {
    uint64_t time; /* nanoseconds since the start */
    enum side from;
    enum ladder_kind kind;
    char label[LADDER_LABEL_MAX]; /* words; the line may be broken between them; "": no arrow */
    size_t entered_count[2];
    enum state entered[2][FLOW_ENTERED_MAX];
};

struct ladder_style {
    unsigned width; /* columns, from LADDER_NARROWEST to LADDER_WIDEST */
    bool utf8;
    bool colour;
};

/* The row of a segment; absolute: with the numbers as they are on the wire. */
void ladder_of_event(struct ladder_row *row, const struct flow_event *event, bool absolute);

/* The row of what was folded in one direction. */
void ladder_of_fold(struct ladder_row *row, enum side from, const struct fold_sum *sum,
                    uint64_t time, bool utf8);

/* Writes the lines of a row, each with its newline, and a NUL.  Returns their length. */
size_t ladder_draw(char buffer[static LADDER_MAX], const struct ladder_style *style,
                   const struct ladder_row *row);

/* Writes the lines that stand over the columns: who the two are. */
size_t ladder_heading(char buffer[static LADDER_MAX], const struct ladder_style *style,
                      const char *client, const char *server);

/* Writes a number of bytes as people read it: "412 bytes", "596 KiB", "1.5 MiB".  Returns buffer.
 */
#define LADDER_SIZE_MAX 32
const char *ladder_size(uint64_t bytes, char buffer[static LADDER_SIZE_MAX]);

/* Writes a time as -v does: seconds with six digits.  Returns buffer. */
#define LADDER_TIME_MAX 32
const char *ladder_time(uint64_t nanoseconds, char buffer[static LADDER_TIME_MAX]);

#endif
