/* SPDX-License-Identifier: MIT */
/* The way out of an error. */
#ifndef TCPD_TCPC_ADVICE_H
#define TCPD_TCPC_ADVICE_H

/* What to do about a connection that failed with this errno: a clause; never NULL. */
const char *advice_for_errno(int errnum);

#endif
