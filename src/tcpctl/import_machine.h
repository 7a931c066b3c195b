/* SPDX-License-Identifier: MIT */
/* What the machine knows: ports, hosts, users.  What it does not know bars the service. */
#ifndef TCPD_TCPCTL_IMPORT_MACHINE_H
#define TCPD_TCPCTL_IMPORT_MACHINE_H

#include "tcpctl/import.h"

#include <sys/socket.h>

/* A number, or a name of /etc/services; -1: it is neither, and a note tells so. */
int import_port(struct import *import, struct import_entry *entry, struct import_place place,
                const char *name);

/*
 * Adds the addresses of the host, by its number or name, of that family (AF_UNSPEC: both); a host
 * that is NULL or "*" is every address.  A name is looked up, and a note tells what it is.
 */
void import_listen(struct import *import, struct import_entry *entry, struct import_place place,
                   const char *host, int port, sa_family_t family);

/* Sets user or group (or neither, when they are NULL); a number becomes a name. */
void import_user(struct import *import, struct import_entry *entry, struct import_place place,
                 const char *user);
void import_group(struct import *import, struct import_entry *entry, struct import_place place,
                  const char *group);

/* Bars the service, with a note that tells why. */
void import_bar(struct import *import, struct import_entry *entry, struct import_place place,
                const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
