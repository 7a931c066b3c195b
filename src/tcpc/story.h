/* SPDX-License-Identifier: MIT */
/*
 * The story of one connection: each step of its life with the time since the
 * start.  -v prints it as it happens, --json collects it.  The steps are a fixed list, so that
 * another form of telling needs no other places in the code.
 */
#ifndef TCPD_TCPC_STORY_H
#define TCPD_TCPC_STORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum story_step {
    STORY_RESOLVING,
    STORY_RESOLVED,
    STORY_TRYING,
    STORY_FAILED,
    STORY_CONNECTED,
    STORY_TLS,
    STORY_CERTIFICATE,
    STORY_FIRST_BYTE,
    STORY_HALF_CLOSED,   /* our FIN */
    STORY_PEER_FINISHED, /* the peer's FIN */
    STORY_RESET,
    STORY_INPUT,  /* something about standard input */
    STORY_OUTPUT, /* something about standard output */
    STORY_KERNEL, /* what the kernel knows at the end */
    STORY_CLOSED,
    STORY_SCRIPT, /* a statement begins */
};

struct trace;

struct story {
    bool aloud;     /* whether -v was given */
    uint64_t start; /* clock_now() at the start */
    json_t *told;   /* what --json prints at the end; NULL: nothing */
    /* Prints one line, newline included.  stderr, until a line editor owns the screen. */
    void (*print)(void *context, const char *line);
    void *context;
    struct trace *trace; /* who looks at the connection from outside (trace.h); NULL: nobody */
};

/* Starts the clock.  Lines go to stderr if aloud; with json all is collected for story_end. */
void story_begin(struct story *story, bool aloud, bool json);

/* Tells one step; format gives the details that follow its name. */
void story_tell(const struct story *story, enum story_step step, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * The same with facts for programs: an object of jansson's, as json_pack(3) makes
 * it (it may return NULL), that is given away.
 */
void story_tell_facts(const struct story *story, enum story_step step, json_t *facts,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Whether anybody listens: what is costly to find out need not be found out for nobody. */
bool story_heard(const struct story *story);

/* The fact of a step that it came after, or with, so many bytes; NULL if nobody collects it. */
json_t *story_bytes(const struct story *story, uint64_t bytes);

/* A fact about the connection as a whole, for --json alone.  Takes the value over. */
void story_fact(const struct story *story, const char *name, json_t *value);

/* Text of whatever bytes as a JSON string: what is no UTF-8 is escaped. */
json_t *story_text(const char *text);

/* Prints the object, on one line, if there is one, and frees it. */
void story_end(struct story *story, FILE *file);

/* Nanoseconds since story_begin. */
uint64_t story_time(const struct story *story);

#endif
