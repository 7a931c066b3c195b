/* SPDX-License-Identifier: MIT */
/* The settings of a service of the type exec: what it runs, as whom, and within which bounds. */
#ifndef TCPD_CONF_EXEC_H
#define TCPD_CONF_EXEC_H

#include "conf/node.h"

#include <stdio.h>

/* What a service has that says nothing else. */
void exec_prepare(struct reading *reading, struct conf_service *service);

/* Reads one setting; false: it is none of these. */
bool exec_read(struct reading *reading, const struct node *node, struct conf_service *service);

/* When all settings are read: whether they make sense together, and for this type. */
void exec_check(struct reading *reading, const struct node *node, struct conf_service *service);

/* Prints them, a line each. */
void exec_print(FILE *out, const struct conf_service *service);

/* Their names, which end with NULL. */
extern const char *const exec_settings[];

#endif
