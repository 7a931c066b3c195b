/* SPDX-License-Identifier: MIT */
/*
 * Bytes that wait, in order.  A buffer exists only while something is in it:
 * the empty one is NULL.  All functions: the thread that owns the pointer.
 */
#ifndef TCPD_IO_BUFFER_H
#define TCPD_IO_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint32_t start, end, size; /* of bytes */
    char bytes[];
};

static inline size_t buffer_length(const struct buffer *buffer)
{
    return buffer ? buffer->end - buffer->start : 0;
}

static inline const char *buffer_bytes(const struct buffer *buffer)
{
    return buffer ? buffer->bytes + buffer->start : NULL;
}

/* Appends a copy.  Returns -1 without memory, and then nothing was changed. */
int buffer_append(struct buffer **buffer, const void *bytes, size_t length);

/* Takes `length` bytes from the front, at most all; the buffer is freed with its last byte. */
void buffer_consume(struct buffer **buffer, size_t length);

void buffer_free(struct buffer **buffer);

#endif
