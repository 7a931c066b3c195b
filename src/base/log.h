/* SPDX-License-Identifier: MIT */
/*
 * The log.  Writing a line never blocks: it is formatted by the thread that
 * has something to say and goes into a ring of fixed size in memory; whoever
 * is in charge of the process's log sends the ring to its target.  In a child that is a thread
 * of its own (log_start); the single-threaded master does it itself, once a
 * turn (log_flush).  When the ring is full, lines are dropped and counted, and
 * as soon as there is room again a line tells how many.
 *
 * Levels are those of syslog(3): LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG.
 */
#ifndef TCPD_BASE_LOG_H
#define TCPD_BASE_LOG_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <syslog.h>

enum log_target { LOG_TARGET_SYSLOG, LOG_TARGET_STDERR, LOG_TARGET_NONE };

struct log_settings {
    enum log_target target;
    int facility;     /* LOG_DAEMON and the like, as openlog(3) takes it */
    char ident[33];   /* what stands before "[pid]: " */
    char socket[108]; /* where the system's log listens, /dev/log by custom */
    int level;        /* the most talkative level that is written, LOG_ERR to LOG_DEBUG */
    bool access;      /* a line for each closed connection */
    bool tee;         /* syslog and stderr as well: in the foreground on a terminal */
};

/* One line in the making.  Lives on the writer's stack. */
struct log_line {
    size_t length;
    char text[1024];
};

/*
 * Takes the settings and makes the ring; until then lines go to stderr, at
 * LOG_NOTICE and above.  May be called again with new settings.  One thread only, before
 * others start.
 */
int log_open(const struct log_settings *settings, struct error *error);

/*
 * Sends what is left, for at most a second, ends the thread if there is one
 * and frees the ring.  Afterwards as before log_open.
 */
void log_close(void);

/* In a child after fork(2): forgets the lines that its parent will send itself. */
void log_forked(void);

/* Starts the logger thread of this process.  Ends with log_close. */
int log_start(struct error *error);

/*
 * Sends what the ring holds as far as the target takes it without blocking.
 * Only in a process without a logger thread.  Returns whether all was sent.
 */
bool log_flush(void);

/* Whether a line of this level would be written.  Any thread. */
bool log_wants(int level);

/* Another level for this process.  Any thread. */
void log_set_level(int level);
int log_level(void);

/* Lines dropped by this process so far because the ring was full.  Any thread. */
uint64_t log_dropped(void);

/* From now on *shown grows with each line that this process drops; it must live as long. */
void log_show_dropped(uint64_t *shown);

/* Writes one line in words.  The arguments must be tcpd's own: a peer's bytes go through log_add.
 */
void log_say(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * A line of key=value: log_begin names the event, log_add and log_add_number
 * append, log_end hands it to the ring.  Values that hold anything but letters,
 * digits and "._:/@%+,-[]" are put in double quotes; in there a quote, a backslash
 * and every byte outside 0x20 to 0x7e stand as \xHH.  A value is cut after 256 bytes.
 * Any thread.
 */
void log_begin(struct log_line *line, const char *event);
void log_add(struct log_line *line, const char *key, const char *value);
void log_add_bytes(struct log_line *line, const char *key, const void *value, size_t length);
void log_add_number(struct log_line *line, const char *key, uint64_t value);
void log_end(struct log_line *line, int level);

#endif
