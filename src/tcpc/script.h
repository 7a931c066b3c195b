/* SPDX-License-Identifier: MIT */
/*
 * A small expect: what to say to a peer, and what it must answer.  tcpc(1) has the language.
 * Reading a script and matching are pure: no socket, no clock.
 */
#ifndef TCPD_TCPC_SCRIPT_H
#define TCPD_TCPC_SCRIPT_H

#include "base/error.h"

#include <regex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCRIPT_TEXT_MAX   ((size_t)1024 * 1024) /* of the file */
#define SCRIPT_INPUT_MAX  ((size_t)16 * 1024 * 1024)
#define SCRIPT_EXPECT_MAX ((size_t)4096) /* bytes of what is expected */
#define SCRIPT_TIMEOUT_S  10             /* until "timeout" says something else */

enum script_verb {
    SCRIPT_SEND,
    SCRIPT_EXPECT, /* text */
    SCRIPT_REGEX,
    SCRIPT_END, /* expect eof */
    SCRIPT_SHUTDOWN,
    SCRIPT_CLOSE,
    SCRIPT_SLEEP,
};

struct script_step {
    enum script_verb verb;
    unsigned line;
    uint64_t time; /* to sleep, or the time-out: nanoseconds, 0: none */
    size_t length;
    char *bytes;      /* to send or expect; of a regex what regcomp(3) gets.  NUL-terminated */
    bool compiled;    /* and the regex is there */
    regex_t compound; /* compiled by script_compile */
};

struct script {
    const char *name; /* for messages, borrowed; NULL: the script is not the user's */
    size_t count, room;
    struct script_step *steps;
};

/*
 * Reads the text of a script.  Returns 0, or -1 with a sentence that begins with "NAME:LINE: ".
 * Either way script_free frees it.
 */
int script_parse(struct script *script, const char *name, const char *text, size_t length,
                 struct error *error);

/* Compiles the regular expressions, in which a byte is a character; errors likewise. */
int script_compile(struct script *script, struct error *error);

/* Reads a file, which is at most SCRIPT_TEXT_MAX, does both, and closes it. */
int script_load(struct script *script, const char *path, struct error *error);

/* One that sends all that a descriptor brings, at most SCRIPT_INPUT_MAX, half-closes, and awaits
 * the peer's end; or, when that is nothing, only closes. */
int script_read_input(struct script *script, int fd, struct error *error);

/* Whether the bytes, and a NUL behind them, have what the step expects; *end: where that ends. */
bool script_match(const struct script_step *step, const char *bytes, size_t length, size_t *end);

void script_free(struct script *script);

#endif
