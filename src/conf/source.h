/* SPDX-License-Identifier: MIT */
/* Reading a file that may be anything: never blocks, never takes more than a bound. */
#ifndef TCPD_CONF_SOURCE_H
#define TCPD_CONF_SOURCE_H

#include "base/error.h"

#include <stddef.h>
#include <sys/stat.h>

#define SOURCE_MAX  (1024 * 1024)      /* bytes in one file */
#define SOURCES_MAX (16 * 1024 * 1024) /* in all files of one configuration */

/*
 * The text of a regular file, with a newline and a NUL behind, which the caller frees; *id tells
 * which file it was and *length how long, without that newline.  NULL: not readable, not a regular
 * file, too large, no text; *error says so, about *line.
 */
char *source_read(const char *file, size_t *length, struct stat *id, unsigned *line,
                  struct error *error);

#endif
