/* SPDX-License-Identifier: MIT */
/* Users and groups of this machine.  Each function returns 0, ENOENT, or why it cannot be told. */
#ifndef TCPD_CONF_LOOKUP_H
#define TCPD_CONF_LOOKUP_H

#include <stddef.h>
#include <sys/types.h>

int lookup_user(const char *name, uid_t *uid, gid_t *primary);
int lookup_group(const char *name, gid_t *gid);

/* The name of a group; ENOENT too when it does not fit. */
int lookup_group_name(gid_t gid, char *name, size_t size);

#endif
