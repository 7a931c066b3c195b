/* SPDX-License-Identifier: MIT */
/* The command line of tcpc. */
#ifndef TCPD_TCPC_OPTIONS_H
#define TCPD_TCPC_OPTIONS_H

#include "base/error.h"
#include "io/addr.h"
#include "tcpc/target.h"
#include "tcpc/tls.h"
#include "tcpc/tlv.h"
#include "tcpc/trace.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define OPTIONS_REPEAT_MAX   10000000u
#define OPTIONS_PARALLEL_MAX 4000u

enum options_task { OPTIONS_CONNECT, OPTIONS_HELP, OPTIONS_VERSION };

struct options {
    enum options_task task;
    int family;       /* AF_UNSPEC, AF_INET or AF_INET6 */
    uint64_t timeout; /* for the connection to be established, nanoseconds; 0: none */
    bool half_close;  /* pass the end of standard input on as a FIN */
    bool zero;        /* connect, say how it went, close */
    bool verbose;
    bool json; /* what verbose tells, as one object at the end */
    bool crlf; /* a newline of standard input is sent as CR LF */
    bool hex;  /* what the peer sends is shown with all that is not printable as \xHH */
    bool use_tls;
    struct tls_wishes tls;
    const char *script_file, *script_text; /* the script itself, or where it stands; else NULL */
    unsigned repeat, parallel;             /* 0: not said */
    struct trace_wish trace;               /* nothing of it when neither drawn nor captured */
    int proxy_version; /* of the header of the PROXY protocol that is sent first; 0: none */
    bool has_source, has_destination;
    struct addr source, destination; /* in that header, instead of the connection's own */
    struct tlv_list tlvs;            /* behind them */
    struct target target;
};

/*
 * Reads the command line by getopt_long(3).  Returns 0, or -1 with a sentence
 * about what is wrong with it.  Borrows from argv.
 */
int options_parse(struct options *options, int argc, char **argv, struct error *error);

/* Prints what --help says. */
void options_help(FILE *file);

#endif
