/* SPDX-License-Identifier: MIT */
/* The configuration that an import comes to. */
#include "tcpctl/import.h"
#include "tcpctl/text.h"

#include "conf/option.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define LINE_MAX_LENGTH 100

static void print_values(FILE *out, const struct import_list *values)
{
    size_t column = LINE_MAX_LENGTH / 4;
    fputs("[", out);
    for (size_t i = 0; i < values->count; i++) {
        column += strlen(values->items[i]) + 2;
        bool wraps = column > LINE_MAX_LENGTH && i > 0;
        fprintf(out, "%s%s%s", i > 0 ? "," : "", wraps ? "\n              " : " ",
                values->items[i]);
        if (wraps)
            column = LINE_MAX_LENGTH / 4 + strlen(values->items[i]);
    }
    fputs(" ]", out);
}

static void print_value(FILE *out, const struct import_setting *setting, const char *name)
{
    fprintf(out, "%s = ", name);
    if (setting->is_list)
        print_values(out, &setting->values);
    else
        fputs(setting->values.items[0], out);
    fputs(";", out);
}

/* The length of the name of the group with the dot behind it; 0: it stands in none. */
static size_t group_length(const struct import_setting *setting)
{
    const char *dot = strchr(setting->name, '.');
    return dot ? (size_t)(dot + 1 - setting->name) : 0;
}

static bool is_first_of_group(const struct import_entry *entry,
                              const struct import_setting *setting, size_t length)
{
    const struct import_setting *at = entry->settings;
    while (strncmp(at->name, setting->name, length) != 0)
        at = at->next;
    return at == setting;
}

static void print_setting(FILE *out, const struct import_entry *entry,
                          const struct import_setting *setting)
{
    size_t length = group_length(setting);
    if (length > 0 && !is_first_of_group(entry, setting, length))
        return;
    fputs("\n  ", out);
    if (length == 0) {
        print_value(out, setting, setting->name);
        return;
    }
    fprintf(out, "%.*s = {", (int)length - 1, setting->name);
    for (const struct import_setting *at = setting; at; at = at->next) {
        if (strncmp(at->name, setting->name, length) == 0) {
            fputs(" ", out);
            print_value(out, at, at->name + length);
        }
    }
    fputs(" };", out);
}

/* An address alone, or a list; a group each when they have options. */
static void print_listens(FILE *out, const struct import_entry *entry)
{
    const char *options = entry->listen_options;
    size_t count = entry->listens.count;
    fprintf(out, "\n  listen = %s", count > 1 ? "( " : "");
    for (size_t i = 0; i < count; i++) {
        fputs(i > 0 ? ", " : "", out);
        fputs(options ? "{ address = " : "", out);
        option_print_string(out, entry->listens.items[i]);
        if (options)
            fprintf(out, "; %s }", options);
    }
    fputs(count > 1 ? " );" : ";", out);
}

static void print_settings(FILE *out, const struct import_entry *entry)
{
    fputs("{ name = ", out);
    option_print_string(out, entry->name);
    fputs(";", out);
    for (const struct import_setting *at = entry->settings; at; at = at->next) {
        if (strcmp(at->name, "type") == 0)
            print_setting(out, entry, at);
    }
    print_listens(out, entry);
    for (const struct import_setting *at = entry->settings; at; at = at->next) {
        if (strcmp(at->name, "type") != 0)
            print_setting(out, entry, at);
    }
    fputs(" }", out);
}

/* Line by line, so that each can be a comment, and none does anything to a terminal. */
static void print_service(FILE *out, const struct import_entry *entry, const char *before,
                          const char *behind)
{
    char *text = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&text, &length);
    if (memory) {
        print_settings(memory, entry);
        fputs(behind, memory);
    }
    if (!memory || fclose(memory) != 0)
        err(EX_OSERR, "memory");
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
        text_say(out, "%s%s", before, line);
    free(text);
}

static bool is_active(const struct import_entry *entry)
{
    return entry->is_service && !entry->barred;
}

static const struct import_entry *next_active(const struct import_entry *entry)
{
    while (entry && !is_active(entry))
        entry = entry->next;
    return entry;
}

static void print_entry(FILE *out, const struct import_entry *entry)
{
    fputs("\n", out);
    text_say(out, "  // %s:%u: %s", entry->place.file, entry->place.line, entry->source);
    for (const struct import_note *note = entry->notes; note; note = note->next)
        text_say(out, "  // %s:%u: %s", note->place.file, note->place.line, note->text);
    if (is_active(entry))
        print_service(out, entry, "  ", next_active(entry->next) ? "," : "");
    else if (entry->is_service)
        print_service(out, entry, "  // ", "");
}

void import_print(const struct import *import, FILE *out)
{
    fputs("// Made by tcpctl import-inetd: see tcpd-from-inetd(7).\n", out);
    bool any = next_active(import->entries) != NULL;
    if (any)
        fputs("\nservices = (\n", out);
    for (const struct import_entry *entry = import->entries; entry; entry = entry->next)
        print_entry(out, entry);
    fputs(any ? ");\n" : "\n// There is nothing that tcpd could serve.\n", out);
}

/* Nobody is warned of what the input itself has switched off. */
void import_warn(const struct import *import, FILE *out)
{
    for (const struct import_entry *entry = import->entries; entry; entry = entry->next) {
        const struct import_note *note = entry->disabled ? NULL : entry->notes;
        for (; note; note = note->next)
            text_say(out, "%s:%u: warning: %s", note->place.file, note->place.line, note->text);
    }
}
