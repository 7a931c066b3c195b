/* SPDX-License-Identifier: MIT */
/* Who is talked to: a service, by its dialogue and its address. */
#ifndef TCPD_TRAFFIC_TARGET_H
#define TCPD_TRAFFIC_TARGET_H

#include "traffic/dialogue.h"
#include "traffic/tally.h"

#include <sys/socket.h>

#define TARGET_TEXT_MAX 128

struct conn;

struct target {
    char text[TARGET_TEXT_MAX]; /* as it was given */
    const struct dialogue *dialogue;
    struct sockaddr_storage address;
    socklen_t length;
    uint64_t opened; /* so many connections were: variants and source addresses go round */
    struct counts counts;
    struct conn *longs; /* owned */
    unsigned long_count;
    unsigned unsettled; /* of them: those without a first answer, or a failure */
    bool is_new;        /* added while it runs, and nobody was told yet that it is there */
    bool is_removed;
    bool is_gone; /* removed, and nothing of it is open */
};

/*
 * Reads "echo:127.0.0.1:7", "greet:[::1]:6000" or "echo:unix:/path".  Returns 0, or -1 when it is
 * none of these.
 */
int target_parse(struct target *target, const char *text);

/*
 * A socket for it that never blocks.  On the loopback network of IPv4 it has one of many source
 * addresses: each has ports of its own, so those in TIME_WAIT are not missed.  Returns -1 with
 * errno.
 */
int target_socket(const struct target *target);

#endif
