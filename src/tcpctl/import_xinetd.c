/* SPDX-License-Identifier: MIT */
/* xinetd.conf and what it includes: lines become blocks of attributes. */
#include "tcpctl/import_xinetd.h"

#include "tcpctl/import_words.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MAX 16   /* of files that include each other */
#define FILES_MAX 1000 /* in all */

struct parser {
    struct import *import;
    struct xinetd_block *blocks, **end;
    struct xinetd_block *defaults;
    struct xinetd_block *open; /* whose attributes come */
    bool opened;               /* its brace has been seen */
    unsigned depth;
    unsigned files;
};

static void read_text(struct parser *parser, const char *file, const char *text);

static void read_file(struct parser *parser, struct import_place place, const char *file)
{
    if (parser->depth == DEPTH_MAX) {
        import_error(parser->import, place, "more than %d files that include each other",
                     DEPTH_MAX);
        return;
    }
    if (parser->files++ >= FILES_MAX) {
        if (parser->files == FILES_MAX + 1)
            import_error(parser->import, place, "more than %d files are included", FILES_MAX);
        return;
    }
    const char *text = import_read(parser->import, place, file);
    parser->depth++;
    if (text)
        read_text(parser, file, text);
    parser->depth--;
}

/* Those that xinetd reads. */
static int is_wanted(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return !strchr(entry->d_name, '.') && entry->d_name[length - 1] != '~';
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void read_folder(struct parser *parser, struct import_place place, const char *folder)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_wanted, by_name);
    if (count < 0)
        import_error(parser->import, place, "cannot read the folder %s: %s", folder,
                     strerror(errno));
    for (int i = 0; i < count; i++) {
        struct memory *memory = parser->import->memory;
        read_file(parser, place, memory_print(memory, "%s/%s", folder, entries[i]->d_name));
        free(entries[i]);
    }
    free(entries);
}

static void open_block(struct parser *parser, struct import_place place,
                       const struct import_list *words, const char *name)
{
    struct xinetd_block *block = memory_take(parser->import->memory, sizeof *block);
    block->place = place;
    block->name = name;
    parser->open = block;
    size_t used = name ? 2 : 1;
    parser->opened = words->count == used + 1 && strcmp(words->items[used], "{") == 0;
    if (words->count > used && !parser->opened)
        import_error(parser->import, place, "\"%s\" stands where { is wanted", words->items[used]);
    if (!name && parser->defaults)
        import_error(parser->import, place,
                     "these are the second defaults: the first stand at "
                     "%s:%u",
                     parser->defaults->place.file, parser->defaults->place.line);
}

static void close_block(struct parser *parser)
{
    struct xinetd_block *block = parser->open;
    if (block->name) {
        *parser->end = block;
        parser->end = &block->next;
    } else {
        parser->defaults = block;
    }
    parser->open = NULL;
}

/* A line between blocks. */
static void take_outer(struct parser *parser, const struct import_lines *lines,
                       const struct import_list *words)
{
    const char *word = words->items[0];
    const char *name = words->count > 1 ? words->items[1] : NULL;
    if (strcmp(word, "defaults") == 0)
        open_block(parser, lines->place, words, NULL);
    else if (!name)
        import_error(parser->import, lines->place,
                     "\"%s\" stands where service NAME, defaults, include FILE or includedir "
                     "FOLDER is wanted",
                     word);
    else if (strcmp(word, "service") == 0)
        open_block(parser, lines->place, words, name);
    else if (strcmp(word, "include") == 0)
        read_file(parser, lines->place, name);
    else if (strcmp(word, "includedir") == 0)
        read_folder(parser, lines->place, name);
    else
        import_error(parser->import, lines->place,
                     "\"%s\" is none of service, defaults, include "
                     "and includedir",
                     word);
}

static bool stands_twice(const struct parser *parser, const struct xinetd_attribute *attribute)
{
    const struct xinetd_attribute *at = parser->open->attributes;
    while (at && at->kind != attribute->kind)
        at = at->next;
    return at && !attribute->kind->is_set && !attribute->kind->only_there;
}

/* The first of the values that is none of those that may stand there, or NULL. */
static const char *odd_word(const struct xinetd_attribute *attribute)
{
    const char *const *words = attribute->kind->words;
    for (size_t i = 0; words && i < attribute->values.count; i++) {
        size_t at = 0;
        while (words[at] && strcasecmp(words[at], attribute->values.items[i]) != 0)
            at++;
        if (!words[at])
            return attribute->values.items[i];
    }
    return NULL;
}

/* What is wrong with an attribute in this place, or NULL. */
static const char *what_is_wrong(const struct parser *parser,
                                 const struct xinetd_attribute *attribute)
{
    const struct xinetd_kind *kind = attribute->kind;
    if (attribute->op != '=' && !kind->is_set)
        return "takes = alone";
    if (!parser->open->name && !kind->in_defaults)
        return "has no place among the defaults";
    if (parser->open->name && kind->only_there)
        return "stands among the defaults only";
    if (!kind->is_set && attribute->values.count == 0)
        return "has no value";
    if (!kind->is_many && attribute->values.count > 1)
        return "takes one value";
    return stands_twice(parser, attribute) ? "stands twice in this block" : NULL;
}

static void check_attribute(struct parser *parser, struct xinetd_attribute *attribute)
{
    struct import *import = parser->import;
    const char *near = NULL;
    attribute->kind = xinetd_kind_find(attribute->name, &near);
    if (!attribute->kind) {
        import_error(import, attribute->place, "there is no attribute \"%s\"%s%s%s",
                     attribute->name, near ? "; is it \"" : "", near ? near : "",
                     near ? "\"?" : "");
        return;
    }
    attribute->name = attribute->kind->name;
    const char *wrong = what_is_wrong(parser, attribute);
    const char *odd = odd_word(attribute);
    if (wrong)
        import_error(import, attribute->place, "%s %s", attribute->name, wrong);
    else if (odd)
        import_error(import, attribute->place, "%s knows no \"%s\"", attribute->name, odd);
}

/* "name = value …", with or without blanks around the operator. */
static void take_attribute(struct parser *parser, const struct import_lines *lines)
{
    struct import *import = parser->import;
    const char *name = lines->line + strspn(lines->line, IMPORT_BLANKS);
    const char *equals = strchr(name, '=');
    if (!equals || equals == name) {
        import_error(import, lines->place, "an attribute is name = value, and } ends a block");
        return;
    }
    struct xinetd_attribute *attribute = memory_take(import->memory, sizeof *attribute);
    bool changes = equals[-1] == '+' || equals[-1] == '-';
    size_t length = strcspn(name, IMPORT_BLANKS "+-=");
    attribute->place = lines->place;
    attribute->op = changes ? equals[-1] : '=';
    attribute->name = memory_copy(import->memory, name, length);
    attribute->values = import_words(import, equals + 1);
    if (name + length + strspn(name + length, IMPORT_BLANKS) != equals - changes)
        import_error(import, lines->place, "one of = += -= has to follow the name of an attribute");
    else
        check_attribute(parser, attribute);
    struct xinetd_attribute **end = &parser->open->attributes;
    while (*end)
        end = &(*end)->next;
    *end = attribute;
}

static void take_line(struct parser *parser, const struct import_lines *lines)
{
    struct import_list words = import_words(parser->import, lines->line);
    if (words.count == 0 || words.items[0][0] == '#')
        return;
    bool brace = words.count == 1 && words.items[0][1] == '\0';
    if (!parser->open)
        take_outer(parser, lines, &words);
    else if (brace && words.items[0][0] == '{' && !parser->opened)
        parser->opened = true;
    else if (!parser->opened)
        import_error(parser->import, lines->place, "{ is wanted here");
    else if (brace && words.items[0][0] == '}')
        close_block(parser);
    else
        take_attribute(parser, lines);
}

/* A file ends what it has begun. */
static void read_text(struct parser *parser, const char *file, const char *text)
{
    struct import_lines lines = {.at = text, .place = {.file = file}};
    while (import_lines_next(parser->import, &lines))
        take_line(parser, &lines);
    if (parser->open)
        import_error(parser->import, parser->open->place, "this block has no end: } is missing");
    parser->open = NULL;
}

/* What the defaults say is lost for every service: once is enough. */
static void note_defaults(struct import *import, const struct xinetd_block *defaults)
{
    struct import_entry *entry = NULL;
    const struct xinetd_attribute *at = defaults ? defaults->attributes : NULL;
    for (; at; at = at->next) {
        if (!at->kind->lost)
            continue;
        if (!entry)
            entry = import_add(import, defaults->place, "defaults");
        import_note_at(import, entry, at->place, "%s: %s", at->name, at->kind->lost);
    }
}

void import_xinetd(struct import *import, const char *file, const char *text)
{
    struct parser parser = {.import = import};
    parser.end = &parser.blocks;
    read_text(&parser, file, text);
    if (import->errors > 0)
        return;
    note_defaults(import, parser.defaults);
    for (const struct xinetd_block *block = parser.blocks; block; block = block->next) {
        struct xinetd xinetd = {.import = import, .defaults = parser.defaults, .block = block};
        xinetd_take_block(&xinetd);
    }
}
