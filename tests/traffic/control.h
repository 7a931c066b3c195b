/* SPDX-License-Identifier: MIT */
/* The commands that come on standard input, a line each. */
#ifndef TCPD_TRAFFIC_CONTROL_H
#define TCPD_TRAFFIC_CONTROL_H

#include "traffic/fleet.h"

#define CONTROL_LINE_MAX 512

struct control {
    char line[CONTROL_LINE_MAX];
    size_t length;
    const char *end; /* why it ends: "stop" or "eof"; NULL: not yet */
};

/* Reads what is there and does it; standard input has to be readable. */
void control_read(struct control *control, struct fleet *fleet);

#endif
