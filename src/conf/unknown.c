/* SPDX-License-Identifier: MIT */
#include "conf/unknown.h"

#include "conf/access.h"
#include "conf/nearest.h"
#include "conf/option.h"

#include <string.h>

/* What the manual of a later tcpd describes and this build does not have. */
static const struct absent {
    const char *scope;
    const char *const names[16]; /* ends with NULL */
} absents[] = {
    {"services", {"tls", "path", "options"}},
    {"services", {"upstreams", "balance", "connect_timeout", "retries", "send_proxy", "health"}},
    {"type", {"proxy", "module"}},
};

static bool is_absent(const char *scope, const char *name)
{
    for (size_t i = 0; i < sizeof(absents) / sizeof(absents[0]); i++) {
        const char *const *names = absents[i].names;
        for (; strcmp(absents[i].scope, scope) == 0 && *names != NULL; names++) {
            if (strcmp(*names, name) == 0)
                return true;
        }
    }
    return false;
}

const char *unknown_hint(struct memory *memory, const char *name, const char *const *known)
{
    const char *near = nearest(name, known);
    if (near != NULL)
        return memory_print(memory, "did you mean \"%s\"?", near);
    const char *all = "";
    for (; *known != NULL; known++)
        all = memory_print(memory, "%s%s%s", all, all[0] == '\0' ? "" : ", ", *known);
    return memory_print(memory, "known here: %s", all);
}

static bool holds(const struct option *option, const char *name)
{
    while (option->name != NULL && strcmp(option->name, name) != 0)
        option++;
    return option->name != NULL;
}

static bool is_of_access(const char *name)
{
    const char *const *setting = access_settings;
    while (*setting != NULL && strcmp(*setting, name) != 0)
        setting++;
    return *setting != NULL;
}

/* The group of this scope in which the setting would be right, or NULL. */
static const char *right_group(const char *scope, const char *name)
{
    bool in_service = strcmp(scope, "services") == 0;
    if (!in_service && scope[0] != '\0')
        return NULL;
    const struct section *section = in_service ? option_service : option_daemon;
    for (; section->name != NULL; section++) {
        if (holds(section->options, name))
            return section->name;
    }
    if (in_service && is_of_access(name))
        return "access";
    return in_service && holds(option_listen, name) ? "listen" : NULL;
}

static void report_unknown(struct reading *reading, const struct node *node, const char *scope,
                           const char *const *known)
{
    const char *group = right_group(scope, node->name);
    if (group != NULL)
        node_error(reading, node,
                   "unknown setting here; it stands in a group: %s = { %s%s = ... };", group,
                   strcmp(group, "listen") == 0 ? "address = ...; " : "", node->name);
    else
        node_error(reading, node, "unknown setting; %s",
                   unknown_hint(reading->memory, node->name, known));
}

void unknown_setting(struct reading *reading, const struct node *node, const char *scope,
                     const char *const *known)
{
    if (is_absent(scope, node->name))
        node_error(reading, node, "this build of tcpd does not have this setting: remove it");
    else
        report_unknown(reading, node, scope, known);
}

void unknown_type(struct reading *reading, const struct node *node, const char *const *known)
{
    if (is_absent("type", node->text))
        node_error(reading, node, "this build of tcpd does not have the type \"%s\"", node->text);
    else
        node_error(reading, node, "unknown type \"%.64s\"; %s", node->text,
                   unknown_hint(reading->memory, node->text, known));
}
