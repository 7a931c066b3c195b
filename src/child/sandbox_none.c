/* SPDX-License-Identifier: MIT */
/* A build without libseccomp, or one whose instrumentation makes system calls of its own. */
#include "child/sandbox.h"

#include <stdio.h>

int sandbox_enter(uint64_t *refused, unsigned threads, struct error *error)
{
    (void)refused;
    (void)threads;
    (void)error;
    return 0;
}

/* A child of another binary may have had a sandbox. */
void sandbox_call_name(uint64_t refused, char name[static SANDBOX_CALL_MAX])
{
    snprintf(name, SANDBOX_CALL_MAX, "%llu", (unsigned long long)(refused - 1));
}
