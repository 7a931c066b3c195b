/* SPDX-License-Identifier: MIT */
#include "conf/unknown.h"

#include "conf/nearest.h"

#include <string.h>

/* What the manual of a later tcpd describes and this build does not have. */
static const struct absent {
    const char *scope;
    const char *const names[16]; /* ends with NULL */
} absents[] = {
    {"", {"user", "group", "control"}},
    {"pool", {"generations"}},
    {"limits", {"per_address", "rate", "burst", "enforce", "ipv6_prefix"}},
    {"timeouts", {"handshake", "retire"}},
    {"services", {"access", "tls", "proxy_protocol", "trusted", "user", "group"}},
    {"services", {"command", "directory", "environment", "instances", "stderr", "path", "options"}},
    {"services", {"upstreams", "balance", "connect_timeout", "retries", "send_proxy", "health"}},
    {"type", {"exec", "proxy", "module", "status"}},
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

void unknown_setting(struct reading *reading, const struct node *node, const char *scope,
                     const char *const *known)
{
    if (is_absent(scope, node->name))
        node_error(reading, node, "this build of tcpd does not have this setting: remove it");
    else
        node_error(reading, node, "unknown setting; %s",
                   unknown_hint(reading->memory, node->name, known));
}

void unknown_type(struct reading *reading, const struct node *node, const char *const *known)
{
    if (is_absent("type", node->text))
        node_error(reading, node, "this build of tcpd does not have the type \"%s\"", node->text);
    else
        node_error(reading, node, "unknown type \"%.64s\"; %s", node->text,
                   unknown_hint(reading->memory, node->text, known));
}
