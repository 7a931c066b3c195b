/* SPDX-License-Identifier: MIT */
/* What ps(1) shows as this process's command line. */
#ifndef TCPD_BASE_TITLE_H
#define TCPD_BASE_TITLE_H

/*
 * Before title_set: takes over the room that the kernel gave to argv and the
 * environment.  Returns the argv to use from now on, a copy; environ becomes one as well.
 */
char **title_init(char **argv);

/* Sets it, cut to the room there is; the process name (prctl(2)) as well. Not thread-safe. */
void title_set(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Frees the copies, at exit. */
void title_fini(void);

#endif
