/* SPDX-License-Identifier: MIT */
/* One connection: what it says, what it holds the server to, and how far it has come. */
#ifndef TCPD_TRAFFIC_CONN_H
#define TCPD_TRAFFIC_CONN_H

#include "traffic/list.h"
#include "traffic/target.h"

enum phase {
    PHASE_NONE, /* there is no socket */
    PHASE_CONNECT,
    PHASE_ANSWER,
    PHASE_REST, /* a long one that has its answer */
    PHASE_END,  /* all was said and answered: the FIN of the server is missing */
};

enum outcome {
    CONN_GOES_ON,
    CONN_AGAIN,  /* a unix socket whose queue is full: conn_connect again */
    CONN_RESTS,  /* a long one has its answer */
    CONN_ENDED,  /* in order */
    CONN_FAILED, /* see what and error */
};

struct conn {
    struct link waiting, due, again; /* see struct fleet */
    struct target *target;
    enum kind kind;
    int fd;
    enum phase phase;
    unsigned step; /* grows with every exchange and with every phase that the server has to end */
    uint64_t number;
    unsigned messages;            /* that were asked */
    unsigned todo;                /* what has to be said yet */
    bool is_eager;                /* says all that at once */
    bool leaves;                  /* the end is a word to the server, else a half-close */
    bool is_leaving, is_finished; /* a long one shall end; FIN was sent */
    bool is_settled;              /* a long one that has had an answer */
    struct exchange exchange;
    uint64_t received;
    uint64_t opened_at, asked_at, due_at; /* nanoseconds */
    enum what what;
    int error;
};

/* Makes a socket and begins to connect.  The conn need have nothing but kind, target and links. */
enum outcome conn_open(struct conn *conn, uint64_t number);
enum outcome conn_connect(struct conn *conn);

/* What epoll has told. */
enum outcome conn_ready(struct conn *conn, uint32_t events);

/* A long one at rest: the next message, or the end. */
enum outcome conn_ask(struct conn *conn);
enum outcome conn_leave(struct conn *conn);

/* 0 when it has none. */
unsigned conn_port(const struct conn *conn);

void conn_close(struct conn *conn);

extern const char *const phase_names[];

#endif
