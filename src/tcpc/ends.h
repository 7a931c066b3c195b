/* SPDX-License-Identifier: MIT */
/*
 * The two ends on this side: standard input and standard output, whatever
 * they are: a file, a pipe, a socket, a terminal.  Their open file descriptions are shared with
 * other programs, so O_NONBLOCK is never set on them.
 */
#ifndef TCPD_TCPC_ENDS_H
#define TCPD_TCPC_ENDS_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct output {
    int fd;      /* standard output, or the same pipe opened once more without blocking */
    size_t most; /* bytes to write at once after POLLOUT without being blocked */
    bool socket; /* send(2) can be told not to block, write(2) cannot */
};

/* Opens /dev/null for each of 0, 1 and 2 that is closed, lest a socket become standard output. */
int ends_fill(struct error *error);

/*
 * Lets a pipe hold `size` bytes if it holds less and the system allows it: each turn then moves
 * more.  Whoever else has the pipe does not notice.  Other files stay as they are.
 */
void ends_widen(int fd, int size);

/* Finds out how standard output can be written without blocking. */
void output_open(struct output *output);

void output_close(struct output *output);

/*
 * Writes what fits without blocking, once poll(2) has said POLLOUT.  Returns
 * how much, 0 for "not now", or -1 with errno.
 */
ssize_t output_write(const struct output *output, const char *bytes, size_t length);

/* Whether text that goes there is seen on a terminal whose character set is UTF-8. */
bool ends_utf8(void);

#endif
