/* SPDX-License-Identifier: MIT */
/* The pieces of which conf_dump makes a configuration; diff.c compares by them. */
#ifndef TCPD_CONF_DUMP_H
#define TCPD_CONF_DUMP_H

#include "conf/conf.h"

/* Prints the settings of a service but its name, with or without its addresses. */
void dump_service(FILE *out, const struct conf_service *service, bool with_listens);

/* Prints one address with its options, as a group. */
void dump_listen(FILE *out, const struct listen *listen);

#endif
