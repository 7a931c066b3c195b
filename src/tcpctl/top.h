/* SPDX-License-Identifier: MIT */
/* tcpctl top: what status, services and connections tell, as a live screen. */
#ifndef TCPD_TCPCTL_TOP_H
#define TCPD_TCPCTL_TOP_H

struct options;

/* Has the terminal until a key or a signal ends it.  Returns an exit status. */
int top_run(const struct options *options);

/* The library that draws, for --version. */
const char *top_made_with(void);

#endif
