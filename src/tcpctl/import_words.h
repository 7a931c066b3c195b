/* SPDX-License-Identifier: MIT */
/* Lines and words of what is imported. */
#ifndef TCPD_TCPCTL_IMPORT_WORDS_H
#define TCPD_TCPCTL_IMPORT_WORDS_H

#include "tcpctl/import.h"

#define IMPORT_BLANKS " \t\r\f\v"

/* One line after the other.  Begins as {.at = text, .place = {file}}. */
struct import_lines {
    const char *at;            /* what is still to come */
    struct import_place place; /* of the line */
    char *line;                /* without its end */
    size_t length, room;       /* of the line */
};

bool import_lines_next(struct import *import, struct import_lines *lines); /* false: none is left */

/* Has the line go on with the next one, behind its first `keep` bytes; false: there is none. */
bool import_lines_join(struct import *import, struct import_lines *lines, size_t keep);

/* Words between blanks, as they are. */
struct import_list import_words(struct import *import, const char *text);

/*
 * Words with quotes and backslashes removed, as a shell does it.  Outside of single quotes the
 * specials are what the shell itself would do something about: they end the words, and *rest points
 * to them, else to the end of the text.  Returns 0, or -1: quotes are wrong, and that was said.
 */
int import_shell_words(struct import *import, struct import_place place, const char *text,
                       const char *specials, struct import_list *words, const char **rest);

#define IMPORT_SHELL_SPECIALS "$`|&;<>()*?["

bool import_starts_with(const char *text, const char *start);

/* Digits and nothing else, up to most. */
bool import_number(const char *text, unsigned long most, unsigned long *number);

#endif
