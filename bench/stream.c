/* SPDX-License-Identifier: MIT */
#include "bench/stream.h"

#include <stdlib.h>
#include <string.h>

#define NOISE_PERIOD 65521 /* a prime */

static int make_room(struct stream *stream, uint64_t period, uint64_t unit)
{
    *stream = (struct stream){malloc(period + STREAM_SPAN), period, unit};
    return stream->bytes ? 0 : -1;
}

/* What stands in the first period, again up to the end. */
static void repeat(struct stream *stream)
{
    for (size_t i = 0; i < STREAM_SPAN; i++)
        stream->bytes[stream->period + i] = stream->bytes[i];
}

int stream_init_noise(struct stream *stream, uint64_t unit)
{
    uint32_t state = 2463534242;
    if (make_room(stream, NOISE_PERIOD, unit))
        return -1;
    for (size_t i = 0; i < NOISE_PERIOD; i++) {
        state ^= state << 13; /* Marsaglia's xorshift */
        state ^= state >> 17;
        state ^= state << 5;
        stream->bytes[i] = (char)(state >> 11);
    }
    repeat(stream);
    return 0;
}

int stream_init_text(struct stream *stream, const char *text)
{
    size_t length = strlen(text);
    if (length == 0 || make_room(stream, length, length))
        return -1;
    memcpy(stream->bytes, text, length);
    repeat(stream);
    return 0;
}

void stream_fini(struct stream *stream)
{
    free(stream->bytes);
    stream->bytes = NULL;
}

const char *stream_at(const struct stream *stream, uint64_t offset)
{
    return stream->bytes + offset % stream->period;
}

bool stream_matches(const struct stream *stream, uint64_t offset, const char *bytes, size_t length)
{
    return memcmp(stream_at(stream, offset), bytes, length) == 0;
}
