/* SPDX-License-Identifier: MIT */
/*
 * What children tell of their connections becomes JSON.  They are not privileged and may
 * tell anything: every field is held against what it can be.  The master's only thread.
 */
#ifndef TCPD_MASTER_CONNECTIONS_H
#define TCPD_MASTER_CONNECTIONS_H

#include "base/scoreboard.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What is left of this many bytes of records is the room in which a list grows. */
#define CONNECTIONS_ROOM ((size_t)64 * 1024 * 1024)

struct connections {
    const struct scoreboard *scoreboard;
    int service;  /* the id that was asked for; -1: any */
    size_t room;  /* bytes, for those that are still to be read */
    json_t *list; /* array; owned by whoever set it */
    bool no_memory;
};

/* Whose connections: this makes their names. */
struct connection_id {
    uint32_t generation, child;
    uint64_t number;
};

#define CONNECTION_ID_MAX 44 /* the text, with its NUL */

/* "GENERATION.CHILD.NUMBER", as connection_id_format writes it and not otherwise; false: it is not.
 */
bool connection_id_parse(struct connection_id *id, const char *text);
void connection_id_format(const struct connection_id *id, char text[static CONNECTION_ID_MAX]);

enum connections_read { CONNECTIONS_READ, CONNECTIONS_NONSENSE, CONNECTIONS_TOO_MANY };

/*
 * Appends to the list what a file holds, as far as it makes sense and there is room.  *count
 * becomes how many that were.  The number of `of` means nothing.
 */
enum connections_read connections_read(struct connections *connections, int file,
                                       const struct connection_id *of, pid_t pid, uint64_t *count);

#endif
