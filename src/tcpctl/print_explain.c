/* SPDX-License-Identifier: MIT */
/* What would become of a client, for people. */
#include "tcpctl/heap.h"
#include "tcpctl/print.h"
#include "tcpctl/table.h"
#include "tcpctl/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_decision(const json_t *answer)
{
    const char *decision = field_text(answer, "decision");
    const json_t *proxy = json_object_get(answer, "proxy");
    const char *way = strcmp(decision, "refused") == 0  ? "by"
                      : strcmp(decision, "queued") == 0 ? "for"
                                                        : "to";
    text_say(stdout, "%s%s%s would now be %s %s %s", field_text(answer, "address"),
             proxy ? " by way of " : "", proxy ? field_text(answer, "proxy") : "", decision, way,
             field_text(answer, "service"));
}

/* A rule, its entry if it is one of a list, and where that stands. */
static void print_rule(const char *how, const json_t *rule)
{
    const json_t *entry = json_object_get(rule, "entry");
    const json_t *reason = json_object_get(rule, "reason");
    if (!rule)
        return;
    text_say(stdout, "  %s %s%s%s%s at %s%s%s", how, field_text(rule, "setting"),
             entry ? " \"" : "", entry ? field_text(rule, "entry") : "", entry ? "\"" : "",
             field_text(rule, "at"), reason ? ", reason " : "",
             reason ? field_text(rule, "reason") : "");
}

static void print_trials(const json_t *trials)
{
    for (size_t i = 0; i < json_array_size(trials); i++)
        print_rule("but for a trial of", json_array_get(trials, i));
}

static void print_notes(const json_t *notes)
{
    for (size_t i = 0; i < json_array_size(notes); i++) {
        const char *text = json_string_value(json_array_get(notes, i));
        text_say(stdout, "  %s", text ? text : "-");
    }
}

/* Limits. */

static char *cell_of(const json_t *limit, const char *member)
{
    char text[TEXT_NUMBER_MAX];
    const json_t *value = json_object_get(limit, member);
    const char *unit = field_text(limit, "unit");
    if (!json_is_number(value))
        return heap_print("-");
    if (strcmp(unit, "seconds") == 0)
        return heap_print("%s", text_duration(json_number_value(value), text));
    return heap_print("%.0f", json_number_value(value));
}

static void print_limits(const json_t *limits)
{
    struct table table = {0};
    table_add_column(&table, "SETTING", false);
    table_add_column(&table, "NOW", true);
    table_add_column(&table, "LIMIT", true);
    table_add_column(&table, "UNIT", false);
    table_add_column(&table, "STANDS AT", false);
    for (size_t i = 0; i < json_array_size(limits); i++) {
        const json_t *limit = json_array_get(limits, i);
        table_add_cell(&table, text_clean(field_text(limit, "setting")));
        table_add_cell(&table, cell_of(limit, "now"));
        table_add_cell(&table, cell_of(limit, "limit"));
        table_add_cell(&table, text_clean(field_text(limit, "unit")));
        table_add_cell(&table, text_clean(field_text(limit, "at")));
    }
    table_print(&table, stdout);
    table_free(&table);
}

static void print_access(const json_t *access)
{
    if (json_is_true(json_object_get(access, "allowed")))
        print_rule("let in by", access);
}

void print_explain(const json_t *answer)
{
    print_decision(answer);
    print_rule("because of", json_object_get(answer, "rule"));
    print_access(json_object_get(answer, "access"));
    print_trials(json_object_get(answer, "trials"));
    print_notes(json_object_get(answer, "notes"));
    fputs("\n", stdout);
    print_limits(json_object_get(answer, "limits"));
}
