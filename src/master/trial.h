/* SPDX-License-Identifier: MIT */
/*
 * Something that must not be able to hurt the master is tried in a process of
 * its own first: reading a configuration, starting a new binary.  It has so
 * much time, and what it says is kept, up to a limit.  The master's only thread.
 */
#ifndef TCPD_MASTER_TRIAL_H
#define TCPD_MASTER_TRIAL_H

#include "base/error.h"
#include "io/loop.h"

#include <sys/types.h>

#define TRIAL_OUTPUT_MAX ((size_t)64 * 1024)

struct trial {
    struct loop *loop;
    pid_t pid;           /* 0: none is under way */
    struct watch output; /* a pipe */
    struct timer deadline;
    char *text; /* what it has said so far; NUL-terminated; owned */
    size_t length;
    bool timed_out;

    int status; /* of waitpid(2) */
    void *owner;
    /* Over: `verdict` has no text when it left with status 0, else says how it ended. */
    void (*over)(struct trial *trial, const struct error *verdict);
};

/*
 * Forks a process that calls run(argument) and leaves with what that returns.  Its standard output
 * and error are trial->text; `keep` (or -1) stays open in it, and no other descriptor.  loop, owner
 * and `over` are set before; `over` comes from the loop, after at most `duration` ns.
 */
int trial_start(struct trial *trial, int (*run)(void *argument), void *argument, int keep,
                uint64_t duration, struct error *error);

/* After SIGCHLD. */
void trial_reap(struct trial *trial);

/* Ends it without a verdict; nothing when none is under way. */
void trial_cancel(struct trial *trial);

#endif
