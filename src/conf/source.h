/* SPDX-License-Identifier: MIT */
/* Reading a file that may be anything: never blocks, never takes more than a bound. */
#ifndef TCPD_CONF_SOURCE_H
#define TCPD_CONF_SOURCE_H

#include "base/error.h"
#include "conf/memory.h"

#include <sys/stat.h>

#define SOURCE_MAX (1024 * 1024) /* bytes in one file */

/*
 * The text of a regular file, with a newline and a NUL behind; *id tells which
 * file it was.  NULL: not readable, not a regular file, too large, no text; *error
 * says so, about *line.
 */
char *source_read(struct memory *memory, const char *file, struct stat *id, unsigned *line,
                  struct error *error);

#endif
