/* SPDX-License-Identifier: MIT */
/*
 * The story of one connection: each step of its life with the time since the
 * start.  -v prints it as it happens, and --json does so for programs.  The
 * steps are a fixed list, so that another form of telling needs no other places in the code.
 */
#ifndef TCPD_TCPC_STORY_H
#define TCPD_TCPC_STORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum story_step {
    STORY_RESOLVING,
    STORY_RESOLVED,
    STORY_TRYING,
    STORY_FAILED,
    STORY_CONNECTED,
    STORY_FIRST_BYTE,
    STORY_HALF_CLOSED,   /* our FIN */
    STORY_PEER_FINISHED, /* the peer's FIN */
    STORY_RESET,
    STORY_INPUT,  /* something about standard input */
    STORY_OUTPUT, /* something about standard output */
    STORY_KERNEL, /* what the kernel knows at the end */
    STORY_CLOSED,
};

struct trace;

struct story {
    bool aloud;     /* whether -v was given */
    bool json;      /* each step is an object instead of a sentence */
    uint64_t start; /* clock_now() at the start */
    /* Prints one line, newline included.  stderr, until a line editor owns the screen. */
    void (*print)(void *context, const char *line);
    void *context;
    struct trace *trace; /* who looks at the connection from outside (trace.h); NULL: nobody */
};

/* Starts the clock.  Lines go to stderr if aloud, nowhere else. */
void story_begin(struct story *story, bool aloud);

/* Tells one step; format gives the details that follow its name. */
void story_tell(const struct story *story, enum story_step step, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * The same with facts for programs: an object of jansson's, as json_pack(3) makes
 * it (it may return NULL), that is given away.
 */
void story_tell_facts(const struct story *story, enum story_step step, json_t *facts,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Nanoseconds since story_begin. */
uint64_t story_time(const struct story *story);

#endif
