/* SPDX-License-Identifier: MIT */
#include "conf/node.h"
#include "conf/value.h"

#include <string.h>

struct node *node_new(struct memory *memory, enum node_type type, const char *name,
                      struct place place)
{
    struct node *node = memory_take(memory, sizeof(*node));
    node->type = type;
    node->name = name == NULL ? NULL : memory_copy(memory, name, strlen(name));
    node->place = place;
    return node;
}

void node_append(struct node *parent, struct node *child)
{
    child->parent = parent;
    child->next = NULL;
    child->index = parent->count++;
    if (parent->last == NULL)
        parent->first = child;
    else
        parent->last->next = child;
    parent->last = child;
}

void node_adopt(struct node *parent, struct node *from)
{
    struct node *child = from->first;
    while (child != NULL) {
        struct node *next = child->next;
        node_append(parent, child);
        child = next;
    }
    from->first = NULL;
    from->last = NULL;
    from->count = 0;
}

void node_replace(struct node *node, const struct node *value)
{
    struct node old = *node;
    *node = *value;
    node->name = old.name;
    node->parent = old.parent;
    node->next = old.next;
    node->index = old.index;
    for (struct node *child = node->first; child != NULL; child = child->next)
        child->parent = node;
}

struct node *node_child(const struct node *node, const char *name)
{
    for (struct node *child = node->first; child != NULL; child = child->next) {
        if (child->name != NULL && strcmp(child->name, name) == 0)
            return child;
    }
    return NULL;
}

const char *node_type_print(enum node_type type)
{
    static const char *const names[] = {
        [NODE_GROUP] = "a group { }",  [NODE_LIST] = "a list ( )", [NODE_ARRAY] = "a list [ ]",
        [NODE_INTEGER] = "an integer", [NODE_FLOAT] = "a float",   [NODE_BOOL] = "a boolean",
        [NODE_STRING] = "a string",
    };
    return names[type];
}

const char *node_print(struct memory *memory, const struct node *node)
{
    if (node->text == NULL)
        return node_type_print(node->type);
    const char *quote = node->type == NODE_STRING ? "\"" : "";
    const char *rest = strlen(node->text) > 64 ? "..." : "";
    return memory_print(memory, "%s %s%.64s%s%s", node_type_print(node->type), quote, node->text,
                        rest, quote);
}

/* The name by which a path calls an element of the list of services, or NULL. */
static const char *service_name(const struct node *node)
{
    const struct node *list = node->parent;
    if (list->name == NULL || strcmp(list->name, "services") != 0 || list->parent->parent != NULL)
        return NULL;
    const struct node *name = node_child(node, "name");
    if (name == NULL || name->type != NODE_STRING || value_name_wrong(name->text) != NULL)
        return NULL;
    return name->text;
}

const char *node_path(struct memory *memory, const struct node *node)
{
    if (node->parent == NULL)
        return "file";
    const char *before = node->parent->parent == NULL ? "" : node_path(memory, node->parent);
    const char *dot = before[0] == '\0' ? "" : ".";
    const char *name = node->name != NULL ? node->name : service_name(node);
    if (name != NULL)
        return memory_print(memory, "%s%s%.64s", before, dot, name);
    return memory_print(memory, "%s%s[%u]", before, dot, node->index);
}
