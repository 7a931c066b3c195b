/* SPDX-License-Identifier: MIT */
/* Names that do not stand in the tables. */
#ifndef TCPD_CONF_UNKNOWN_H
#define TCPD_CONF_UNKNOWN_H

#include "conf/node.h"

/*
 * Reports a setting that a group does not know: it is one that this build does
 * not have, or the nearest known one is named.  Scope is "", "services", or the name of the
 * group; known ends with NULL.
 */
void unknown_setting(struct reading *reading, const struct node *node, const char *scope,
                     const char *const *known);

/* The same for the type of a service. */
void unknown_type(struct reading *reading, const struct node *node, const char *const *known);

/* "did you mean …?", or all the known names, which end with NULL. */
const char *unknown_hint(struct memory *memory, const char *name, const char *const *known);

#endif
