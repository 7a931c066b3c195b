/* SPDX-License-Identifier: MIT */
#include "tcpctl/import.h"

#include "conf/option.h"
#include "tcpctl/heap.h"
#include "tcpctl/text.h"

#include <err.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

__attribute__((format(printf, 2, 0))) static char *print(struct import *import, const char *format,
                                                         va_list values)
{
    char *text = heap_vprint(format, values);
    char *copy = memory_copy(import->memory, text, strlen(text));
    free(text);
    return copy;
}

void import_error(struct import *import, struct import_place place, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    text_say(stderr, "%s:%u: error: %s", place.file, place.line, print(import, format, values));
    va_end(values);
    import->errors++;
}

struct import_entry *import_add(struct import *import, struct import_place place,
                                const char *source)
{
    struct import_entry *entry = memory_take(import->memory, sizeof *entry);
    entry->place = place;
    char *shown = memory_copy(import->memory, source, strlen(source));
    for (char *tab = strchr(shown, '\t'); tab; tab = strchr(tab, '\t'))
        *tab = ' ';
    entry->source = shown;
    if (import->last)
        import->last->next = entry;
    else
        import->entries = entry;
    return import->last = entry;
}

static void add_note(struct import *import, struct import_entry *entry, struct import_place place,
                     const char *text)
{
    struct import_note *note = memory_take(import->memory, sizeof *note);
    *note = (struct import_note){.place = place, .text = text};
    struct import_note **end = &entry->notes;
    while (*end)
        end = &(*end)->next;
    *end = note;
}

void import_note(struct import *import, struct import_entry *entry, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    add_note(import, entry, entry->place, print(import, format, values));
    va_end(values);
}

void import_note_at(struct import *import, struct import_entry *entry, struct import_place place,
                    const char *format, ...)
{
    va_list values;
    va_start(values, format);
    add_note(import, entry, place, print(import, format, values));
    va_end(values);
}

/* The room is the next power of two. */
void import_list_add(struct import *import, struct import_list *list, const char *text)
{
    if ((list->count & (list->count - 1)) == 0) {
        size_t room = list->count ? 2 * list->count : 1;
        const char **items = memory_take(import->memory, room * sizeof *items);
        for (size_t i = 0; i < list->count; i++)
            items[i] = list->items[i];
        list->items = items;
    }
    list->items[list->count++] = text;
}

const char *import_quote(struct import *import, const char *text)
{
    char *quoted = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&quoted, &length);
    if (out)
        option_print_string(out, text);
    if (!out || fclose(out) != 0)
        err(EX_OSERR, "memory");
    char *copy = memory_copy(import->memory, quoted, length);
    free(quoted);
    return copy;
}

const struct import_setting *import_find(const struct import_entry *entry, const char *name)
{
    const struct import_setting *setting = entry->settings;
    while (setting && strcmp(setting->name, name) != 0)
        setting = setting->next;
    return setting;
}

/* The setting of that name, which is a new one at the end if there is none. */
static struct import_setting *find(struct import *import, struct import_entry *entry,
                                   const char *name)
{
    struct import_setting **at = &entry->settings;
    while (*at && strcmp((*at)->name, name) != 0)
        at = &(*at)->next;
    if (!*at) {
        *at = memory_take(import->memory, sizeof **at);
        (*at)->name = memory_copy(import->memory, name, strlen(name));
    }
    return *at;
}

void import_set(struct import *import, struct import_entry *entry, const char *name,
                const char *value)
{
    struct import_setting *setting = find(import, entry, name);
    setting->values = (struct import_list){0};
    import_list_add(import, &setting->values, value);
}

void import_set_text(struct import *import, struct import_entry *entry, const char *name,
                     const char *text)
{
    import_set(import, entry, name, import_quote(import, text));
}

bool import_unset(struct import_entry *entry, const char *start)
{
    bool any = false;
    struct import_setting **at = &entry->settings;
    while (*at) {
        if (strncmp((*at)->name, start, strlen(start)) == 0) {
            *at = (*at)->next;
            any = true;
        } else {
            at = &(*at)->next;
        }
    }
    return any;
}

void import_set_none(struct import *import, struct import_entry *entry, const char *name)
{
    struct import_setting *setting = find(import, entry, name);
    setting->is_list = true;
}

void import_set_more(struct import *import, struct import_entry *entry, const char *name,
                     const char *text)
{
    struct import_setting *setting = find(import, entry, name);
    setting->is_list = true;
    import_list_add(import, &setting->values, import_quote(import, text));
}
