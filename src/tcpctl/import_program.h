/* SPDX-License-Identifier: MIT */
/* The settings that a service has in common, whatever it was written in. */
#ifndef TCPD_TCPCTL_IMPORT_PROGRAM_H
#define TCPD_TCPCTL_IMPORT_PROGRAM_H

#include "tcpctl/import.h"

/* Makes it a built-in service; false: tcpd has none of that name, and a note tells so. */
bool import_builtin(struct import *import, struct import_entry *entry, const char *name);

/*
 * Makes it an exec service of that program; argv0 is what it finds as its own name, by default what
 * follows the last slash.  Behind the wrapper of TCP Wrappers it is argv0 that names the program.
 */
void import_program(struct import *import, struct import_entry *entry, const char *path,
                    const char *argv0);

/* The arguments from words->items[first] on. */
void import_arguments(struct import *import, struct import_entry *entry,
                      const struct import_list *words, size_t first);

/* What no super-server does: end a connection because it is quiet. */
void import_patience(struct import *import, struct import_entry *entry);

/* So many connections of one client address in a unit, 's' or 'm', at once or spread. */
void import_rate(struct import *import, struct import_entry *entry, unsigned long number,
                 char unit);

/* A variable of the program's environment, "NAME=value", where tcpd lets it be set. */
void import_variable(struct import *import, struct import_entry *entry, struct import_place place,
                     const char *text);

/* The length of the name in "NAME=value", with nothing but letters, digits and _; 0: it is none. */
size_t import_variable_name(const char *text);

/* What follows the last slash. */
const char *import_base(const char *path);

#endif
