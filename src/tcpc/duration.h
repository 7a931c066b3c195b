/* SPDX-License-Identifier: MIT */
/* A duration as a user types it. */
#ifndef TCPD_TCPC_DURATION_H
#define TCPD_TCPC_DURATION_H

#include "base/error.h"

#include <stdint.h>

/* The longest duration that is taken: 365 days. */
#define DURATION_MAX_S 31536000

/*
 * Reads "250ms", "2s", "5m", "1h" or a plain number of seconds; a decimal
 * fraction is understood ("0.5", "1.5s").  Writes nanoseconds to *nanoseconds.
 * Returns 0, or -1 with a sentence that quotes the text.
 */
int duration_parse(uint64_t *nanoseconds, const char *text, struct error *error);

#endif
