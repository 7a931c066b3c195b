/* SPDX-License-Identifier: MIT */
/* Whether the programs of a configuration could be started, for the test of it. */
#ifndef TCPD_SPAWNER_CHECK_H
#define TCPD_SPAWNER_CHECK_H

#include "conf/conf.h"

/*
 * Goes, for each of them, in a process of its own all the way that the spawner would go, but for
 * executing it, and adds an error to the report when that fails.  What takes a right that this
 * process has not got is left to the warning about it.
 */
void programs_check(const struct conf *conf, struct conf_report *report);

#endif
