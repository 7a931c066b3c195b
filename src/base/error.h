/* SPDX-License-Identifier: MIT */
/*
 * An error on its way up: a sentence for the user and the errno behind it.
 * Worded where it happens, reported where someone listens.
 */
#ifndef TCPD_BASE_ERROR_H
#define TCPD_BASE_ERROR_H

#define ERROR_TEXT_MAX 512

struct error {
    int errnum;                /* an errno, or 0 when the sentence says it all */
    char text[ERROR_TEXT_MAX]; /* one sentence, no newline, no full stop */
};

/*
 * Writes the sentence into *error; when errnum is not 0, ": " and its
 * strerror(3) text follow.  What does not fit is cut.  error may be NULL.
 * Any thread.  Always returns -1, so that a caller can `return error_set(...)`.
 */
int error_set(struct error *error, int errnum, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
