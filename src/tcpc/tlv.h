/* SPDX-License-Identifier: MIT */
/* What --proxy-tlv adds to the header of the PROXY protocol: type, length, value. */
#ifndef TCPD_TCPC_TLV_H
#define TCPD_TCPC_TLV_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

/* So much that the header stays one that proxy_read takes, with addresses and a checksum. */
#define TLV_MAX ((size_t)4032)

struct tlv_list {
    size_t length;
    bool checksum; /* a CRC32C is wanted, which is made when all else is known */
    unsigned char bytes[TLV_MAX];
};

/*
 * Adds "TYPE=VALUE" to the list.  TYPE is a number like 0x02 or a name like authority; VALUE a text
 * in which \xHH and the like are bytes, or "hex:" and hexadecimal digits.  "crc32c" without a value
 * asks for the checksum.  Returns 0, or -1 with a sentence.
 */
int tlv_add(struct tlv_list *list, const char *argument, struct error *error);

#endif
