/* SPDX-License-Identifier: MIT */
/* Bytes as text and back, in the manner of C: \n, \r, \t, \", \\, \xHH. */
#ifndef TCPD_TCPC_ESCAPE_H
#define TCPD_TCPC_ESCAPE_H

#include <stddef.h>

#define ESCAPE_MAX 4 /* characters that one byte may become */

/*
 * Writes bytes as printable ASCII, quotes and backslashes escaped, and a final NUL to out, which
 * has room for `size` (at least 4).  What does not fit is cut, and "..." says so.  Returns out.
 */
const char *escape(const void *bytes, size_t length, char *out, size_t size);

/*
 * Reads what stands behind a backslash at *text, of which `left` characters are there; moves *text
 * behind it.  Returns the byte, 0 to 255, or -1: that is no escape, and *text has not moved.
 */
int unescape(const char **text, size_t left);

#endif
