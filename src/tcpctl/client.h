/* SPDX-License-Identifier: MIT */
/* The connection to the daemon's control socket: a line out, lines back. */
#ifndef TCPD_TCPCTL_CLIENT_H
#define TCPD_TCPCTL_CLIENT_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define CLIENT_REQUEST_MAX 4096       /* the longest line that the daemon takes */
#define CLIENT_LINE_MAX    (64 << 20) /* the longest line that is taken from it */

struct client {
    int fd;
    bool finished; /* the daemon has closed */
    char *buffer;
    size_t start;   /* of what was not handed out yet */
    size_t scanned; /* from there on no newline was looked for yet */
    size_t end, room;
};

enum client_result {
    CLIENT_LINE,
    CLIENT_NOTHING, /* no whole line yet */
    CLIENT_END,     /* the daemon has closed; a line that it left unfinished does not count */
    CLIENT_FAILED,
};

/*
 * Connects to the unix socket at path; while its queue is full, for at most timeout_ms, and
 * with 0 not at all.  Returns 0, or -1 with a sentence that says what to do.
 */
int client_open(struct client *client, const char *path, int timeout_ms, struct error *error);

/* Sends a line, newline included.  That the daemon has gone, the answer will tell. */
int client_send(struct client *client, const char *line, size_t length, struct error *error);

/*
 * The next line, without its newline and with a NUL instead, good until the next call.  Waits
 * for at most timeout_ms without a byte, and with -1 for ever.
 */
enum client_result client_receive(struct client *client, int timeout_ms, char **line,
                                  size_t *length, struct error *error);

/* The same without waiting: reads once, and only when no line is there already. */
enum client_result client_take(struct client *client, char **line, size_t *length,
                               struct error *error);

void client_close(struct client *client);

#endif
