/* SPDX-License-Identifier: MIT */
/* Text in libconfig's syntax becomes a tree.  The one place that calls libconfig. */
#ifndef TCPD_CONF_PARSE_H
#define TCPD_CONF_PARSE_H

#include "conf/node.h"

/*
 * The tree of a text, or NULL with the first mistake and its line.  No other
 * file is opened, whatever the text says.
 */
struct node *parse_text(struct reading *reading, const struct source *source, const char *text,
                        unsigned *line, struct error *error);

#endif
