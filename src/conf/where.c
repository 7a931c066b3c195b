/* SPDX-License-Identifier: MIT */
/* Where a setting stands, for who wants to know after the configuration was read. */
#include "conf/conf.h"

#include "conf/node.h"

#include <stdio.h>

/* The services stand in the order of their list. */
static const struct node *service_node(const struct conf *conf, const struct conf_service *service)
{
    const struct node *list = node_child(conf->settings, "services");
    const struct node *node = list == NULL ? NULL : list->first;
    while (node != NULL && node->index != service->service.index)
        node = node->next;
    return node;
}

const char *conf_where_print(const char *file, unsigned line, char buffer[static CONF_WHERE_MAX])
{
    if (line == 0)
        snprintf(buffer, CONF_WHERE_MAX, "%s", file);
    else
        snprintf(buffer, CONF_WHERE_MAX, "%.480s:%u", file, line);
    return buffer;
}

const char *conf_where(const struct conf *conf, const struct conf_service *service,
                       const char *group, const char *name, char buffer[static CONF_WHERE_MAX])
{
    const struct node *node = service == NULL ? conf->settings : service_node(conf, service);
    if (node != NULL && group != NULL)
        node = node_child(node, group);
    if (node != NULL)
        node = node_child(node, name);
    if (node == NULL)
        return conf_where_print("default", 0, buffer);
    return conf_where_print(node->place.source->name, node->place.line, buffer);
}
