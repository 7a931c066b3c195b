/* SPDX-License-Identifier: MIT */
/* What the command line of the load generator asks for. */
#ifndef TCPD_BENCH_PLAN_H
#define TCPD_BENCH_PLAN_H

#include "bench/stream.h"

#include <netinet/in.h>

enum mode {
    MODE_REQUEST, /* long connections, each with a request and its answer again and again */
    MODE_SHORT,   /* connect, one request and its answer, close */
    MODE_HOLD,    /* connections that spoke once and are silent now */
    MODE_BULK,    /* one large message: sent as fast as the server takes it */
};

struct plan {
    const char *name; /* of the mode */
    enum mode mode;
    struct sockaddr_in server;
    unsigned connections; /* that work */
    unsigned idle, slow;  /* that are held beside them */
    unsigned threads;
    unsigned depth;   /* messages sent at once */
    unsigned seconds; /* no new request after that time */
    uint64_t count;   /* of requests in all */
    bool gate;        /* wait for a line on standard input before and after the work */
    struct stream request, answer;
};

/* Returns 0; otherwise it has said what is wrong. */
int plan_parse(struct plan *plan, int argc, char **argv);
void plan_fini(struct plan *plan);

#endif
