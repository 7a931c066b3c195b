/* SPDX-License-Identifier: MIT */
#include "conf/services.h"

#include "conf/access.h"
#include "conf/exec.h"
#include "conf/listen.h"
#include "conf/option.h"
#include "conf/proxies.h"
#include "conf/unknown.h"
#include "conf/value.h"

#include "service/registry.h"

#include <string.h>

#define TYPES_MAX 64

static void read_name(struct reading *reading, const struct node *node,
                      struct conf_service *service)
{
    struct memory *memory = reading->memory;
    const char *wrong = node->type == NODE_STRING ? value_name_wrong(node->text) : "a string";
    if (wrong != NULL)
        node_error(reading, node, "expected %s, got %s", wrong, node_print(memory, node));
    else
        service->service.name = node->text;
}

static void read_type(struct reading *reading, const struct node *node,
                      struct conf_service *service)
{
    if (node->type != NODE_STRING) {
        node_error(reading, node, "expected a string, got %s", node_print(reading->memory, node));
        return;
    }
    service->service.ops = registry_find(node->text);
    if (service->service.ops != NULL)
        return;
    const char *known[TYPES_MAX + 1] = {NULL};
    for (unsigned i = 0; i < TYPES_MAX && registry_at(i) != NULL; i++)
        known[i] = registry_at(i)->type;
    unknown_type(reading, node, known);
}

/* The settings that every service must have. */
static const struct needed {
    const char *name;
    const char *example;
    void (*read)(struct reading *reading, const struct node *node, struct conf_service *service);
} needed[] = {
    {"name", "name = \"echo\"", read_name},
    {"type", "type = \"echo\"", read_type},
    {"listen", "listen = \"127.0.0.1:6007\"", listen_read},
};

#define NEEDED_COUNT (sizeof(needed) / sizeof(needed[0]))

static void check_needed(struct reading *reading, const struct node *node)
{
    for (size_t i = 0; i < NEEDED_COUNT; i++) {
        if (node_child(node, needed[i].name) == NULL)
            node_error(reading, node, "%s is missing: add %s", needed[i].name, needed[i].example);
    }
}

static void report_unknown(struct reading *reading, const struct node *node)
{
    const char *known[64] = {"name",   "type",     "listen",         "access",
                             "limits", "timeouts", "proxy_protocol", "trusted"};
    size_t count = 8;
    for (size_t i = 0; exec_settings[i] != NULL; i++)
        known[count++] = exec_settings[i];
    unknown_setting(reading, node, "services", known);
}

static void read_setting(struct reading *reading, const struct node *node,
                         struct conf_service *service)
{
    for (size_t i = 0; i < NEEDED_COUNT; i++) {
        if (strcmp(needed[i].name, node->name) == 0) {
            needed[i].read(reading, node, service);
            return;
        }
    }
    for (const struct section *section = option_service; section->name != NULL; section++) {
        if (strcmp(section->name, node->name) == 0) {
            option_read_section(reading, section, node, &service->service);
            return;
        }
    }
    if (strcmp(node->name, "access") == 0)
        access_read(reading, node, service);
    else if (!proxies_read(reading, node, service) && !exec_read(reading, node, service))
        report_unknown(reading, node);
}

static bool has_name(const struct node *service, const char *name)
{
    const struct node *node = node_child(service, "name");
    return node != NULL && node->type == NODE_STRING && strcmp(node->text, name) == 0;
}

static void check_name(struct reading *reading, const struct node *node, const char *name)
{
    const struct node *other = node->parent->first;
    while (other != node && !has_name(other, name))
        other = other->next;
    if (other == node)
        return;
    node_error(reading, node_child(node, "name"),
               "the name \"%s\" is taken by the service at %s: choose another", name,
               place_print(reading->memory, other->place));
}

static void read_service(struct reading *reading, const struct node *node,
                         struct conf_service *service)
{
    if (node->type != NODE_GROUP) {
        node_error(reading, node, "expected a group { }, got %s",
                   node_print(reading->memory, node));
        return;
    }
    check_needed(reading, node);
    for (const struct node *child = node->first; child != NULL; child = child->next)
        read_setting(reading, child, service);
    proxies_check(reading, node, service);
    exec_check(reading, node, service);
    if (service->service.name != NULL)
        check_name(reading, node, service->service.name);
}

/* A service begins with the daemon's time-outs and kind of overload, and no limit of its own. */
static void prepare(struct reading *reading, const struct node *node, struct conf_service *service)
{
    const struct conf *conf = reading->conf;
    service->file = node->place.source->name;
    service->line = node->place.line;
    service->service.index = node->index;
    service->service.timeouts = conf->timeouts;
    service->service.limits.overload = conf->limits.overload;
    option_defaults(reading->memory, option_service, &service->service);
    access_prepare(reading, service);
    proxies_prepare(reading, service);
    exec_prepare(reading, service);
}

static bool list_is_valid(struct reading *reading, const struct node *root, const struct node *list)
{
    static const char advice[] = "write services = ( { name = \"greet\"; type = \"greet\"; "
                                 "listen = \"127.0.0.1:6000\"; } );";
    if (list == NULL)
        reading_error(reading, root->place, "services", "there is none: %s", advice);
    else if (list->type != NODE_LIST)
        node_error(reading, list, "expected a list ( ), got %s: %s",
                   node_print(reading->memory, list), advice);
    else if (list->count == 0)
        node_error(reading, list, "the list is empty: %s", advice);
    else if (list->count > SERVICES_MAX)
        node_error(reading, list, "%u services are too many: the most is %d", list->count,
                   SERVICES_MAX);
    else
        return true;
    return false;
}

void services_read(struct reading *reading, const struct node *root, const struct node *list)
{
    if (!list_is_valid(reading, root, list))
        return;
    struct conf *conf = reading->conf;
    conf->services = memory_take(reading->memory, list->count * sizeof(*conf->services));
    for (const struct node *node = list->first; node != NULL; node = node->next) {
        struct conf_service *service = &conf->services[conf->service_count++];
        prepare(reading, node, service);
        read_service(reading, node, service);
    }
}
