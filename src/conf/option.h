/* SPDX-License-Identifier: MIT */
/*
 * The options: every setting that is a plain value stands in one table with its
 * kind, its range, its default and the field where it goes.
 */
#ifndef TCPD_CONF_OPTION_H
#define TCPD_CONF_OPTION_H

#include "conf/node.h"

#include <stdio.h>

struct kind;

/* A word and what it stands for. */
struct choice {
    const char *word;
    int value;
};

struct option {
    const char *name;
    const struct kind *kind;
    const char *standard; /* the default as one would write it; NULL: inherited, or none */
    uint64_t min, max;    /* of a number, or of a duration in ns; both are allowed */
    bool or_zero;         /* 0 is allowed below min: off */
    const struct choice *choices;
    const char *(*wrong)(const char *text); /* of a text: see value.h */
    size_t offset;                          /* of the field, from the base of its section */
    size_t size;                            /* of the field */
};

/* A group of options, called by its name; "": those that stand in no group. */
struct section {
    const char *name;
    const struct option *options; /* the last has no name */
};

#define POOL_THREADS_MAX 256 /* worker threads of one child */

/* The sections of the daemon, with offsets into struct conf: first the one called "". */
extern const struct section option_daemon[];

/* Those that a service may have, with offsets into struct service. */
extern const struct section option_service[];

/* What the group of one address may hold besides the address: offsets into struct listen. */
extern const struct option option_listen[];

/* What the group access of a service holds besides its lists: one option, of struct access. */
extern const struct option option_access[];

/* The plain setting proxy_protocol of a service. */
extern const struct option option_proxy_protocol[];

/* Those of a service that runs programs: offsets into struct conf_program. */
extern const struct option option_program[];

/* … and the group with the bounds of these. */
extern const struct section option_rlimits;

/* Gives every option that has a default its default. */
void option_defaults(struct memory *memory, const struct section *sections, void *base);

/* The option of this name in a section, or NULL. */
const struct option *option_find(const struct section *section, const char *name);

/* Reads one value into its field; says what is wrong and leaves the field alone otherwise. */
void option_read(struct reading *reading, const struct option *option, const struct node *node,
                 void *base);

/* Reads a group of options; what it does not know it reports. */
void option_read_section(struct reading *reading, const struct section *section,
                         const struct node *node, void *base);

/* Prints "NAME = VALUE;", as option_read reads it. */
void option_print(FILE *out, const struct option *option, const void *base);

/* Writes a string with quotes, so that libconfig reads the same bytes. */
void option_print_string(FILE *out, const char *text);

#endif
