/* SPDX-License-Identifier: MIT */
/* The same conversation many times, many at once: --repeat and --parallel. */
#ifndef TCPD_TCPC_REPEAT_H
#define TCPD_TCPC_REPEAT_H

#include "base/error.h"
#include "tcpc/options.h"
#include "tcpc/resolve.h"
#include "tcpc/script.h"
#include "tcpc/tls.h"

#include <stdbool.h>

struct repeat_end {
    bool failed; /* one of the connections did */
    int signal;  /* that ended it early, or 0 */
};

/*
 * Connects options->repeat times to the first of the addresses that answers, runs the script each
 * time, and prints the summary on standard output.  tls: NULL: plain.  -1 with a sentence: it could
 * not begin.
 */
int repeat_run(const struct options *options, const struct address_list *list,
               const struct script *script, const struct tls_context *tls, struct repeat_end *end,
               struct error *error);

#endif
