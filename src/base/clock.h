/* SPDX-License-Identifier: MIT */
/* Time that never jumps.  Durations and moments are nanoseconds in 64 bits. */
#ifndef TCPD_BASE_CLOCK_H
#define TCPD_BASE_CLOCK_H

#include <stdint.h>

#define CLOCK_US UINT64_C(1000)
#define CLOCK_MS UINT64_C(1000000)
#define CLOCK_S  UINT64_C(1000000000)

/* Nanoseconds of CLOCK_MONOTONIC (clock_gettime(2)).  Any thread; cannot fail. */
uint64_t clock_now(void);

#endif
