/* SPDX-License-Identifier: MIT */
/* The story: read the file, put -o over it, read the other files, check, fill. */
#include "conf/conf.h"

#include "conf/control.h"
#include "conf/identity.h"
#include "conf/include.h"
#include "conf/option.h"
#include "conf/override.h"
#include "conf/services.h"
#include "conf/snapshot.h"
#include "conf/unknown.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

/* What -o holds is put in before the other files are read, if it is about them, or else after. */
static void apply_overrides(struct reading *reading, struct node *root,
                            const struct conf_override *overrides, size_t count, bool early)
{
    for (size_t i = 0; i < count; i++) {
        if (override_is_early(&overrides[i]) == early)
            override_apply(reading, root, &overrides[i]);
    }
}

static void read_setting(struct reading *reading, const struct node *node)
{
    static const char *const known[] = {"user",    "group",  "include",  "pool",     "log",
                                        "control", "limits", "timeouts", "services", NULL};
    const struct option *option = option_find(option_daemon, node->name);
    if (option != NULL) {
        option_read(reading, option, node, reading->conf);
        return;
    }
    for (const struct section *section = option_daemon; section->name != NULL; section++) {
        if (strcmp(section->name, node->name) == 0) {
            option_read_section(reading, section, node, reading->conf);
            return;
        }
    }
    if (strcmp(node->name, "include") != 0 && strcmp(node->name, "services") != 0)
        unknown_setting(reading, node, "", known);
}

/* How many CPUs this process may use. */
static unsigned cpu_count(unsigned most)
{
    cpu_set_t cpus;
    long count = sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? CPU_COUNT(&cpus)
                                                                : sysconf(_SC_NPROCESSORS_ONLN);
    if (count < 1)
        return 1;
    return count < (long)most ? (unsigned)count : most;
}

/* Where a warning about limits.connections points to. */
static void note_limits(struct conf *conf, const struct node *root)
{
    const struct node *limits = node_child(root, "limits");
    const struct node *connections = limits == NULL ? NULL : node_child(limits, "connections");
    struct place place = connections != NULL ? connections->place : root->place;
    conf->limits_file = place.source->name;
    conf->limits_line = place.line;
}

/* The services come last: they inherit from the rest, wherever that stands in the file. */
static void fill(struct reading *reading, const struct node *root)
{
    struct conf *conf = reading->conf;
    conf->settings = root;
    option_defaults(reading->memory, option_daemon, conf);
    for (const struct node *child = root->first; child != NULL; child = child->next)
        read_setting(reading, child);
    if (conf->pool.threads == 0)
        conf->pool.threads = cpu_count(POOL_THREADS_MAX);
    note_limits(conf, root);
    identity_resolve(reading, root);
    services_read(reading, root, node_child(root, "services"));
    control_resolve(reading, root);
}

/* From the main file on, wherever the files may come from. */
static void read_files(struct reading *reading, const char *file,
                       const struct conf_override *overrides, size_t count)
{
    struct stat id;
    struct node *root = include_file(reading, file, NULL, "file", &id);
    if (root == NULL)
        return;
    apply_overrides(reading, root, overrides, count, true);
    include_all(reading, root, &id);
    apply_overrides(reading, root, overrides, count, false);
    fill(reading, root);
}

static struct reading begin(void)
{
    struct memory *memory = memory_new();
    struct conf *conf = memory_take(memory, sizeof(*conf));
    conf->memory = memory;
    return (struct reading){.memory = memory, .conf = conf};
}

static struct conf *end(struct reading *reading, struct conf_report *report)
{
    *report = (struct conf_report){0};
    reading_report(reading, report);
    if (report->errors == 0)
        return reading->conf;
    memory_free(reading->memory);
    return NULL;
}

struct conf *conf_load(const char *file, const struct conf_override *overrides,
                       size_t override_count, struct conf_report *report)
{
    struct reading reading = begin();
    reading.conf->snapshot = snapshot_new(reading.memory);
    read_files(&reading, file, overrides, override_count);
    return end(&reading, report);
}

struct conf *conf_load_snapshot(const char *text, size_t length,
                                const struct conf_override *overrides, size_t override_count,
                                struct conf_report *report)
{
    struct reading reading = begin();
    struct error error;
    struct conf_snapshot *snapshot = snapshot_parse(reading.memory, text, length, &error);
    reading.conf->snapshot = snapshot;
    if (snapshot != NULL)
        read_files(&reading, snapshot_main_file(snapshot), overrides, override_count);
    /* Something left over is a mistake of its own only if there is no other. */
    if (snapshot == NULL || (reading.count == 0 && snapshot_end(snapshot, &error) != 0))
        reading_error(&reading, (struct place){source_new(&reading, "snapshot"), 0}, "file", "%s",
                      error.text);
    return end(&reading, report);
}

void conf_free(struct conf *conf)
{
    if (conf != NULL)
        memory_free(conf->memory);
}
