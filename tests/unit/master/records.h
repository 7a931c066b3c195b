/* SPDX-License-Identifier: MIT */
/* What a child may tell, for the unit tests and for the fuzzer to begin with. */
#ifndef TESTS_UNIT_MASTER_RECORDS_H
#define TESTS_UNIT_MASTER_RECORDS_H

#include "base/clock.h"
#include "conn/record.h"

static inline struct conn_record record_of(uint64_t number)
{
    struct conn_record record = {
        .size = sizeof record,
        .service = 1,
        .number = number,
        .age = 12500 * CLOCK_MS,
        .idle = 250 * CLOCK_MS,
        .received = 6,
        .sent = 7,
        .peer = {.family = AF_INET, .port = 40112, .bytes = {127, 0, 0, 1}},
        .local = {.family = AF_INET, .port = 7, .bytes = {127, 0, 0, 2}},
        .tcp_state = 8,
        .rtt = 43,
        .retransmits = 3,
    };
    return record;
}

#endif
