/* SPDX-License-Identifier: MIT */
#include "io/buffer.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_MIN 512

static size_t size_for(size_t length)
{
    size_t size = SIZE_MIN;
    while (size < length + sizeof(struct buffer))
        size *= 2;
    return size - sizeof(struct buffer);
}

/* Room for `length` more bytes behind the end: by moving to the front, else by growing. */
static int make_room(struct buffer **buffer, size_t length)
{
    struct buffer *old = *buffer;
    size_t used = buffer_length(old);
    if (old && old->size - old->end >= length)
        return 0;
    if (old && old->size >= used + length && old->start >= used) {
        memcpy(old->bytes, old->bytes + old->start, used);
    } else {
        struct buffer *new = malloc(sizeof *new + size_for(used + length));
        if (!new)
            return -1;
        new->size = (uint32_t)size_for(used + length);
        if (old)
            memcpy(new->bytes, old->bytes + old->start, used);
        free(old);
        *buffer = new;
    }
    (*buffer)->start = 0;
    (*buffer)->end = (uint32_t)used;
    return 0;
}

int buffer_append(struct buffer **buffer, const void *bytes, size_t length)
{
    if (length == 0)
        return 0;
    if (length > UINT32_MAX / 4 || make_room(buffer, length))
        return -1;
    memcpy((*buffer)->bytes + (*buffer)->end, bytes, length);
    (*buffer)->end += (uint32_t)length;
    return 0;
}

void buffer_consume(struct buffer **buffer, size_t length)
{
    if (length >= buffer_length(*buffer))
        buffer_free(buffer);
    else
        (*buffer)->start += (uint32_t)length;
}

void buffer_free(struct buffer **buffer)
{
    free(*buffer);
    *buffer = NULL;
}
