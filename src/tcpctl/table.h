/* SPDX-License-Identifier: MIT */
/* A table whose columns are as wide as what stands in them. */
#ifndef TCPD_TCPCTL_TABLE_H
#define TCPD_TCPCTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct table_column {
    const char *title; /* borrowed */
    bool right;        /* numbers stand at the right */
    size_t width;
};

/* {0} is an empty table.  First all columns, then the cells, row after row. */
struct table {
    struct table_column *columns;
    size_t column_count;
    char **cells;
    size_t cell_count, cell_room;
};

void table_add_column(struct table *table, const char *title, bool right);

/* The next cell of the row, or the first one of the next row.  Takes the clean text over. */
void table_add_cell(struct table *table, char *text);

size_t table_rows(const struct table *table); /* without the header */

/* The header, and the row of that number, as a line without newline; for free(3). */
char *table_header(const struct table *table);
char *table_line(const struct table *table, size_t row);

/* The header and all rows. */
void table_print(const struct table *table, FILE *file);

void table_free(struct table *table); /* it is empty again */

#endif
