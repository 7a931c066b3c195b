/* SPDX-License-Identifier: MIT */
/*
 * --trace and --pcap: the connection seen from outside while it lives.
 * Whoever opens, waits for and closes its socket tells here, and gives the time to look.
 * Every function but trace_open takes NULL for "nobody looks".
 */
#ifndef TCPD_TCPC_TRACE_H
#define TCPD_TCPC_TRACE_H

#include "base/error.h"
#include "io/addr.h"
#include "tcpc/story.h"

#include <stdbool.h>

struct trace;

struct trace_wish {
    bool draw;           /* a ladder: */
    const char *picture; /* in this file, or (NULL) on stderr through the story's print */
    bool absolute;       /* with sequence numbers as they are on the wire */
    const char *pcap;    /* the segments themselves in this file, or NULL */
};

/*
 * Opens what is written to.  The story is borrowed, and must have begun.  NULL
 * with an error.  trace_close frees it.
 */
struct trace *trace_open(const struct trace_wish *wish, const struct story *story,
                         struct error *error);

/*
 * A socket is about to be connected to the peer: binds it to a port, and begins
 * to capture.  What cannot be captured is asked of the kernel; that is said, once.
 */
void trace_attempt(struct trace *trace, int socket, const struct addr *peer);

/* For poll(2): a descriptor that is readable when there is something to look at, or -1, ... */
int trace_fd(const struct trace *trace);

/* ... and the milliseconds after which to look all the same, or -1; but not more than `most`, if
 * that is not -1. */
int trace_patience(const struct trace *trace, int most);

/* Looks, and draws what there is to see. */
void trace_look(struct trace *trace);

/* A FIN is about to be sent, by shutdown(2). */
void trace_finishing(struct trace *trace, int socket);

/* A socket is about to be closed.  reset: its connection was. */
void trace_closing(struct trace *trace, int socket, bool reset);

/*
 * Waits a moment for the last segments (less if a descriptor of signals, or -1, becomes
 * readable), sums up, and completes what is written.  -1 with an error when that failed,
 * or when a file was to be filled and not everything could be captured.
 */
int trace_close(struct trace *trace, int signals, struct error *error);

#endif
