/* SPDX-License-Identifier: MIT */
/* Numbers as libconfig writes them, read without losing a bit. */
#ifndef TCPD_CONF_NUMBER_H
#define TCPD_CONF_NUMBER_H

#include "conf/lexer.h"

/*
 * Reads the number at the start of text into *scalar: an integer, decimal or
 * 0x…, with or without L, or else a float.  Returns its length; 0: none is there.
 */
size_t number_scan(const char *text, struct scalar *scalar);

#endif
