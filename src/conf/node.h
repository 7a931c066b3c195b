/* SPDX-License-Identifier: MIT */
/*
 * The settings of a file as a tree, with the place of each: what libconfig
 * read, free of libconfig, so that trees of several files and of -o become one.
 */
#ifndef TCPD_CONF_NODE_H
#define TCPD_CONF_NODE_H

#include "conf/reading.h"

enum node_type {
    NODE_GROUP,
    NODE_LIST,  /* ( … ) */
    NODE_ARRAY, /* [ … ] */
    NODE_INTEGER,
    NODE_FLOAT,
    NODE_BOOL,
    NODE_STRING,
};

struct node {
    enum node_type type;
    const char *name; /* NULL for an element of a list or array, and the root */
    struct place place;
    struct node *parent; /* NULL for the root */
    struct node *first;  /* child */
    struct node *last;
    struct node *next; /* sibling */
    unsigned index;    /* among the siblings */
    unsigned count;    /* of children */
    const char *text;  /* of a string: its bytes; of a number: as it was written */
    int64_t number;    /* of an integer */
    bool fits;         /* whether that integer fits into number */
    bool on;           /* of a boolean */
};

struct node *node_new(struct memory *memory, enum node_type type, const char *name,
                      struct place place);

/* Makes child the last of parent's children. */
void node_append(struct node *parent, struct node *child);

/* Moves all children of one node to the end of the other's. */
void node_adopt(struct node *parent, struct node *from);

/* Puts the value of another node, children and place too, in the place of this one's. */
void node_replace(struct node *node, const struct node *value);

/* The child with this name, or NULL. */
struct node *node_child(const struct node *node, const char *name);

/* "a string", "an integer" and so on. */
const char *node_type_print(enum node_type type);

/* As node_type_print, but for a short value the value itself as well. */
const char *node_print(struct memory *memory, const struct node *node);

/*
 * The path from the root, such as pool.threads or services.[2].listen.[0]; a
 * service that has a name goes by it: services.echo.listen.  -o takes the same paths.
 */
const char *node_path(struct memory *memory, const struct node *node);

/* Notes an error about this setting. */
#define node_error(reading, node, ...)                                                             \
    reading_error((reading), (node)->place, node_path((reading)->memory, (node)), __VA_ARGS__)

#endif
