/* SPDX-License-Identifier: MIT */
/*
 * What the daemon has counted, as the text format of Prometheus (version 0.0.4).  A thousand
 * services make megabytes of it, so it is printed piece by piece, each from what is
 * counted at its moment.
 *
 * Any process that has the scoreboard: a worker for the status service, the master for tcpctl.
 */
#ifndef TCPD_SERVICE_METRICS_H
#define TCPD_SERVICE_METRICS_H

#include "base/scoreboard.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define METRICS_TYPE      "text/plain; version=0.0.4; charset=utf-8"
#define METRICS_PIECE_MIN ((size_t)8 * 1024) /* the least room that a piece needs */
#define METRICS_NO_HURRY  UINT64_MAX

/* How far the text has come. */
struct metrics {
    const struct scoreboard *scoreboard;
    unsigned family;
    unsigned id; /* of the next service in that family */
};

void metrics_begin(struct metrics *metrics, const struct scoreboard *scoreboard);

/*
 * Prints whole lines, until less than METRICS_PIECE_MIN of the size is left or clock_now() has
 * reached `until`, and something in any case.  Returns how much was printed; 0 at the end.
 */
size_t metrics_print(struct metrics *metrics, char *text, size_t size, uint64_t until);

bool metrics_ended(const struct metrics *metrics);

/* The whole text, to be freed by the caller; NULL without memory. */
char *metrics_text(const struct scoreboard *scoreboard);

#endif
