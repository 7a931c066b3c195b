/* SPDX-License-Identifier: MIT */
#include "conf/listen.h"

#include "conf/kind.h"
#include "conf/unknown.h"
#include "conf/value.h"

#include <string.h>
#include <sys/un.h>

#define INHERITED "systemd:"

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool read_inherited(struct reading *reading, const struct node *node, struct listen *listen)
{
    const char *wrong = value_inherited_wrong(node->text + strlen(INHERITED));
    if (wrong != NULL) {
        node_error(reading, node, "expected %s, got %s", wrong, node_print(reading->memory, node));
        return false;
    }
    listen->address.family = AF_UNSPEC;
    listen->inherited = node->text + strlen(INHERITED);
    return true;
}

static bool is_folder(const struct addr *address)
{
    return address->family == AF_UNIX && address->path[strlen(address->path) - 1] == '/';
}

/* The tree lives as long as the configuration does, so an address may borrow its text. */
static bool read_address(struct reading *reading, const struct node *node, struct listen *listen)
{
    if (node->type != NODE_STRING) {
        node_error(reading, node, "expected a string, got %s", node_print(reading->memory, node));
        return false;
    }
    if (starts_with(node->text, INHERITED))
        return read_inherited(reading, node, listen);
    struct error error = {0};
    if (addr_parse(&listen->address, node->text, &error) == 0 && !is_folder(&listen->address))
        return true;
    if (error.text[0] == '\0')
        error_set(&error, 0, "%s names a folder: a socket needs a name of its own", node->text);
    node_error(reading, node, "%s", error.text);
    return false;
}

/* Which addresses an option of option_listen makes sense for. */
static const struct fitness {
    const char *name;
    bool ip;
    bool unix_socket;
    const char *sentence;
} fitnesses[] = {
    {"backlog", true, true, "whoever made an inherited socket has set it: remove it here"},
    {"interface", true, false, "only an IPv4 or IPv6 address has one: remove it"},
    {"mode", false, true, "only a unix socket has one: remove it"},
};

static void check_fitness(struct reading *reading, const struct node *node,
                          const struct listen *listen)
{
    bool is_unix = listen->address.family == AF_UNIX;
    for (size_t i = 0; i < sizeof(fitnesses) / sizeof(fitnesses[0]); i++) {
        const struct fitness *fitness = &fitnesses[i];
        const struct node *child = node_child(node, fitness->name);
        bool fits = is_unix ? fitness->unix_socket : fitness->ip;
        if (child != NULL && (listen->inherited != NULL || !fits))
            node_error(reading, child, "%s", fitness->sentence);
    }
}

static void read_listen_option(struct reading *reading, const struct node *node,
                               struct listen *listen)
{
    static const char *const known[] = {"address", "backlog", "interface", "mode", NULL};
    for (const struct option *option = option_listen; option->name != NULL; option++) {
        if (strcmp(option->name, node->name) == 0) {
            option_read(reading, option, node, listen);
            return;
        }
    }
    unknown_setting(reading, node, "listen", known);
}

static bool read_group(struct reading *reading, const struct node *node, struct listen *listen)
{
    for (const struct node *child = node->first; child != NULL; child = child->next) {
        if (strcmp(child->name, "address") != 0)
            read_listen_option(reading, child, listen);
    }
    const struct node *address = node_child(node, "address");
    if (address == NULL) {
        node_error(reading, node, "address is missing: add address = \"127.0.0.1:PORT\"");
        return false;
    }
    if (!read_address(reading, address, listen))
        return false;
    check_fitness(reading, node, listen);
    return true;
}

/* Sockets on the same address go together when they are bound to different interfaces. */
static bool clash(const struct listen *a, const struct listen *b)
{
    if (a->inherited != NULL || b->inherited != NULL)
        return a->inherited != NULL && b->inherited != NULL &&
               strcmp(a->inherited, b->inherited) == 0;
    if (a->interface != NULL && b->interface != NULL && strcmp(a->interface, b->interface) != 0)
        return false;
    return addr_clash(&a->address, &b->address);
}

/* Notes that the address is taken; whether it was free. */
static bool claim(struct reading *reading, const struct node *node, const struct listen *listen)
{
    if (reading->claims == NULL)
        reading->claims = memory_take(reading->memory, ADDRESSES_MAX * sizeof(*reading->claims));
    char text[LISTEN_TEXT_MAX];
    for (size_t i = 0; i < reading->claim_count; i++) {
        const struct claim *other = &reading->claims[i];
        if (!clash(listen, other->listen))
            continue;
        node_error(reading, node, "this address is taken by %s (%s) at %s",
                   node_path(reading->memory, other->node), listen_print(other->listen, text),
                   place_print(reading->memory, other->node->place));
        return false;
    }
    if (reading->claim_count == ADDRESSES_MAX) {
        node_error(reading, node, "more than %d addresses in all", ADDRESSES_MAX);
        return false;
    }
    reading->claims[reading->claim_count++] = (struct claim){listen, node};
    return true;
}

/* Reads one address, a string or a group, to the end of the service's. */
static void read_one(struct reading *reading, const struct node *node, struct conf_service *service)
{
    struct listen *listen = &service->listens[service->listen_count];
    *listen = (struct listen){.file = node->place.source->name, .line = node->place.line};
    for (const struct option *option = option_listen; option->name != NULL; option++)
        option_default(reading->memory, option, listen);
    bool valid = node->type == NODE_GROUP ? read_group(reading, node, listen)
                                          : read_address(reading, node, listen);
    if (valid && claim(reading, node, listen))
        service->listen_count++;
}

void listen_read(struct reading *reading, const struct node *node, struct conf_service *service)
{
    bool many = node->type == NODE_LIST || node->type == NODE_ARRAY;
    unsigned count = many ? node->count : 1;
    if (count == 0 || count > LISTENS_MAX) {
        node_error(reading, node, "expected 1 to %d addresses, got %u", LISTENS_MAX, count);
        return;
    }
    service->listens = memory_take(reading->memory, count * sizeof(*service->listens));
    if (!many) {
        read_one(reading, node, service);
        return;
    }
    for (const struct node *child = node->first; child != NULL; child = child->next)
        read_one(reading, child, service);
}

const char *listen_print(const struct listen *listen, char buffer[static LISTEN_TEXT_MAX])
{
    char text[ADDR_TEXT_MAX];
    if (listen->inherited != NULL)
        snprintf(buffer, LISTEN_TEXT_MAX, INHERITED "%s", listen->inherited);
    else
        snprintf(buffer, LISTEN_TEXT_MAX, "%s", addr_format(&listen->address, text));
    return buffer;
}
