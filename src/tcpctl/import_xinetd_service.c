/* SPDX-License-Identifier: MIT */
/* What a service of xinetd means in tcpd. */
#include "tcpctl/import_machine.h"
#include "tcpctl/import_program.h"
#include "tcpctl/import_words.h"
#include "tcpctl/import_xinetd.h"

#include <string.h>
#include <strings.h>

const char *xinetd_value(const struct xinetd *xinetd, const char *name)
{
    const struct xinetd_attribute *attribute = xinetd_find(xinetd, name);
    return attribute && attribute->values.count > 0 ? attribute->values.items[0] : NULL;
}

static bool list_has(const struct import_list *list, const char *word)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcasecmp(list->items[i], word) == 0)
            return true;
    }
    return false;
}

bool xinetd_has(const struct xinetd *xinetd, const char *name, const char *word)
{
    const struct xinetd_attribute *attribute = xinetd_find(xinetd, name);
    return attribute && list_has(&attribute->values, word);
}

static void change(struct import *import, struct import_list *list,
                   const struct xinetd_attribute *by, char op)
{
    struct import_list old = *list;
    if (op != '+')
        *list = (struct import_list){0};
    for (size_t i = 0; op == '-' && i < old.count; i++) {
        if (!list_has(&by->values, old.items[i]))
            import_list_add(import, list, old.items[i]);
    }
    for (size_t i = 0; op != '-' && i < by->values.count; i++)
        import_list_add(import, list, by->values.items[i]);
}

/* Among the defaults, = of what may stand there more than once is +=. */
static char op_of(const struct xinetd_block *block, const struct xinetd_attribute *attribute)
{
    bool adds = attribute->kind->is_set || attribute->kind->only_there;
    return !block->name && adds && attribute->op == '=' ? '+' : attribute->op;
}

/* Applies all attributes of that name in the block. */
static void apply(const struct xinetd *xinetd, const struct xinetd_block *block, const char *name,
                  struct xinetd_attribute **result)
{
    struct import *import = xinetd->import;
    const struct xinetd_attribute *at = block ? block->attributes : NULL;
    for (; at; at = at->next) {
        if (strcmp(at->name, name) != 0)
            continue;
        struct xinetd_attribute *merged = memory_take(import->memory, sizeof *merged);
        *merged = *at;
        merged->values = *result ? (*result)->values : (struct import_list){0};
        change(import, &merged->values, at, op_of(block, at));
        *result = merged;
    }
}

const struct xinetd_attribute *xinetd_find(const struct xinetd *xinetd, const char *name)
{
    struct xinetd_attribute *result = NULL;
    apply(xinetd, xinetd->defaults, name, &result);
    apply(xinetd, xinetd->block, name, &result);
    return result;
}

/* --- Whether it can be a service at all ------------------------------------------------------ */

static bool leave_out(struct xinetd *xinetd, const char *why)
{
    import_note(xinetd->import, xinetd->entry, "left out: %s", why);
    return false;
}

static bool is_known_kind(struct xinetd *xinetd)
{
    const char *protocol = xinetd_value(xinetd, "protocol");
    if (xinetd_has(xinetd, "type", "RPC"))
        return leave_out(xinetd, "an RPC service, and tcpd registers with no portmapper");
    if (xinetd_has(xinetd, "type", "TCPMUX") || xinetd_has(xinetd, "type", "TCPMUXPLUS"))
        return leave_out(xinetd, "a service of tcpmux (RFC 1078), which tcpd does not speak");
    if (strcasecmp(xinetd_value(xinetd, "socket_type"), "stream") != 0 ||
        (protocol && !import_starts_with(protocol, "tcp")))
        return leave_out(xinetd, "tcpd serves no datagrams: only TCP and stream sockets of unix");
    if (xinetd_find(xinetd, "redirect"))
        return leave_out(xinetd, "redirect: it forwards to another host, and runs nothing");
    if (xinetd_has(xinetd, "flags", "SENSOR"))
        return leave_out(xinetd, "flags: tcpd has no SENSOR that shuts out who comes");
    return true;
}

/* Those without which xinetd takes no service. */
static bool has_all(struct xinetd *xinetd)
{
    static const char *const needed[] = {"socket_type", "wait", "user", "server"};
    bool internal = xinetd_has(xinetd, "type", "INTERNAL") || xinetd_find(xinetd, "redirect") ||
                    xinetd_has(xinetd, "flags", "SENSOR");
    for (size_t i = 0; i < (internal ? 2 : 4); i++) {
        if (xinetd_find(xinetd, needed[i]))
            continue;
        import_error(xinetd->import, xinetd->block->place, "the service %s has no %s",
                     xinetd->block->name, needed[i]);
        return false;
    }
    return true;
}

static void take_disabled(struct xinetd *xinetd)
{
    struct import_entry *entry = xinetd->entry;
    const struct xinetd_attribute *enabled = xinetd_find(xinetd, "enabled");
    if (xinetd_has(xinetd, "disable", "yes"))
        import_note_at(xinetd->import, entry, xinetd_find(xinetd, "disable")->place,
                       "switched off: disable = yes");
    else if (xinetd_has(xinetd, "disabled", xinetd->id))
        import_note_at(xinetd->import, entry, xinetd_find(xinetd, "disabled")->place,
                       "switched off: disabled among the defaults has it");
    else if (enabled && !list_has(&enabled->values, xinetd->id))
        import_note_at(xinetd->import, entry, enabled->place,
                       "switched off: enabled among the defaults does not have it");
    else
        return;
    entry->disabled = true;
}

/* Without a family, and with IPv6, xinetd listens on both. */
static bool take_listen(struct xinetd *xinetd)
{
    const struct xinetd_attribute *port = xinetd_find(xinetd, "port");
    const struct xinetd_attribute *bind = xinetd_find(xinetd, "bind");
    struct import_place place = port ? port->place : xinetd->block->place;
    int number = import_port(xinetd->import, xinetd->entry, place,
                             port ? port->values.items[0] : xinetd->block->name);
    if (number < 0)
        return false;
    bool ipv4 = xinetd_has(xinetd, "flags", "IPv4");
    import_listen(xinetd->import, xinetd->entry, bind ? bind->place : place,
                  bind ? bind->values.items[0] : NULL, number, ipv4 ? AF_INET : AF_UNSPEC);
    return true;
}

/* --- The program ------------------------------------------------------------------------------ */

static bool take_program(struct xinetd *xinetd)
{
    struct import *import = xinetd->import;
    struct import_entry *entry = xinetd->entry;
    if (xinetd_has(xinetd, "type", "INTERNAL"))
        return import_builtin(import, entry, xinetd->block->name);
    const struct xinetd_attribute *found = xinetd_find(xinetd, "server_args");
    struct import_list arguments = found ? found->values : (struct import_list){0};
    bool named = xinetd_has(xinetd, "flags", "NAMEINARGS") && arguments.count > 0;
    import_program(import, entry, xinetd_value(xinetd, "server"),
                   named ? arguments.items[0] : NULL);
    import_arguments(import, entry, &arguments, named);
    if (xinetd_has(xinetd, "wait", "yes"))
        import_set(import, entry, "wait", "true");
    else
        import_set_text(import, entry, "stderr", "socket");
    return true;
}

/* What stands among the defaults is told of there, once. */
static bool is_own(const struct xinetd *xinetd, const char *name)
{
    const struct xinetd_attribute *at = xinetd->block->attributes;
    while (at && strcmp(at->name, name) != 0)
        at = at->next;
    return at != NULL;
}

static void take_attributes(struct xinetd *xinetd)
{
    for (const struct xinetd_kind *kind = xinetd_kinds; kind->name; kind++) {
        const struct xinetd_attribute *attribute = xinetd_find(xinetd, kind->name);
        if (!attribute)
            continue;
        if (kind->take)
            kind->take(xinetd, attribute);
        else if (kind->lost && is_own(xinetd, kind->name))
            import_note_at(xinetd->import, xinetd->entry, attribute->place, "%s: %s", kind->name,
                           kind->lost);
    }
}

void xinetd_take_block(struct xinetd *xinetd)
{
    const struct xinetd_block *block = xinetd->block;
    const char *source = memory_print(xinetd->import->memory, "service %s", block->name);
    xinetd->entry = import_add(xinetd->import, block->place, source);
    xinetd->id = xinetd_value(xinetd, "id");
    xinetd->id = xinetd->id ? xinetd->id : block->name;
    xinetd->entry->name = xinetd->id;
    take_disabled(xinetd);
    if (!has_all(xinetd) || !is_known_kind(xinetd) || !take_listen(xinetd) || !take_program(xinetd))
        return;
    take_attributes(xinetd);
    import_patience(xinetd->import, xinetd->entry);
}
