/* SPDX-License-Identifier: MIT */
/* The environment of a program. */
#ifndef TCPD_CONF_VARIABLE_H
#define TCPD_CONF_VARIABLE_H

#include <stdbool.h>
#include <stddef.h>

/* Whether tcpd says the variable of that name to every program, or never to any: a configuration
 * cannot set it.  Any thread. */
bool variable_is_own(const char *name, size_t length);

#endif
