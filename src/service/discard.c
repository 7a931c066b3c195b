/* SPDX-License-Identifier: MIT */
/* Discard: takes everything, says nothing (RFC 863). */
#include "conn/conn.h"
#include "service/builtin.h"

size_t builtin_ignore(struct conn *conn, const char *bytes, size_t length)
{
    (void)conn;
    (void)bytes;
    return length;
}

const struct service_ops discard_service = {
    .type = "discard",
    .about = "throws away what it gets (RFC 863)",
    .data = builtin_ignore,
};
