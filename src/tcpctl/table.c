/* SPDX-License-Identifier: MIT */
#include "tcpctl/table.h"

#include "tcpctl/heap.h"
#include "tcpctl/text.h"

#include <stdlib.h>
#include <string.h>

#define GAP 2 /* blanks between two columns */

static void widen(struct table_column *column, const char *text)
{
    size_t width = text_width(text);
    if (width > column->width)
        column->width = width;
}

void table_add_column(struct table *table, const char *title, bool right)
{
    size_t count = table->column_count + 1;
    table->columns = heap_grow(table->columns, count, sizeof *table->columns);
    table->columns[table->column_count] = (struct table_column){.title = title, .right = right};
    widen(&table->columns[table->column_count], title);
    table->column_count = count;
}

void table_add_cell(struct table *table, char *text)
{
    if (table->cell_count == table->cell_room) {
        table->cell_room = 2 * table->cell_room + 64;
        table->cells = heap_grow(table->cells, table->cell_room, sizeof *table->cells);
    }
    widen(&table->columns[table->cell_count % table->column_count], text);
    table->cells[table->cell_count++] = text;
}

size_t table_rows(const struct table *table)
{
    return table->column_count ? table->cell_count / table->column_count : 0;
}

static char *put_blanks(char *out, size_t count)
{
    memset(out, ' ', count);
    return out + count;
}

static char *put_cell(char *out, const struct table_column *column, const char *text)
{
    size_t blanks = column->width - text_width(text);
    if (column->right)
        out = put_blanks(out, blanks);
    out = stpcpy(out, text);
    return column->right ? out : put_blanks(out, blanks);
}

static const char *cell_of(const struct table *table, const char *const *row, size_t column)
{
    return row ? row[column] : table->columns[column].title;
}

/* row: its cells, or NULL for the header. */
static char *make_line(const struct table *table, const char *const *row)
{
    size_t size = 1;
    for (size_t i = 0; i < table->column_count; i++)
        size += table->columns[i].width + strlen(cell_of(table, row, i)) + GAP;
    char *line = heap_grow(NULL, size, 1);
    char *out = line;
    for (size_t i = 0; i < table->column_count; i++)
        out = put_blanks(put_cell(out, &table->columns[i], cell_of(table, row, i)), GAP);
    while (out > line && out[-1] == ' ')
        out--;
    *out = '\0';
    return line;
}

char *table_header(const struct table *table)
{
    return make_line(table, NULL);
}

char *table_line(const struct table *table, size_t row)
{
    return make_line(table, (const char *const *)table->cells + row * table->column_count);
}

static void put_line(FILE *file, char *line)
{
    fprintf(file, "%s\n", line);
    free(line);
}

void table_print(const struct table *table, FILE *file)
{
    put_line(file, table_header(table));
    for (size_t row = 0; row < table_rows(table); row++)
        put_line(file, table_line(table, row));
}

void table_free(struct table *table)
{
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    free(table->cells);
    free(table->columns);
    *table = (struct table){0};
}
