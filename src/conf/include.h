/* SPDX-License-Identifier: MIT */
/* The setting `include`: services from other files. */
#ifndef TCPD_CONF_INCLUDE_H
#define TCPD_CONF_INCLUDE_H

#include "conf/node.h"

#include <sys/stat.h>

/*
 * Reads the tree of the file, NULL when it cannot be: the report says why, at
 * place and path (of what names the file).  *id becomes which file it was.
 */
struct node *include_file(struct reading *reading, const char *file, const struct place *place,
                          const char *path, struct stat *id);

/* Reads every file that root's `include` names and adds their services to those of root. */
void include_all(struct reading *reading, struct node *root, const struct stat *root_id);

#endif
