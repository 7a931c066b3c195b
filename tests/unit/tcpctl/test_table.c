/* SPDX-License-Identifier: MIT */
#include "tcpctl/field.h"
#include "tcpctl/table.h"

#include <criterion/criterion.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

static void prints(const struct table *table, const char *wanted)
{
    char *said = NULL;
    size_t size;
    FILE *file = open_memstream(&said, &size);
    table_print(table, file);
    fclose(file);
    cr_expect_str_eq(said, wanted, "\n%s", said);
    free(said);
}

static void add(struct table *table, const char *text)
{
    table_add_cell(table, strdup(text));
}

Test(table, columns_fit_and_numbers_stand_right)
{
    struct table table = {0};
    table_add_column(&table, "NAME", false);
    table_add_column(&table, "N", true);
    table_add_column(&table, "LAST", false);
    prints(&table, "NAME  N  LAST\n");
    add(&table, "a"), add(&table, "1234"), add(&table, "x");
    add(&table, "longer"), add(&table, "5"), add(&table, "");
    cr_expect_eq(table_rows(&table), 2);
    prints(&table, "NAME       N  LAST\n"
                   "a       1234  x\n"
                   "longer     5\n");
    table_free(&table);
    cr_expect_eq(table_rows(&table), 0);
}

Test(table, what_is_wide_is_counted_in_columns)
{
    cr_assert(setlocale(LC_CTYPE, "C.UTF-8"));
    struct table table = {0};
    table_add_column(&table, "A", false);
    table_add_column(&table, "B", false);
    add(&table, "\xe6\xbc\xa2"), add(&table, "x");
    add(&table, "\xc3\xa4"), add(&table, "y");
    prints(&table, "A   B\n\xe6\xbc\xa2  x\n\xc3\xa4   y\n");
    table_free(&table);
}

Test(table, takes_many_rows)
{
    struct table table = {0};
    table_add_column(&table, "N", true);
    for (int i = 0; i < 10000; i++)
        add(&table, i == 9999 ? "10000" : "1");
    cr_expect_eq(table_rows(&table), 10000);
    char *line = table_line(&table, 0);
    cr_expect_str_eq(line, "    1");
    free(line);
    table_free(&table);
}

static const struct field fields[] = {
    {"TEXT", "text", FIELD_TEXT}, {"LIST", "list", FIELD_LIST},   {"COUNT", "count", FIELD_COUNT},
    {"SIZE", "size", FIELD_SIZE}, {"AGE", "age", FIELD_DURATION}, {"RTT", "rtt", FIELD_RTT},
    {"RATE", "rate", FIELD_RATE},
};

#define FIELDS (sizeof fields / sizeof *fields)

static void shows(const char *json, const char *const wanted[FIELDS])
{
    json_t *object = json_loads(json, JSON_DECODE_ANY, NULL);
    cr_assert(object, "%s", json);
    for (size_t i = 0; i < FIELDS; i++) {
        char *cell = field_cell(&fields[i], object);
        cr_expect_str_eq(cell, wanted[i], "%s: \"%s\"", fields[i].title, cell);
        free(cell);
    }
    json_decref(object);
}

Test(field, members_become_cells)
{
    shows("{\"text\":\"a\\u001bb\",\"list\":[\"x\",\"y\\n\"],\"count\":9007199254740993,"
          "\"size\":2048,\"age\":0.25,\"rtt\":0.5,\"rate\":1}",
          (const char *const[]){"a\\x1bb", "x, y\\x0a", "9007199254740993", "2.0K", "250ms",
                                "0.500ms", "1.0"});
}

Test(field, what_is_missing_or_something_else_is_a_dash)
{
    static const char *const dashes[] = {"-", "-", "-", "-", "-", "-", "-"};
    shows("{}", dashes);
    shows("[]", dashes);
    shows("3", dashes);
    shows("{\"text\":1,\"list\":\"x\",\"count\":\"1\",\"size\":null,\"age\":[],\"rtt\":{},"
          "\"rate\":true}",
          dashes);
    shows("{\"list\":[]}", dashes);
    shows("{\"list\":[3]}", dashes);
}
