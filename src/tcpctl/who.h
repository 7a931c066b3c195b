/* SPDX-License-Identifier: MIT */
/*
 * A client as somebody types it, for the command explain.  The daemon looks up no names, for that
 * may take its time; so they are looked up here.
 */
#ifndef TCPD_TCPCTL_WHO_H
#define TCPD_TCPCTL_WHO_H

#include "base/error.h"

/*
 * An address stays what it is.  "uid:USER,gid:GROUP", by names or numbers and with any number of
 * groups, the name of a user, with all groups that it has, and "unix", which is who asks, become
 * "uid:N,gid:N".  For free(3); NULL with an error: there is no such user or group.
 */
char *who_translate(const char *text, struct error *error);

#endif
