/* SPDX-License-Identifier: MIT */
#include "tcpctl/print.h"

#include "tcpctl/heap.h"
#include "tcpctl/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static json_int_t count_of(const json_t *object, const char *member)
{
    return json_integer_value(json_object_get(object, member));
}

static const char *plural(json_int_t count)
{
    return count == 1 ? "" : "s";
}

/* --- status --- */

static const struct field child_fields[] = {
    {"GENERATION", "number", FIELD_COUNT}, {"STATE", "state", FIELD_TEXT},
    {"AGE", "age", FIELD_DURATION},        {"OPEN", "open", FIELD_COUNT},
    {"CHILD", "child", FIELD_TEXT},        {"PID", "pid", FIELD_COUNT},
    {"STATE", "child_state", FIELD_TEXT},  {"OPEN", "child_open", FIELD_COUNT},
};

/* Adds to a generation what is told of one of its processes, and makes it a row. */
static void add_process(struct table *table, json_t *generation, const char *name,
                        const json_t *process)
{
    json_t *row = json_copy(generation);
    if (!row)
        return;
    json_object_set_new(row, "child", json_string(name));
    json_object_set(row, "pid", json_object_get(process, "pid"));
    json_object_set(row, "child_state", json_object_get(process, "state"));
    json_object_set(row, "child_open", json_object_get(process, "open"));
    field_add_row(table, child_fields, COUNT(child_fields), row);
    json_decref(row);
}

static void add_child(struct table *table, json_t *generation, const json_t *child)
{
    char *name = heap_print("%" JSON_INTEGER_FORMAT ".%" JSON_INTEGER_FORMAT,
                            count_of(generation, "number"), count_of(child, "index"));
    add_process(table, generation, name, child);
    free(name);
}

static void print_generations(const json_t *generations)
{
    struct table table = {0};
    field_add_columns(&table, child_fields, COUNT(child_fields));
    for (size_t i = 0; i < json_array_size(generations); i++) {
        json_t *generation = json_array_get(generations, i);
        const json_t *children = json_object_get(generation, "children");
        for (size_t j = 0; j < json_array_size(children); j++)
            add_child(&table, generation, json_array_get(children, j));
        if (json_object_get(generation, "spawner"))
            add_process(&table, generation, "spawner", json_object_get(generation, "spawner"));
        if (json_array_size(children) == 0)
            field_add_row(&table, child_fields, COUNT(child_fields), generation);
    }
    table_print(&table, stdout);
    table_free(&table);
}

static void fact(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void fact(const char *name, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    char *text = heap_vprint(format, values);
    va_end(values);
    text_say(stdout, "%-15s %s", name, text);
    free(text);
}

static void print_outcomes(const char *name, const json_t *outcomes)
{
    fact(name, "%" JSON_INTEGER_FORMAT " done, %" JSON_INTEGER_FORMAT " failed",
         count_of(outcomes, "ok"), count_of(outcomes, "failed"));
}

static void print_last_change(const json_t *change)
{
    char age[TEXT_NUMBER_MAX];
    if (!change)
        return;
    bool ok = json_is_true(json_object_get(change, "ok"));
    fact("last change", "%s, %s ago, %s%s", field_text(change, "what"),
         text_duration(field_number(change, "age"), age),
         ok ? "done" : "failed: ", ok ? "" : field_text(change, "error"));
}

void print_status(const json_t *answer)
{
    char uptime[TEXT_NUMBER_MAX];
    json_int_t processes = count_of(answer, "processes");
    json_int_t threads = count_of(answer, "threads");
    json_int_t listeners = count_of(answer, "listeners");
    text_say(stdout, "tcpd %s is %s, pid %" JSON_INTEGER_FORMAT ", up %s",
             field_text(answer, "version"), field_text(answer, "state"), count_of(answer, "pid"),
             text_duration(field_number(answer, "uptime"), uptime));
    fact("configuration", "%s", field_text(answer, "config"));
    fact("generation", "%" JSON_INTEGER_FORMAT, count_of(answer, "generation"));
    fact("pool", "%" JSON_INTEGER_FORMAT " process%s, %" JSON_INTEGER_FORMAT " thread%s", processes,
         processes == 1 ? "" : "es", threads, plural(threads));
    fact("connections", "%" JSON_INTEGER_FORMAT " open, at most %" JSON_INTEGER_FORMAT,
         count_of(answer, "open"), count_of(answer, "limit"));
    fact("services", "%" JSON_INTEGER_FORMAT " on %" JSON_INTEGER_FORMAT " address%s",
         count_of(answer, "services"), listeners, listeners == 1 ? "" : "es");
    fact("log", "level %s, %" JSON_INTEGER_FORMAT " line%s dropped",
         field_text(answer, "log_level"), count_of(answer, "log_dropped"),
         plural(count_of(answer, "log_dropped")));
    print_outcomes("reloads", json_object_get(answer, "reloads"));
    print_outcomes("upgrades", json_object_get(answer, "upgrades"));
    fact("child restarts", "%" JSON_INTEGER_FORMAT, count_of(answer, "child_restarts"));
    print_last_change(json_object_get(answer, "last_change"));
    fputs("\n", stdout);
    print_generations(json_object_get(answer, "generations"));
}

/* --- services, connections --- */

static const struct field service_fields[] = {
    {"NAME", "name", FIELD_TEXT},          {"TYPE", "type", FIELD_TEXT},
    {"STATE", "state", FIELD_TEXT},        {"ACTIVE", "active", FIELD_COUNT},
    {"ACCEPTED", "accepted", FIELD_COUNT}, {"REJECTED", "rejected", FIELD_COUNT},
    {"LOST", "lost", FIELD_COUNT},         {"RECEIVED", "received", FIELD_SIZE},
    {"SENT", "sent", FIELD_SIZE},          {"ADDRESSES", "addresses", FIELD_LIST},
};

void print_services(const json_t *answer)
{
    field_print(service_fields, COUNT(service_fields), json_object_get(answer, "services"), stdout);
}

const struct field print_connection_fields[] = {
    {"ID", "id", FIELD_TEXT},
    {"SERVICE", "service", FIELD_TEXT},
    {"PEER", "peer", FIELD_TEXT},
    {"PHASE", "phase", FIELD_TEXT},
    {"AGE", "age", FIELD_DURATION},
    {"IDLE", "idle", FIELD_DURATION},
    {"RECEIVED", "received", FIELD_SIZE},
    {"SENT", "sent", FIELD_SIZE},
    {"TCP", "tcp_state", FIELD_TEXT},
    {"RTT", "rtt_ms", FIELD_RTT},
    {"RETRANSMITS", "retransmits", FIELD_COUNT},
    {"PROGRAM", "program", FIELD_TEXT},
    {"PID", "program_pid", FIELD_COUNT},
};

#define PROGRAM_FIELDS 2 /* the last ones, shown where there is a program */

const size_t print_connection_field_count = COUNT(print_connection_fields) - PROGRAM_FIELDS;

static bool has_programs(const json_t *connections)
{
    for (size_t i = 0; i < json_array_size(connections); i++)
        if (json_object_get(json_array_get(connections, i), "program"))
            return true;
    return false;
}

void print_connections(const json_t *answer)
{
    const json_t *connections = json_object_get(answer, "connections");
    field_print(print_connection_fields,
                print_connection_field_count + (has_programs(connections) ? PROGRAM_FIELDS : 0),
                connections, stdout);
    const json_t *missing = json_object_get(answer, "missing");
    for (size_t i = 0; i < json_array_size(missing); i++) {
        const char *what = json_string_value(json_array_get(missing, i));
        text_say(stderr, "tcpctl: incomplete: %s", what ? what : "-");
    }
}

/* --- What changes something --- */

static size_t print_each(const char *mark, const json_t *parent, const char *member,
                         const char *noun)
{
    const json_t *names = member ? json_object_get(parent, member) : parent;
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        text_say(stdout, "%s %s %s", mark, noun, name ? name : "-");
    }
    return json_array_size(names);
}

void print_reload(const json_t *answer)
{
    const json_t *services = json_object_get(answer, "services");
    const json_t *listeners = json_object_get(answer, "listeners");
    size_t changes = print_each("+", services, "added", "service");
    changes += print_each("-", services, "removed", "service");
    changes += print_each("~", services, "changed", "service");
    changes += print_each("+", listeners, "added", "listener");
    changes += print_each("-", listeners, "removed", "listener");
    changes += print_each("~", json_object_get(answer, "settings"), NULL, "setting");
    if (changes == 0)
        text_say(stdout, "nothing changed");
    text_say(stdout, "generation %" JSON_INTEGER_FORMAT " serves", count_of(answer, "generation"));
}

void print_upgrade(const json_t *answer)
{
    text_say(stdout, "upgraded from %s to %s, generation %" JSON_INTEGER_FORMAT " serves",
             field_text(answer, "was"), field_text(answer, "version"),
             count_of(answer, "generation"));
}

void print_kill(const json_t *answer)
{
    text_say(stdout, "killed %s", field_text(answer, "id"));
}

void print_stop(const json_t *answer)
{
    (void)answer;
    text_say(stdout, "tcpd has left");
}

void print_drain(const json_t *answer)
{
    (void)answer;
    text_say(stdout, "drained: no connection is left");
}

void print_log(const json_t *answer)
{
    text_say(stdout, "log level %s, was %s", field_text(answer, "level"),
             field_text(answer, "was"));
}

static void print_clean_lines(const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        text_say(stdout, "%.*s", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

/* For a program that reads them, metrics are data, and pass as they are. */
void print_metrics(const json_t *answer)
{
    const char *text = json_string_value(json_object_get(answer, "text"));
    if (text && isatty(STDOUT_FILENO))
        print_clean_lines(text);
    else if (text)
        fputs(text, stdout);
}

char *print_progress(const json_t *line)
{
    json_int_t open = count_of(line, "open");
    if (open <= 0)
        return NULL;
    char *text = heap_print("%" JSON_INTEGER_FORMAT " connection%s left", open, plural(open));
    const json_t *services = json_object_get(line, "services");
    for (size_t i = 0; i < json_array_size(services); i++) {
        const json_t *service = json_array_get(services, i);
        char *longer = heap_print("%s%s%s %" JSON_INTEGER_FORMAT, text, i ? ", " : ": ",
                                  field_text(service, "name"), count_of(service, "active"));
        free(text);
        text = longer;
    }
    return text;
}
