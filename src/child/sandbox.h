/* SPDX-License-Identifier: MIT */
/* The system calls that a child may make. */
#ifndef TCPD_CHILD_SANDBOX_H
#define TCPD_CHILD_SANDBOX_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define SANDBOX_CALL_MAX 64

/*
 * Shuts all threads of the process in, for ever.  The kernel ends the process, by SIGSYS, at a
 * system call that is not one of a child's; before, *refused becomes its number and one.
 * `refused` must live as long as the process; `threads`: how many it has.
 */
int sandbox_enter(uint64_t *refused, unsigned threads, struct error *error);

/* The name of that system call, to whoever finds what *refused was. */
void sandbox_call_name(uint64_t refused, char name[static SANDBOX_CALL_MAX]);

#endif
