/* SPDX-License-Identifier: MIT */
/*
 * All that a configuration was read from: the texts of its files and what its patterns matched,
 * in the order of reading.  It is recorded while the disk is read, and a replayed one answers in
 * place of the disk, but only the very same questions: the configuration is the same again, with
 * its files and lines, whatever has become of the files.
 *
 * As text it is "tcpd-configuration 1\n", and then for each file
 *
 *     file LENGTH-OF-NAME LENGTH-OF-TEXT\nNAME\nTEXT\n
 *
 * and for each pattern, before the files that it matched,
 *
 *     include LENGTH-OF-PATTERN NUMBER-OF-MATCHES\nPATTERN\n
 */
#ifndef TCPD_CONF_SNAPSHOT_H
#define TCPD_CONF_SNAPSHOT_H

#include "base/error.h"
#include "conf/memory.h"

#include <stddef.h>
#include <sys/stat.h>

struct conf_snapshot;

/* An empty one to record into, held by memory with all that it will hold. */
struct conf_snapshot *snapshot_new(struct memory *memory);

/* One to replay, with copies of all that the text holds; NULL: it is no snapshot. */
struct conf_snapshot *snapshot_parse(struct memory *memory, const char *text, size_t length,
                                     struct error *error);

/* The name of the file with which a replay begins. */
const char *snapshot_main_file(const struct conf_snapshot *snapshot);

/* As source_read, but the text belongs to the snapshot and has a newline and a NUL behind. */
const char *snapshot_read(struct conf_snapshot *snapshot, const char *file, size_t *length,
                          struct stat *id, unsigned *line, struct error *error);

/* As source_match. */
const char **snapshot_match(struct conf_snapshot *snapshot, const char *pattern,
                            struct error *error);

/* Returns -1 if a replay was not asked for all that it holds. */
int snapshot_end(const struct conf_snapshot *snapshot, struct error *error);

#endif
