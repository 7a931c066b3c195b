/* SPDX-License-Identifier: MIT */
/* What a connection came to, in a few lines. */
#ifndef TCPD_TCPC_SUMMARY_H
#define TCPD_TCPC_SUMMARY_H

#include "tcpc/flow.h"

#define SUMMARY_LINES    8
#define SUMMARY_LINE_MAX 160

struct summary {
    size_t count;
    char lines[SUMMARY_LINES][SUMMARY_LINE_MAX]; /* without newline */
};

/* Seconds for which Linux holds a port in TIME_WAIT. */
#define SUMMARY_TIME_WAIT 60

/* Adds a line. */
void summary_add(struct summary *summary, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds all that the segments tell; client_port is the one that TIME_WAIT would hold. */
void summary_of_flow(struct summary *summary, const struct flow *flow, unsigned client_port);

/* Who closed first, and behind it what is said of a reset: ""; the same for those who saw nothing
 * of the segments. */
void summary_of_closing(struct summary *summary, enum flow_first first, const char *reset);

/* How long TIME_WAIT holds what, in words; the same for those who saw no segment. */
void summary_of_time_wait(struct summary *summary, bool client, bool server, bool reset,
                          unsigned client_port);

#endif
