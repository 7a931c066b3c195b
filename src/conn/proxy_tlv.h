/* SPDX-License-Identifier: MIT */
/* What stands behind the addresses in a header of the PROXY protocol's version 2. */
#ifndef TCPD_CONN_PROXY_TLV_H
#define TCPD_CONN_PROXY_TLV_H

#include <stddef.h>

/*
 * What is wrong with the elements (type, length, value) from `start` to the end of the header;
 * NULL: nothing.  Those of unknown types are skipped.
 */
const char *proxy_tlv_wrong(const unsigned char *header, size_t length, size_t start);

#endif
