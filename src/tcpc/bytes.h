/* SPDX-License-Identifier: MIT */
/* Bytes on their way in one direction: filled at the back, drained from the front, bounded. */
#ifndef TCPD_TCPC_BYTES_H
#define TCPD_TCPC_BYTES_H

#include <stdbool.h>
#include <stddef.h>

#define BYTES_MAX (256 * 1024)

struct bytes {
    size_t start, end; /* what is held is data[start] to data[end - 1] */
    char data[BYTES_MAX];
};

/* Where to write next, and in *room how much fits; 0 when it is full. */
char *bytes_back(struct bytes *bytes, size_t *room);

/* length bytes were written to where bytes_back said. */
void bytes_added(struct bytes *bytes, size_t length);

/* What is held, and in *length how much. */
const char *bytes_front(const struct bytes *bytes, size_t *length);

/* length bytes of the front are done with. */
void bytes_drained(struct bytes *bytes, size_t length);

bool bytes_empty(const struct bytes *bytes);

#endif
