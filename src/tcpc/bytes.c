/* SPDX-License-Identifier: MIT */
#include "tcpc/bytes.h"

#include <assert.h>
#include <string.h>

/* Less room than this at the back is not worth a system call: what is held moves to the front. */
#define ROOM_WANTED (BYTES_MAX / 4)

static void move_to_front(struct bytes *bytes)
{
    memmove(bytes->data, bytes->data + bytes->start, bytes->end - bytes->start);
    bytes->end -= bytes->start;
    bytes->start = 0;
}

char *bytes_back(struct bytes *bytes, size_t *room)
{
    if (bytes->start >= ROOM_WANTED && BYTES_MAX - bytes->end < ROOM_WANTED)
        move_to_front(bytes);
    *room = BYTES_MAX - bytes->end;
    return bytes->data + bytes->end;
}

void bytes_added(struct bytes *bytes, size_t length)
{
    assert(length <= BYTES_MAX - bytes->end);
    bytes->end += length;
}

const char *bytes_front(const struct bytes *bytes, size_t *length)
{
    *length = bytes->end - bytes->start;
    return bytes->data + bytes->start;
}

void bytes_drained(struct bytes *bytes, size_t length)
{
    assert(length <= bytes->end - bytes->start);
    bytes->start += length;
    if (bytes->start == bytes->end)
        bytes->start = bytes->end = 0;
}

bool bytes_empty(const struct bytes *bytes)
{
    return bytes->start == bytes->end;
}
