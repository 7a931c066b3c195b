/* SPDX-License-Identifier: MIT */
#include "conf/control.h"

#include "conf/lookup.h"

#include <errno.h>
#include <string.h>

/* Whether the setting's text became the name; one that was refused has left the default there. */
static bool took_effect(const struct conf *conf, const struct node *node)
{
    return node->type == NODE_STRING && strcmp(node->text, conf->control.group) == 0;
}

/* The default may be missing; one that somebody asked for may not. */
static void resolve_group(struct reading *reading, const struct node *node)
{
    struct conf *conf = reading->conf;
    if (conf->control.group[0] == '\0')
        return;
    int result = lookup_group(conf->control.group, &conf->control.gid);
    conf->control.has_group = result == 0;
    if (result == 0)
        return;
    if (node != NULL && result == ENOENT)
        node_error(reading, node, "there is no group \"%s\" on this machine", conf->control.group);
    else if (node != NULL)
        node_error(reading, node, "the group \"%s\" cannot be looked up: %s", conf->control.group,
                   strerror(result));
    conf->control.group[0] = '\0';
}

/* A service on the control socket's path would take it away from whoever steers the daemon. */
static void check_claims(struct reading *reading)
{
    for (size_t i = 0; i < reading->claim_count; i++) {
        const struct claim *claim = &reading->claims[i];
        const struct addr *address = &claim->listen->address;
        if (claim->listen->inherited == NULL && address->family == AF_UNIX &&
            strcmp(address->path, reading->conf->control.socket) == 0)
            node_error(reading, claim->node, "this address is taken by control.socket");
    }
}

void control_resolve(struct reading *reading, const struct node *root)
{
    struct conf *conf = reading->conf;
    const struct node *control = node_child(root, "control");
    const struct node *socket = control == NULL ? NULL : node_child(control, "socket");
    if (socket != NULL) {
        conf->control_file = socket->place.source->name;
        conf->control_line = socket->place.line;
    }
    const struct node *group = control == NULL ? NULL : node_child(control, "group");
    resolve_group(reading, group != NULL && took_effect(conf, group) ? group : NULL);
    check_claims(reading);
}
