/* SPDX-License-Identifier: MIT */
/* The daemon's answers for people, on standard output; a function for each command. */
#ifndef TCPD_TCPCTL_PRINT_H
#define TCPD_TCPCTL_PRINT_H

#include "tcpctl/field.h"

#include <jansson.h>
#include <stddef.h>

void print_status(const json_t *answer);
void print_services(const json_t *answer);
void print_connections(const json_t *answer);
void print_kill(const json_t *answer);
void print_explain(const json_t *answer); /* print_explain.c */
void print_reload(const json_t *answer);
void print_upgrade(const json_t *answer);
void print_stop(const json_t *answer);
void print_drain(const json_t *answer);
void print_log(const json_t *answer);
void print_metrics(const json_t *answer);

/*
 * What is said of a line of progress: how many connections are left, and of which services.
 * NULL: nothing.  For free(3).
 */
char *print_progress(const json_t *line);

/* The columns of the table of connections, which top has as well. */
extern const struct field print_connection_fields[];
extern const size_t print_connection_field_count;

#endif
