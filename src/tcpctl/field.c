/* SPDX-License-Identifier: MIT */
#include "tcpctl/field.h"

#include "tcpctl/heap.h"
#include "tcpctl/text.h"

#include <stdlib.h>
#include <string.h>

static char *cell_of_text(const json_t *value)
{
    return json_is_string(value) ? text_clean(json_string_value(value)) : NULL;
}

static char *cell_of_list(const json_t *value)
{
    char *all = json_array_size(value) ? strdup("") : NULL;
    for (size_t i = 0; i < json_array_size(value); i++) {
        const char *text = json_string_value(json_array_get(value, i));
        char *clean = text_clean(text ? text : "-");
        char *longer = heap_print("%s%s%s", all, i ? ", " : "", clean);
        free(clean);
        free(all);
        all = longer;
    }
    return all;
}

static char *cell_of_count(const json_t *value)
{
    if (json_is_integer(value))
        return heap_print("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    return json_is_real(value) ? heap_print("%.0f", json_real_value(value)) : NULL;
}

typedef char *(*format_number)(double value, char out[static TEXT_NUMBER_MAX]);

static char *cell_of_number(const json_t *value, format_number format)
{
    char text[TEXT_NUMBER_MAX];
    return json_is_number(value) ? strdup(format(json_number_value(value), text)) : NULL;
}

static char *cell_of_size(const json_t *value)
{
    return cell_of_number(value, text_size);
}

static char *cell_of_rate(const json_t *value)
{
    return cell_of_number(value, text_rate);
}

static char *cell_of_duration(const json_t *value)
{
    return cell_of_number(value, text_duration);
}

static char *cell_of_rtt(const json_t *value)
{
    return cell_of_number(value, text_milliseconds);
}

static const struct {
    char *(*cell)(const json_t *value); /* NULL when it cannot */
    bool right;
} kinds[] = {
    [FIELD_TEXT] = {cell_of_text, false},  [FIELD_LIST] = {cell_of_list, false},
    [FIELD_COUNT] = {cell_of_count, true}, [FIELD_SIZE] = {cell_of_size, true},
    [FIELD_RATE] = {cell_of_rate, true},   [FIELD_DURATION] = {cell_of_duration, true},
    [FIELD_RTT] = {cell_of_rtt, true},
};

char *field_cell(const struct field *field, const json_t *object)
{
    char *cell = kinds[field->kind].cell(json_object_get(object, field->member));
    return cell ? cell : heap_print("-");
}

void field_add_columns(struct table *table, const struct field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        table_add_column(table, fields[i].title, kinds[fields[i].kind].right);
}

void field_add_row(struct table *table, const struct field *fields, size_t count,
                   const json_t *object)
{
    for (size_t i = 0; i < count; i++)
        table_add_cell(table, field_cell(&fields[i], object));
}

void field_print(const struct field *fields, size_t count, const json_t *array, FILE *file)
{
    struct table table = {0};
    field_add_columns(&table, fields, count);
    for (size_t i = 0; i < json_array_size(array); i++)
        field_add_row(&table, fields, count, json_array_get(array, i));
    table_print(&table, file);
    table_free(&table);
}

const char *field_text(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    return text ? text : "-";
}

double field_number(const json_t *object, const char *member)
{
    return json_number_value(json_object_get(object, member));
}
