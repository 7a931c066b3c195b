/* SPDX-License-Identifier: MIT */
/*
 * The bytes that go over a connection.  What stands at an offset is known beforehand, so every
 * byte that comes back is verified without keeping what was sent.
 */
#ifndef TCPD_BENCH_STREAM_H
#define TCPD_BENCH_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_SPAN 65536 /* so many bytes can be had in one piece, at any offset */

struct stream {
    char *bytes;     /* period + STREAM_SPAN */
    uint64_t period; /* after so many the stream repeats itself */
    uint64_t unit;   /* of one message */
};

/* Noise, in messages of `unit` bytes.  Its period is a prime: bytes that are lost or come twice,
 * or belong to another connection, do not match.  Returns -1 without memory. */
int stream_init_noise(struct stream *stream, uint64_t unit);

/* The same text again and again. */
int stream_init_text(struct stream *stream, const char *text);

void stream_fini(struct stream *stream);

const char *stream_at(const struct stream *stream, uint64_t offset);

/* `length` is at most STREAM_SPAN. */
bool stream_matches(const struct stream *stream, uint64_t offset, const char *bytes, size_t length);

#endif
