/* SPDX-License-Identifier: MIT */
/*
 * How the master changes what others read without a lock: the sequence is odd
 * meanwhile, and a reader who has seen it odd, or another one afterwards, reads again.
 */
#ifndef TCPD_BASE_SCOREBOARD_SEQUENCE_H
#define TCPD_BASE_SCOREBOARD_SEQUENCE_H

#include "base/scoreboard.h"

/* The master. */
static inline void sequence_begin(struct scoreboard_head *head)
{
    __atomic_fetch_add(&head->sequence, 1, __ATOMIC_SEQ_CST);
}

static inline void sequence_end(struct scoreboard_head *head)
{
    __atomic_fetch_add(&head->sequence, 1, __ATOMIC_SEQ_CST);
}

/* Any thread, any process. */
static inline uint64_t sequence_now(const struct scoreboard_head *head)
{
    return __atomic_load_n(&head->sequence, __ATOMIC_SEQ_CST);
}

#endif
