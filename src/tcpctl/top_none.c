/* SPDX-License-Identifier: MIT */
/* Built without ncurses. */
#include "tcpctl/top.h"

#include <stdio.h>

int top_run(const struct options *options)
{
    (void)options;
    fputs("tcpctl: this one was built without ncurses, and has no top\n", stderr);
    return 1;
}

const char *top_made_with(void)
{
    return "none";
}
