/* SPDX-License-Identifier: MIT */
/*
 * The line editor of a session on a terminal.  edit_libedit.c or
 * edit_plain.c, as configure found; the latter has none, and the terminal's own
 * line discipline does what it can.
 */
#ifndef TCPD_TCPC_EDIT_H
#define TCPD_TCPC_EDIT_H

#include <stdbool.h>
#include <stddef.h>

struct editor;

/* For --version: the library that edits lines, or "none". */
const char *editor_name(void);

/*
 * Takes over the terminal on standard input and output, and reads the history.
 * wait_key is called whenever the next key is wanted: it returns true when standard input can be
 * read, false when no key is wanted any more.  Returns NULL when there is no
 * editor; else editor_close frees it.
 */
struct editor *editor_open(bool (*wait_key)(void *context), void *context);

/*
 * Lets the user type one line and returns it with its newline and, in *length, its bytes; it
 * is valid until the next call.  NULL at the end of input, or when wait_key said so.
 */
const char *editor_read(struct editor *editor, size_t *length);

/*
 * Writes what the peer sent above the line that is being typed; a last line
 * without newline becomes the prompt.  The text must be harmless.  May be called from within
 * wait_key.
 */
void editor_print(struct editor *editor, const char *text, size_t length);

/* Writes one line of our own, newline included, to stderr in the same way. */
void editor_notice(struct editor *editor, const char *line);

/* TSTP, CONT and WINCH: gives the terminal back and stops, takes it again, learns its size. */
void editor_signalled(struct editor *editor, int signal);

/* No line will be typed any more: what comes later is printed as it comes. */
void editor_finish(struct editor *editor);

/* Finishes, writes the history, and frees. */
void editor_close(struct editor *editor);

#endif
