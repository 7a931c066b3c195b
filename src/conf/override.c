/* SPDX-License-Identifier: MIT */
#include "conf/override.h"

#include "conf/parse.h"
#include "conf/unknown.h"

#include <stdlib.h>
#include <string.h>

#define KNOWN_MAX 64

/* One override on its way down the tree. */
struct descent {
    struct reading *reading;
    const char *path;
    struct place place;
};

bool override_is_early(const struct conf_override *override)
{
    size_t length = strcspn(override->path, ".");
    return length == strlen("include") && strncmp(override->path, "include", length) == 0;
}

#define descent_error(descent, ...)                                                                \
    reading_error((descent)->reading, (descent)->place, (descent)->path, __VA_ARGS__)

/* Cuts the next part off a path: up to the next dot, or to the next "[". */
static const char *next_part(struct memory *memory, const char **rest)
{
    size_t length = **rest == '[' ? strcspn(*rest, ".") : strcspn(*rest, ".[");
    const char *part = memory_copy(memory, *rest, length);
    *rest += length;
    if (**rest == '.')
        (*rest)++;
    return part;
}

/* "[2]" to 2; -1: no index. */
static long part_index(const char *part)
{
    size_t digits = strspn(part + (part[0] == '['), "0123456789");
    if (part[0] != '[' || digits == 0 || digits > 6 || strcmp(part + 1 + digits, "]") != 0)
        return -1;
    return strtol(part + 1, NULL, 10);
}

static struct node *element_by_index(struct node *list, long index)
{
    struct node *node = list->first;
    while (node != NULL && node->index != (unsigned long)index)
        node = node->next;
    return node;
}

/* An element of a list by what its own setting `name` says. */
static struct node *element_by_name(struct node *list, const char *part)
{
    for (struct node *node = list->first; node != NULL; node = node->next) {
        const struct node *name = node_child(node, "name");
        if (name != NULL && name->type == NODE_STRING && strcmp(name->text, part) == 0)
            return node;
    }
    return NULL;
}

static void report_no_element(struct descent *descent, const struct node *list, const char *part)
{
    struct memory *memory = descent->reading->memory;
    if (part[0] == '[') {
        descent_error(descent, "%s has %u elements, [0] is the first: there is no %s",
                      node_path(memory, list), list->count, part);
        return;
    }
    const char *known[KNOWN_MAX + 1] = {NULL};
    size_t count = 0;
    for (const struct node *node = list->first; node != NULL && count < KNOWN_MAX;
         node = node->next) {
        const struct node *name = node_child(node, "name");
        if (name != NULL && name->type == NODE_STRING)
            known[count++] = name->text;
    }
    descent_error(descent, "%s has no element named \"%s\"; %s", node_path(memory, list), part,
                  unknown_hint(memory, part, known));
}

static struct node *element(struct descent *descent, struct node *list, const char *part)
{
    long index = part_index(part);
    struct node *node = index >= 0 ? element_by_index(list, index) : element_by_name(list, part);
    if (node == NULL)
        report_no_element(descent, list, part);
    return node;
}

static struct node *member(struct descent *descent, struct node *group, const char *part)
{
    struct node *node = node_child(group, part);
    if (node != NULL)
        return node;
    node = node_new(descent->reading->memory, NODE_GROUP, part, descent->place);
    node_append(group, node);
    return node;
}

/* One step down: the member or element that part names, or NULL. */
static struct node *step(struct descent *descent, struct node *node, const char *part)
{
    if (part[0] == '\0' || (part[0] == '[' && part_index(part) < 0)) {
        descent_error(descent, "no path: write log.level, services.[0].listen or "
                               "services.NAME.listen");
        return NULL;
    }
    if (node->type == NODE_LIST || node->type == NODE_ARRAY)
        return element(descent, node, part);
    if (node->type == NODE_GROUP && part[0] != '[')
        return member(descent, node, part);
    descent_error(descent, "%s is %s: it has no %s", node_path(descent->reading->memory, node),
                  node_type_print(node->type), part);
    return NULL;
}

/* Begins like a value of libconfig that cannot be meant as a bare word. */
static bool looks_composed(const char *value)
{
    return value[0] != '\0' && strchr("\"({", value[0]) != NULL;
}

/* A value as libconfig understands it, or else the bare word. */
static struct node *parse_value(struct descent *descent, const char *value)
{
    struct memory *memory = descent->reading->memory;
    const char *text = memory_print(memory, "value = %s\n", value);
    struct error error = {0};
    unsigned line;
    struct node *root = parse_text(descent->reading, descent->place.source, text, &line, &error);
    if (root != NULL && root->count == 1)
        return root->first;
    if (looks_composed(value)) {
        descent_error(descent, "the value cannot be understood: %s",
                      root == NULL ? error.text : "it is more than one");
        return NULL;
    }
    struct node *word = node_new(memory, NODE_STRING, NULL, descent->place);
    word->text = memory_copy(memory, value, strlen(value));
    return word;
}

void override_apply(struct reading *reading, struct node *root,
                    const struct conf_override *override)
{
    struct source *source = memory_take(reading->memory, sizeof(*source));
    source->name = memory_print(reading->memory, "-o %s", override->path);
    struct descent descent = {reading, override->path, {source, 0}};
    const struct node *value = parse_value(&descent, override->value);
    struct node *node = value == NULL ? NULL : root;
    const char *rest = override->path;
    do {
        node = node == NULL ? NULL : step(&descent, node, next_part(reading->memory, &rest));
    } while (node != NULL && *rest != '\0');
    if (node != NULL)
        node_replace(node, value);
}
