/* SPDX-License-Identifier: MIT */
/* Each thing of a configuration becomes a name and a text; names and texts are compared. */
#include "conf/diff.h"

#include "conf/dump.h"
#include "conf/listen.h"
#include "conf/memory.h"
#include "conf/option.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* Something that has a name and may be there twice: two addresses with port 0 are alike. */
struct thing {
    const char *name;
    char *text; /* all that can change about it; of open_memstream */
    size_t length;
    bool paired;
};

/* All things of one kind in one configuration. */
struct things {
    struct thing *items;   /* in the order of the configuration */
    struct thing **sorted; /* the same by name */
    size_t count;
};

/* One comparison on its way. */
struct comparison {
    struct conf_diff *diff;
    enum conf_change_kind kind;
    struct things before, after;
};

static void things_reserve(struct memory *memory, struct things *things, size_t most)
{
    things->items = memory_take(memory, (most + 1) * sizeof(*things->items));
    things->sorted = memory_take(memory, (most + 1) * sizeof(struct thing *));
}

/*
 * Adds one and returns the stream into its text, to be closed with text_close.  Out of memory
 * ends the process, as everywhere in conf/.
 */
static FILE *things_add(struct things *things, const char *name)
{
    struct thing *thing = &things->items[things->count];
    things->sorted[things->count++] = thing;
    thing->name = name;
    FILE *out = open_memstream(&thing->text, &thing->length);
    if (out == NULL)
        err(EX_OSERR, "the configuration");
    return out;
}

static void text_close(FILE *out)
{
    if (fclose(out) != 0)
        err(EX_OSERR, "the configuration");
}

static int thing_compare(const void *left, const void *right)
{
    const struct thing *const *a = left;
    const struct thing *const *b = right;
    int order = strcmp((*a)->name, (*b)->name);
    return order != 0 ? order : (*a > *b) - (*a < *b);
}

static void things_sort(struct things *things)
{
    if (things->count > 0)
        qsort(things->sorted, things->count, sizeof(struct thing *), thing_compare);
}

static void things_free(struct things *things)
{
    for (size_t i = 0; i < things->count; i++)
        free(things->items[i].text);
}

/* Where in the sorted ones this name begins, or would. */
static size_t things_seek(const struct things *things, const char *name)
{
    size_t low = 0;
    size_t high = things->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(things->sorted[middle]->name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* One of this name that has no partner yet, and, if it is given, with this text; or NULL. */
static struct thing *things_find(const struct things *things, const char *name, const char *text)
{
    for (size_t i = things_seek(things, name); i < things->count; i++) {
        struct thing *thing = things->sorted[i];
        if (strcmp(thing->name, name) != 0)
            return NULL;
        if (!thing->paired && (text == NULL || strcmp(thing->text, text) == 0))
            return thing;
    }
    return NULL;
}

/* Makes partners of what is alike to the last byte, so that only the rest can have changed. */
static void pair_equal(struct comparison *comparison)
{
    for (size_t i = 0; i < comparison->after.count; i++) {
        struct thing *thing = &comparison->after.items[i];
        struct thing *old = things_find(&comparison->before, thing->name, thing->text);
        if (old != NULL)
            old->paired = thing->paired = true;
    }
}

static void report(struct comparison *comparison, enum conf_change_how how, const char *what)
{
    struct conf_diff *diff = comparison->diff;
    diff->changes[diff->count++] = (struct conf_change){comparison->kind, how, what};
}

static void report_rest(struct comparison *comparison)
{
    for (size_t i = 0; i < comparison->after.count; i++) {
        const struct thing *thing = &comparison->after.items[i];
        if (thing->paired)
            continue;
        struct thing *old = things_find(&comparison->before, thing->name, NULL);
        if (old != NULL)
            old->paired = true;
        report(comparison, old != NULL ? CONF_CHANGED : CONF_ADDED, thing->name);
    }
    for (size_t i = 0; i < comparison->before.count; i++) {
        if (!comparison->before.items[i].paired)
            report(comparison, CONF_REMOVED, comparison->before.items[i].name);
    }
}

typedef void collect(struct memory *memory, const struct conf *conf, struct things *things);

static void collect_services(struct memory *memory, const struct conf *conf, struct things *things)
{
    things_reserve(memory, things, conf->service_count);
    for (size_t i = 0; i < conf->service_count; i++) {
        const char *name = conf->services[i].service.name;
        FILE *out = things_add(things, memory_copy(memory, name, strlen(name)));
        dump_service(out, &conf->services[i], false);
        text_close(out);
    }
}

static void collect_listens(struct memory *memory, const struct conf_service *service,
                            struct things *things)
{
    char address[LISTEN_TEXT_MAX];
    for (size_t i = 0; i < service->listen_count; i++) {
        const struct listen *listen = &service->listens[i];
        FILE *out =
            things_add(things, memory_print(memory, "%s (%s)", listen_print(listen, address),
                                            service->service.name));
        dump_listen(out, listen);
        text_close(out);
    }
}

static void collect_listeners(struct memory *memory, const struct conf *conf, struct things *things)
{
    size_t most = 0;
    for (size_t i = 0; i < conf->service_count; i++)
        most += conf->services[i].listen_count;
    things_reserve(memory, things, most);
    for (size_t i = 0; i < conf->service_count; i++)
        collect_listens(memory, &conf->services[i], things);
}

static void collect_section(struct memory *memory, const struct conf *conf,
                            const struct section *section, struct things *things)
{
    for (const struct option *option = section->options; option->name != NULL; option++) {
        const char *dot = section->name[0] == '\0' ? "" : ".";
        FILE *out =
            things_add(things, memory_print(memory, "%s%s%s", section->name, dot, option->name));
        option_print(out, option, conf);
        text_close(out);
    }
}

static size_t section_length(const struct section *section)
{
    size_t length = 0;
    while (section->options[length].name != NULL)
        length++;
    return length;
}

static void collect_settings(struct memory *memory, const struct conf *conf, struct things *things)
{
    size_t most = 0;
    for (const struct section *section = option_daemon; section->name != NULL; section++)
        most += section_length(section);
    things_reserve(memory, things, most);
    for (const struct section *section = option_daemon; section->name != NULL; section++)
        collect_section(memory, conf, section, things);
}

static const struct {
    enum conf_change_kind kind;
    collect *collect;
} kinds[] = {
    {CONF_SERVICE, collect_services},
    {CONF_LISTENER, collect_listeners},
    {CONF_SETTING, collect_settings},
};

#define KIND_COUNT (sizeof(kinds) / sizeof(kinds[0]))

void conf_diff(const struct conf *before, const struct conf *after, struct conf_diff *diff)
{
    *diff = (struct conf_diff){.memory = memory_new()};
    struct comparison comparisons[KIND_COUNT] = {0};
    size_t most = 1;
    for (size_t i = 0; i < KIND_COUNT; i++) {
        struct comparison *comparison = &comparisons[i];
        *comparison = (struct comparison){.diff = diff, .kind = kinds[i].kind};
        kinds[i].collect(diff->memory, before, &comparison->before);
        kinds[i].collect(diff->memory, after, &comparison->after);
        things_sort(&comparison->before);
        most += comparison->before.count + comparison->after.count;
    }
    diff->changes = memory_take(diff->memory, most * sizeof(*diff->changes));
    for (size_t i = 0; i < KIND_COUNT; i++) {
        pair_equal(&comparisons[i]);
        report_rest(&comparisons[i]);
        things_free(&comparisons[i].before);
        things_free(&comparisons[i].after);
    }
}

void conf_diff_free(struct conf_diff *diff)
{
    memory_free(diff->memory);
    *diff = (struct conf_diff){0};
}
