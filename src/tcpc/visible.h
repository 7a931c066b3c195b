/* SPDX-License-Identifier: MIT */
/*
 * What a peer sends, made harmless for a terminal: nothing that passes can
 * move the cursor, change colours, retitle the window or have the terminal answer.
 */
#ifndef TCPD_TCPC_VISIBLE_H
#define TCPD_TCPC_VISIBLE_H

#include <stdbool.h>
#include <stddef.h>

struct visible {
    bool utf8;                /* whether the terminal's character set is UTF-8 */
    bool hex;                 /* each byte shall be told from any other (--hex) */
    bool carriage_return;     /* one has come that may be the half of a CR LF */
    size_t held;              /* bytes of a character that is not yet complete */
    unsigned char pending[4]; /* these */
};

/* The most that visible_feed writes for length bytes. */
#define VISIBLE_MAX(length) (4 * ((length) + 5))

/*
 * Translates length bytes and returns how many it wrote to out, which has room
 * for VISIBLE_MAX(length).  Printable characters, newline and tab pass, CR LF
 * becomes a newline; other control characters are written as ^X, and bytes that are no character
 * of the terminal's, C1 controls and the marks that turn the direction of text as \xHH.  A
 * character may come in pieces, over several calls.
 *
 * With hex, control characters but newline, and the backslash itself, are written as \xHH, and
 * nothing is folded: the bytes can be read off what is seen.
 */
size_t visible_feed(struct visible *visible, const char *bytes, size_t length, char *out);

/* Writes what is still held back at the end, at most VISIBLE_MAX(0) bytes.  Returns how many. */
size_t visible_finish(struct visible *visible, char *out);

#endif
