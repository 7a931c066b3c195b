/* SPDX-License-Identifier: MIT */
/* The commands of tcpctl: one table. */
#ifndef TCPD_TCPCTL_COMMANDS_H
#define TCPD_TCPCTL_COMMANDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct options;

struct command {
    const char *name;
    const char *argument; /* what --help calls it; NULL: it takes none */
    bool needs_argument;
    bool takes_many;     /* arguments */
    const char *options; /* of its own: their letters; NULL: none */
    const char *key;     /* the member of the request that carries it */
    bool patient;        /* the answer may take as long as it likes */
    bool until_gone;     /* it is done when the daemon has left */
    const char *help;    /* what --help says */
    void (*print)(const json_t *answer);
    int (*run)(const struct options *options); /* instead of all that; returns an exit status */
};

extern const struct command commands[]; /* the last one has no name */

const struct command *command_find(const char *name); /* NULL: there is none */

/* The one that somebody may have meant; NULL when none is near. */
const char *command_nearest(const char *name);

/* Asks the daemon and prints what it answers.  Returns an exit status. */
int command_run(const struct options *options);

#endif
