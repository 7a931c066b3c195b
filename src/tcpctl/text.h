/* SPDX-License-Identifier: MIT */
/* Numbers as people read them, and text that does nothing to a terminal but appear on it. */
#ifndef TCPD_TCPCTL_TEXT_H
#define TCPD_TCPCTL_TEXT_H

#include <stddef.h>
#include <stdio.h>

#define TEXT_NUMBER_MAX 32

/* Bytes: 0, 1023, 12.3K, 123K, 1.0M ...; K is 1024.  Returns out, as those below do. */
char *text_size(double bytes, char out[static TEXT_NUMBER_MAX]);

/* Seconds: 350ms, 3.2s, 45s, 5m07s, 1h02m, 3d04h; a negative time is "-". */
char *text_duration(double seconds, char out[static TEXT_NUMBER_MAX]);

/* Milliseconds, which a kernel measures in microseconds: 0.043ms, 12.3ms, 250ms. */
char *text_milliseconds(double milliseconds, char out[static TEXT_NUMBER_MAX]);

/* So many each second: 0, 0.5, 9.9, 120. */
char *text_rate(double rate, char out[static TEXT_NUMBER_MAX]);

/*
 * The text with every character that is not seen as itself - controls, marks that turn the
 * direction, what is none in the locale - written as \xHH, byte by byte.  For free(3).
 */
char *text_clean(const char *text);

/* The columns that a clean text takes. */
size_t text_width(const char *text);

/* How many bytes of a clean text fit into so many columns; no character is cut. */
size_t text_fit(const char *text, size_t columns);

/* Prints a line, made clean as a whole, and a newline. */
void text_say(FILE *file, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
