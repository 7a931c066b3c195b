/* SPDX-License-Identifier: MIT */
/* The command line of tcpctl. */
#ifndef TCPD_TCPCTL_OPTIONS_H
#define TCPD_TCPCTL_OPTIONS_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define OPTIONS_SOCKET   "/run/tcpd/control.sock" /* where tcpd has it when nothing else is said */
#define OPTIONS_VARIABLE "TCPD_CONTROL"           /* of the environment: says something else */

struct command;

enum options_task { OPTIONS_COMMAND, OPTIONS_HELP, OPTIONS_VERSION };

struct options {
    enum options_task task;
    const char *socket;
    bool json;
    uint64_t interval; /* nanoseconds between two looks of top; 0: not given */
    const struct command *command;
    char **arguments; /* of the command, as many as there are */
    unsigned argument_count;
    const char *format; /* of what import-inetd reads; NULL: not given */
};

/*
 * Reads the command line by getopt_long(3), options and command in any order.  Returns 0, or -1
 * with a sentence about what is wrong with it.  Borrows from argv and the environment.
 */
int options_parse(struct options *options, int argc, char **argv, struct error *error);

/* Prints what --help says. */
void options_help(FILE *file);

#endif
