/* SPDX-License-Identifier: MIT */
/* What xinetd's files say, before and while it becomes settings. */
#ifndef TCPD_TCPCTL_IMPORT_XINETD_H
#define TCPD_TCPCTL_IMPORT_XINETD_H

#include "tcpctl/import.h"

struct xinetd_kind;

/* "name op value value …" */
struct xinetd_attribute {
    struct xinetd_attribute *next;
    struct import_place place;
    const char *name;
    const struct xinetd_kind *kind;
    char op; /* '=', '+' for +=, '-' for -= */
    struct import_list values;
};

/* service NAME { … }, or defaults { … } */
struct xinetd_block {
    struct xinetd_block *next;
    struct import_place place;
    const char *name; /* NULL: the defaults */
    struct xinetd_attribute *attributes;
};

/* A service on its way to an entry. */
struct xinetd {
    struct import *import;
    const struct xinetd_block *defaults; /* NULL: there are none */
    const struct xinetd_block *block;
    struct import_entry *entry;
    const char *id;
};

/* What is known of an attribute that may stand in a block. */
struct xinetd_kind {
    const char *name;
    bool is_many;             /* may have several values */
    const char *const *words; /* all that may stand there, ends with NULL; NULL: anything */
    bool is_set;              /* may stand there more than once, has += and -=, and may be empty */
    bool in_defaults;         /* may stand there */
    bool only_there;
    void (*take)(struct xinetd *xinetd, const struct xinetd_attribute *attribute);
    const char *lost; /* when there is nothing to take: what tcpd does instead, or why not */
};

extern const struct xinetd_kind xinetd_kinds[]; /* the last one has no name */

/* NULL: there is no such attribute; `near` becomes one that may be meant, or NULL. */
const struct xinetd_kind *xinetd_kind_find(const char *name, const char **near);

/* What holds for the service, with what the defaults say; NULL: nothing is said. */
const struct xinetd_attribute *xinetd_find(const struct xinetd *xinetd, const char *name);

/* Its only value, or NULL. */
const char *xinetd_value(const struct xinetd *xinetd, const char *name);

/* Whether it has that word, in any case of letters. */
bool xinetd_has(const struct xinetd *xinetd, const char *name, const char *word);

/* Makes an entry of xinetd->block. */
void xinetd_take_block(struct xinetd *xinetd);

/* What only_from and no_access become. */
void xinetd_take_only_from(struct xinetd *xinetd, const struct xinetd_attribute *attribute);
void xinetd_take_no_access(struct xinetd *xinetd, const struct xinetd_attribute *attribute);

#endif
