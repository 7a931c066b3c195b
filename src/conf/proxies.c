/* SPDX-License-Identifier: MIT */
#include "conf/proxies.h"

#include "conf/kind.h"

#include <string.h>

#define TRUSTED_MAX       1000
#define TRUSTED_IN_A_LINE 6 /* when printed */

void proxies_prepare(struct reading *reading, struct conf_service *service)
{
    option_default(reading->memory, option_proxy_protocol, &service->service);
}

/* The tree lives as long as the configuration does, so the text is borrowed. */
static void read_entry(struct reading *reading, const struct node *node,
                       struct conf_service *service)
{
    struct prefix prefix;
    struct error error;
    if (node->type != NODE_STRING) {
        node_error(reading, node, "expected a string, such as \"10.0.0.0/24\", got %s",
                   node_print(reading->memory, node));
    } else if (prefix_parse(&prefix, node->text, &error) != 0) {
        node_error(reading, node, "%s", error.text);
    } else {
        prefix_set_add(&service->trusted, &prefix, (uint32_t)service->trusted_count);
        service->trusted_texts[service->trusted_count++] = node->text;
    }
}

static void read_trusted(struct reading *reading, const struct node *node,
                         struct conf_service *service)
{
    bool many = node->type == NODE_LIST || node->type == NODE_ARRAY;
    unsigned count = many ? node->count : 1;
    struct memory *memory = reading->memory;
    service->service.trusted = &service->trusted;
    if (count == 0 || count > TRUSTED_MAX) {
        node_error(reading, node, "expected 1 to %d prefixes, such as \"10.0.0.0/24\", got %u",
                   TRUSTED_MAX, count);
        return;
    }
    service->trusted_texts = memory_take(memory, count * sizeof(*service->trusted_texts));
    prefix_set_init(&service->trusted,
                    memory_take(memory, PREFIX_SET_NODES(count) * sizeof(struct prefix_node)));
    if (!many)
        read_entry(reading, node, service);
    for (const struct node *child = many ? node->first : NULL; child != NULL; child = child->next)
        read_entry(reading, child, service);
}

bool proxies_read(struct reading *reading, const struct node *node, struct conf_service *service)
{
    if (strcmp(node->name, "trusted") == 0)
        read_trusted(reading, node, service);
    else if (strcmp(node->name, option_proxy_protocol->name) == 0)
        option_read(reading, option_proxy_protocol, node, &service->service);
    else
        return false;
    return true;
}

/* Who may connect to a unix socket, its mode says; of an inherited one the kind is not known. */
static bool needs_trust(const struct conf_service *service)
{
    for (size_t i = 0; i < service->listen_count; i++) {
        const struct listen *listen = &service->listens[i];
        if (listen->inherited != NULL || listen->address.family != AF_UNIX)
            return true;
    }
    return false;
}

void proxies_check(struct reading *reading, const struct node *node,
                   const struct conf_service *service)
{
    const struct node *setting = node_child(node, option_proxy_protocol->name);
    if (setting != NULL && service->service.proxy_protocol == PROXY_PROTOCOL_REQUIRED &&
        service->service.trusted == NULL && needs_trust(service))
        node_error(reading, setting,
                   "nobody is trusted to send a header: add trusted = [ \"10.0.0.0/24\" ] with "
                   "the addresses of the proxies");
}

void proxies_print(FILE *out, const struct conf_service *service)
{
    fputs("      ", out);
    option_print(out, option_proxy_protocol, &service->service);
    fputc('\n', out);
    if (service->trusted_count == 0)
        return;
    fputs("      trusted = [", out);
    for (size_t i = 0; i < service->trusted_count; i++) {
        bool begins_line = i > 0 && i % TRUSTED_IN_A_LINE == 0;
        fprintf(out, "%s%s", i > 0 ? "," : "", begins_line ? "\n        " : " ");
        option_print_string(out, service->trusted_texts[i]);
    }
    fputs(" ];\n", out);
}
