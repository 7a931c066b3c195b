/* SPDX-License-Identifier: MIT */
/* Users and groups of this machine, by their names. */
#ifndef TCPD_CONF_ACCOUNT_H
#define TCPD_CONF_ACCOUNT_H

#include <stdint.h>

/* Return 0, the errno of a system that cannot tell, or ENOENT: there is none of this name. */
int account_user(const char *name, uint32_t *uid);
int account_group(const char *name, uint32_t *gid);

#endif
