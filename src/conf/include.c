/* SPDX-License-Identifier: MIT */
#include "conf/include.h"

#include "conf/parse.h"
#include "conf/snapshot.h"
#include "conf/source.h"

#include <string.h>

/* One run over all files that `include` names. */
struct including {
    struct reading *reading;
    struct node *root;
    struct stat seen[INCLUDES_MAX + 1]; /* the first is the main file */
    size_t count;
};

/* The text of the file, unless it is one too many for the bound on all of them together. */
static const char *read_bounded(struct reading *reading, const char *file, struct stat *id,
                                unsigned *line, struct error *error)
{
    size_t length = 0;
    const char *text = snapshot_read(reading->conf->snapshot, file, &length, id, line, error);
    reading->bytes += length;
    if (text == NULL || reading->bytes <= SOURCES_MAX)
        return text;
    error_set(error, 0, "makes all files together larger than 16 MiB");
    return NULL;
}

struct node *include_file(struct reading *reading, const char *file, const struct place *place,
                          const char *path, struct stat *id)
{
    const struct source *source = source_new(reading, file);
    struct place start = {source, 1};
    struct error error = {0};
    const char *text = read_bounded(reading, file, id, &start.line, &error);
    if (text == NULL && place == NULL)
        reading_error(reading, start, path, "%s", error.text);
    else if (text == NULL)
        reading_error(reading, *place, path, "%.200s %s", file, error.text);
    if (text == NULL)
        return NULL;
    struct node *root = parse_text(reading, source, text, &start.line, &error);
    if (root == NULL)
        reading_error(reading, start, "syntax", "%s", error.text);
    return root;
}

/* The list to which services are added; NULL when `services` is no list. */
static struct node *services_list(struct including *including, struct place place)
{
    struct node *list = node_child(including->root, "services");
    if (list == NULL) {
        list = node_new(including->reading->memory, NODE_LIST, "services", place);
        node_append(including->root, list);
    }
    return list->type == NODE_LIST ? list : NULL;
}

static void add_services(struct including *including, struct node *from)
{
    struct node *list = services_list(including, from->place);
    if (from->type != NODE_LIST)
        node_error(including->reading, from, "expected a list ( ), got %s",
                   node_print(including->reading->memory, from));
    else if (list != NULL)
        node_adopt(list, from);
}

/* Everything else would hold for the whole daemon: it belongs into the main file. */
static void add_file(struct including *including, const struct node *root)
{
    struct node *child = root->first;
    while (child != NULL) {
        struct node *next = child->next;
        if (strcmp(child->name, "services") == 0)
            add_services(including, child);
        else
            node_error(including->reading, child,
                       "an included file holds nothing but services: move this to %s",
                       including->root->place.source->name);
        child = next;
    }
}

/* Whether the file was read before, by whatever name; otherwise notes it. */
static bool was_seen(struct including *including, const struct stat *id)
{
    for (size_t i = 0; i < including->count; i++) {
        const struct stat *seen = &including->seen[i];
        if (seen->st_dev == id->st_dev && seen->st_ino == id->st_ino)
            return true;
    }
    including->seen[including->count++] = *id;
    return false;
}

static void include_one(struct including *including, const struct node *node, const char *file)
{
    struct reading *reading = including->reading;
    if (reading->bytes > SOURCES_MAX)
        return; /* that was said already */
    if (including->count > INCLUDES_MAX) {
        node_error(reading, node, "%s is one file too many: the most is %d", file, INCLUDES_MAX);
        return;
    }
    struct stat id;
    const char *path = node_path(reading->memory, node);
    struct node *root = include_file(reading, file, &node->place, path, &id);
    if (root == NULL)
        return;
    if (!was_seen(including, &id))
        add_file(including, root);
    else
        node_error(reading, node,
                   "%s was read already: a file may be included once, and not by "
                   "itself",
                   file);
}

static void include_pattern(struct including *including, const struct node *node,
                            const char *pattern)
{
    struct reading *reading = including->reading;
    struct error error = {0};
    const char **names = snapshot_match(reading->conf->snapshot, pattern, &error);
    if (names == NULL)
        node_error(reading, node, "%.200s %s", pattern, error.text);
    for (size_t i = 0; names != NULL && names[i] != NULL; i++)
        include_one(including, node, names[i]);
}

/* The folder of the main file with a slash, such that glob(3) takes it as it is when asked to. */
static const char *folder_of(struct memory *memory, const char *file, bool for_glob)
{
    const char *slash = strrchr(file, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash + 1 - file);
    char *folder = memory_take(memory, 2 * length + 1);
    char *to = folder;
    for (size_t i = 0; i < length; i++) {
        if (for_glob && strchr("*?[]\\", file[i]) != NULL)
            *to++ = '\\';
        *to++ = file[i];
    }
    return folder;
}

static void include_string(struct including *including, const struct node *node)
{
    struct memory *memory = including->reading->memory;
    if (node->type != NODE_STRING || node->text[0] == '\0') {
        node_error(including->reading, node,
                   "expected the name of a file or a pattern, a string, got %s",
                   node_print(memory, node));
        return;
    }
    bool is_pattern = strpbrk(node->text, "*?[") != NULL;
    const char *main_file = including->root->place.source->name;
    const char *folder = node->text[0] == '/' ? "" : folder_of(memory, main_file, is_pattern);
    const char *file = memory_print(memory, "%s%s", folder, node->text);
    if (is_pattern)
        include_pattern(including, node, file);
    else
        include_one(including, node, file);
}

void include_all(struct reading *reading, struct node *root, const struct stat *root_id)
{
    const struct node *node = node_child(root, "include");
    if (node == NULL)
        return;
    struct including *including = memory_take(reading->memory, sizeof(*including));
    *including = (struct including){.reading = reading, .root = root};
    was_seen(including, root_id);
    if (node->type != NODE_LIST && node->type != NODE_ARRAY) {
        include_string(including, node);
        return;
    }
    if (node->count > INCLUDES_MAX) {
        node_error(reading, node, "%u names are too many: the most is %d", node->count,
                   INCLUDES_MAX);
        return;
    }
    /* A thousand patterns that match the same thousand files would be read for nothing. */
    for (const struct node *child = node->first; child != NULL && reading->unsaid == 0;
         child = child->next)
        include_string(including, child);
}
