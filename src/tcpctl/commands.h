/* SPDX-License-Identifier: MIT */
/* The commands of tcpctl: one table. */
#ifndef TCPD_TCPCTL_COMMANDS_H
#define TCPD_TCPCTL_COMMANDS_H

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct options;

#define COMMAND_ARGUMENTS 3 /* of one command, at most */

struct argument {
    const char *name; /* what --help calls it */
    const char *key;  /* the member of the request that carries it */
    bool optional;
    /* What the daemon is asked instead, for free(3); NULL: why not is in the error.  No function:
     * the argument as it is. */
    char *(*translate)(const char *text, struct error *error);
};

struct command {
    const char *name;
    struct argument arguments[COMMAND_ARGUMENTS]; /* those that it takes; then without a name */
    bool takes_many;                              /* the last of them may come again */
    const char *options;                          /* of its own: their letters; NULL: none */
    bool patient;                                 /* the answer may take as long as it likes */
    bool until_gone;                              /* it is done when the daemon has left */
    const char *help;                             /* what --help says */
    void (*print)(const json_t *answer);
    int (*run)(const struct options *options); /* instead of all that; returns an exit status */
};

extern const struct command commands[]; /* the last one has no name */

const struct command *command_find(const char *name); /* NULL: there is none */

/* The one that somebody may have meant; NULL when none is near. */
const char *command_nearest(const char *name);

/* How many arguments it takes at most. */
unsigned command_arguments(const struct command *command);

/* Asks the daemon and prints what it answers.  Returns an exit status. */
int command_run(const struct options *options);

#endif
