/* SPDX-License-Identifier: MIT */
/* Lines as Unix ends them become lines as most protocols of the Internet do. */
#ifndef TCPD_TCPC_CRLF_H
#define TCPD_TCPC_CRLF_H

#include <stdbool.h>
#include <stddef.h>

#define CRLF_GROWTH 2 /* as many bytes may one become */

/*
 * Copies bytes to out, which has room for CRLF_GROWTH times `length`; LF becomes CR LF unless it
 * has its CR already.  *after_return tells from one call to the next whether the last byte was a
 * CR; false at first.  Returns how many were written.
 */
size_t crlf_feed(bool *after_return, const char *bytes, size_t length, char *out);

#endif
