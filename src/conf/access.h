/* SPDX-License-Identifier: MIT */
/* The group `access` of a service: who may come in. */
#ifndef TCPD_CONF_ACCESS_H
#define TCPD_CONF_ACCESS_H

#include "conf/node.h"

#include <stdio.h>

/* What stands in the group, with NULL behind. */
extern const char *const access_settings[];

/* A service that says nothing lets anybody in. */
void access_prepare(struct reading *reading, struct conf_service *service);

void access_read(struct reading *reading, const struct node *node, struct conf_service *service);

/* Prints the settings of the group, each entry as it was written. */
void access_print(FILE *out, const struct access *access);

#endif
