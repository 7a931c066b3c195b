/* SPDX-License-Identifier: MIT */
/* What is on the disk, whatever it may be: never blocks, never takes more than a bound. */
#ifndef TCPD_CONF_SOURCE_H
#define TCPD_CONF_SOURCE_H

#include "base/error.h"
#include "conf/memory.h"

#include <stddef.h>
#include <sys/stat.h>

#define SOURCE_MAX  (4 * 1024 * 1024)  /* bytes in one file */
#define SOURCES_MAX (16 * 1024 * 1024) /* in all files of one configuration */

#define INCLUDES_MAX 1000 /* files in all besides the main one, names in `include`, and matches */

/*
 * The text of a regular file, without a NUL, which the caller frees; *id tells which file it was
 * and *length how long.  NULL: not readable, not a regular file, too large, no text; *error says
 * so, about *line.
 */
char *source_read(const char *file, size_t *length, struct stat *id, unsigned *line,
                  struct error *error);

/*
 * The names of the files that a pattern of glob(3) matches, in its order, with NULL behind.
 * NULL: there are too many or a folder cannot be read; *error says so.
 */
const char **source_match(struct memory *memory, const char *pattern, struct error *error);

#endif
